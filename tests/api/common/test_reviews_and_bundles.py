"""Access reviews, trust bundles and certificate requests: what is wrong with them."""

from umiak.api.authorization.localsubjectaccessreview import KIND as LOCAL
from umiak.api.authorization.selfsubjectaccessreview import KIND as SELF
from umiak.api.authorization.subjectaccessreview import KIND as ANYBODY
from umiak.api.certificates.clustertrustbundle import KIND as BUNDLE
from umiak.api.certificates.podcertificaterequest import KIND as REQUEST

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def test_review_asks_one_question_about_somebody() -> None:
    both = {"spec": {"resourceAttributes": {}, "nonResourceAttributes": {"path": "/"}}}
    assert [error.path for error in ANYBODY.validate(both)] == ["spec", "spec.user"]
    assert [error.path for error in SELF.validate(both)] == ["spec"]


def test_local_review_stays_in_its_namespace() -> None:
    obj = {"metadata": {"namespace": "a"}, "spec": {"user": "u", "resourceAttributes": {"namespace": "b"}}}
    assert [error.path for error in LOCAL.validate(obj)] == ["spec.resourceAttributes.namespace"]


def test_bundle_is_named_for_its_signer() -> None:
    spec = {"signerName": "a.example/b", "trustBundle": CERTIFICATE}
    assert BUNDLE.validate({"metadata": {"name": "a.example:b:main"}, "spec": spec}) == []
    assert [error.path for error in BUNDLE.validate({"metadata": {"name": "main"}, "spec": spec})] == ["metadata.name"]


def test_bundle_has_each_anchor_once() -> None:
    (error,) = BUNDLE.validate({"metadata": {"name": "a"}, "spec": {"trustBundle": CERTIFICATE * 2}})
    assert "duplicate trust anchor" in error.message
    (error,) = BUNDLE.validate({"metadata": {"name": "a"}, "spec": {"trustBundle": "nothing"}})
    assert "at least one trust anchor" in error.message


def test_certificate_request_carries_one_kind_of_key() -> None:
    who = {f"{one}{end}": "x" for one in ("pod", "serviceAccount", "node") for end in ("Name", "UID")}
    obj = {"spec": {**who, "signerName": "a.example/b", "stubPKCS10Request": "AA=="}}
    REQUEST.default(obj)
    assert REQUEST.validate(obj) == []
    obj["spec"]["pkixPublicKey"] = "AA=="
    assert [error.path for error in REQUEST.validate(obj)] == ["spec"]
