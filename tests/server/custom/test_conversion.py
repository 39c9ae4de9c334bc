"""What is said between this server and a conversion webhook (apiextensions' `webhook_converter_test.go`)."""

import pytest

from umiak.server.custom import conversion
from umiak.server.custom.conversion import NotConverted

V1, UID = "apiextensions.k8s.io/v1", "7"
V2 = "toys.example/v2"
ABOUT = {"name": "a", "namespace": "n", "uid": "u", "generation": 3, "labels": {"old": "x"}}
SENT = {"kind": "Kite", "apiVersion": "toys.example/v1", "metadata": ABOUT}
TOLD = "conversion webhook for toys.example/v1, Kind=Kite returned invalid"


def said(version=V1, uid=UID, kind="ConversionReview", status="Success", **result):
    response = {"uid": uid, "convertedObjects": [1], "result": {"status": status, **result}}
    return {"apiVersion": version, "kind": kind, "response": response}


def got(**metadata):
    return {"kind": "Kite", "apiVersion": V2, "metadata": {**ABOUT, **metadata}}


@pytest.mark.parametrize(
    ("spoken", "version"), [(["v1"], V1), (["v9", "v1beta1", "v1"], "apiextensions.k8s.io/v1beta1")]
)
def test_the_first_version_of_the_review_that_is_known(spoken, version):
    assert conversion.version_of(spoken) == version


def test_no_version_of_the_review_is_known():
    with pytest.raises(NotConverted, match=r"^no supported conversion review versions$"):
        conversion.version_of(["v9"])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said(kind=""), f"expected webhook response of {V1}, Kind=ConversionReview, got {V1}, Kind="),
        ({"apiVersion": V1, "kind": "ConversionReview"}, "no response provided"),
        (said(uid="8"), 'expected response.uid="7", got "8"'),
        (said(status="Failed", message="no"), "no"),
        (said(status="Failed"), "response.result.status was 'Failed', not 'Success'"),
        (said(status=""), "response.result.status was '', not 'Success'"),
    ],
)
def test_answers_that_say_no(answer, why):
    with pytest.raises(NotConverted) as error:
        conversion.answered(answer, UID, V1)
    assert str(error.value) == why


def test_the_older_form_needs_no_uid():
    assert conversion.answered(said("", ""), UID, "apiextensions.k8s.io/v1beta1") == [1]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({**got(), "apiVersion": "v3"}, f"object at index 0: invalid groupVersion (expected {V2}, received v3)"),
        ({**got(), "kind": "Ball"}, "object at index 0: invalid kind (expected Kite, received Ball)"),
        (got(name="b"), "object: must have the same name: a != b"),
        (got(namespace="m"), "object: must have the same namespace: n != m"),
        (got(uid="v"), "object: must have the same UID: u != v"),
        ({"kind": "Kite", "apiVersion": V2}, "object: must have the same name: a != "),
        (got(labels="x"), "metadata: invalid metadata.labels of type string in converted object"),
        (got(labels={"a": 1}), "metadata: metadata.labels[a] must be a string, but is int64 in converted object"),
    ],
)  # fmt: skip
def test_objects_that_are_not_taken(answer, why):
    with pytest.raises(NotConverted) as error:
        conversion.accepted(SENT, answer, V2)
    assert str(error.value) == f"{TOLD} {why}"


def test_new_labels_must_be_labels():
    with pytest.raises(NotConverted, match=r"invalid metadata: \[metadata.labels: Invalid value: \"a b\""):
        conversion.accepted(SENT, got(labels={"a b": "c d"}), V2)


def test_only_labels_and_annotations_change():
    answer = got(labels={"new": "y"}, annotations={"b": "c"}, generation=9, finalizers=["x"])
    about = conversion.accepted(SENT, answer, V2)["metadata"]
    assert about == {**ABOUT, "labels": {"new": "y"}, "annotations": {"b": "c"}}
    assert "labels" not in conversion.accepted(SENT, got(labels=None), V2)["metadata"]
