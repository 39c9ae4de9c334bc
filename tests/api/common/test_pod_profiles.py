"""Profiles in annotations and in fields; the answers are kube-apiserver 1.37.1's."""

import pytest

from umiak.api.common.pod_profiles import APP_ARMOR, POD_SECCOMP, SECCOMP, disagreements
from umiak.api.common.pod_warnings import pod_warnings

LOCAL = {"type": "Localhost", "localhostProfile": "x"}


def spec(**context):
    return {"containers": [{"name": "a", "securityContext": context}]}


@pytest.mark.parametrize(
    ("annotation", "profile", "fault"),
    [
        ("unconfined", {"type": "Unconfined"}, ""),
        ("unconfined", {"type": "RuntimeDefault"}, "type: Forbidden: apparmor type in annotation and field must match"),
        ("localhost/x", LOCAL, ""),
        ("localhost/y", LOCAL, "localhostProfile: Forbidden: apparmor profile in annotation and field must match"),
        ("runtime/default", LOCAL, "type: Forbidden: apparmor type in annotation and field must match"),
    ],
)
def test_app_armor_fields_say_what_annotations_say(annotation, profile, fault):
    found = disagreements({f"{APP_ARMOR}a": annotation}, spec(appArmorProfile=profile), "spec")
    path = "spec.containers[0].securityContext.appArmorProfile."
    assert [f"{e.path}: {e.message}" for e in found] == ([path + fault] if fault else [])


def test_windows_knows_no_app_armor():
    pod = {**spec(appArmorProfile=LOCAL), "os": {"name": "windows"}}
    assert disagreements({f"{APP_ARMOR}a": "unconfined"}, pod, "spec") == []


def test_seccomp_of_pod_and_container():
    pod = {**spec(seccompProfile={"type": "RuntimeDefault"}), "securityContext": {"seccompProfile": LOCAL}}
    found = disagreements({POD_SECCOMP: "unconfined", f"{SECCOMP}a": "docker/default"}, pod, "spec")
    assert [e.path for e in found] == ["spec.securityContext.seccompProfile.type"]


def test_annotations_without_field_do_nothing_any_more():
    text = 'non-functional in v1.27+; use the "seccompProfile" field instead'
    metadata = {"annotations": {POD_SECCOMP: "unconfined", f"{SECCOMP}a": "unconfined"}}
    assert pod_warnings(metadata, spec(), "") == [
        f"metadata.annotations[{POD_SECCOMP}]: {text}",
        f"metadata.annotations[{SECCOMP}a]: {text}",
    ]


def test_a_template_is_not_warned_of_what_the_pod_says_too():
    metadata = {"annotations": {f"{APP_ARMOR}a": "unconfined"}}
    pod = {**spec(), "securityContext": {"appArmorProfile": {"type": "Unconfined"}}}
    assert pod_warnings(metadata, pod, "template.") == []
    assert len(pod_warnings(metadata, spec(), "template.")) == 1
