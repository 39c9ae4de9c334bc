"""The words between this server and a webhook."""

import base64

import pytest

from umiak.server.webhooks import review
from umiak.server.webhooks.review import Unintelligible

V1, UID = "admission.k8s.io/v1", "7"


def said(uid=UID, kind="AdmissionReview", **response) -> dict:
    return {"apiVersion": V1, "kind": kind, "response": {"uid": uid, "allowed": True, **response}}


@pytest.mark.parametrize(
    ("answer", "may_patch", "why"),
    [
        ({}, True, "webhook response was absent"),
        (said(uid="8"), True, 'expected response.uid="7", got "8"'),
        (said(patch="W10="), False, "validating webhook may not return response.patch"),
        (said(patchType="JSONPatch"), False, "validating webhook may not return response.patchType"),
        (said(patch="W10="), True, "webhook returned response.patch but not response.patchType"),
        (said(patchType="JSONPatch"), True, "webhook returned response.patchType but not response.patch"),
        (said(patch="W10=", patchType="Magic"), True, 'unsupported patch type "Magic"'),
    ],
)
def test_answers_that_break_the_protocol(answer, may_patch, why):
    with pytest.raises(Unintelligible, match="^" + why.replace(".", r"\.") + "$"):
        review.answer(answer, UID, V1, may_patch)


def test_a_patch_and_warnings():
    patch = base64.b64encode(b"[]").decode()
    verdict = review.answer(said(patch=patch, patchType="JSONPatch", warnings=["beware"]), UID, V1, True)
    assert (verdict.allowed, verdict.patch, verdict.warnings) == (True, b"[]", ("beware",))


@pytest.mark.parametrize(
    ("result", "code", "message"),
    [
        ({}, 400, 'admission webhook "w" denied the request without explanation'),
        ({"message": "no", "code": 200}, 400, 'admission webhook "w" denied the request: no'),
        ({"reason": "Conflict", "code": 409}, 409, 'admission webhook "w" denied the request: Conflict'),
    ],
)
def test_refusals(result, code, message):
    error = review.refusal("w", result)
    assert (error.code, error.message) == (code, message)


def test_the_older_form_is_spoken_with_who_knows_no_other():
    assert review.version_of({"admissionReviewVersions": ["v2", "v1beta1"]}) == "admission.k8s.io/v1beta1"
    old = {"apiVersion": "admission.k8s.io/v1beta1", "response": {"allowed": False}}
    assert not review.answer(old, UID, "admission.k8s.io/v1beta1", False).allowed
