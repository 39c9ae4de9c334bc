"""PodSecurityConfiguration: what holds without labels, and who is exempt (pod-security-admission's validation)."""

import pytest

from umiak.api.configuration import Unacceptable
from umiak.server.pod_security.configuration import rules_of
from umiak.server.pod_security.policy import LATEST, Policy, Rules, Standard, policy_of

HEAD = "{apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, "


def test_without_a_file_nothing_holds():
    assert rules_of(b"") == Rules()


def test_what_is_read():
    defaults = 'defaults: {enforce: baseline, enforce-version: v1.30, warn: restricted, audit-version: "latest"}'
    exempt = "exemptions: {usernames: [ann], namespaces: [kube-system], runtimeClasses: [kata]}}"
    found = rules_of(f"{HEAD}{defaults}, {exempt}".encode())
    policy = Policy(Standard("baseline", 30), Standard("privileged", LATEST), Standard("restricted", LATEST))
    assert found == Rules(policy, frozenset({"kube-system"}), frozenset({"ann"}), frozenset({"kata"}))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            "defaults: {enforce: strict, warn-version: v2}}",
            '[defaults.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted, '
            'defaults.warn-version: Invalid value: "v2": must be "latest" or "v1.x"]',
        ),
        ("exemptions: {usernames: ['']}}", 'exemptions.usernames[0]: Invalid value: "": username must not be empty'),
        ("exemptions: {namespaces: [a, a]}}", 'exemptions.namespaces[1]: Duplicate value: "a"'),
        (
            "exemptions: {runtimeClasses: [A_]}}",
            'exemptions.runtimeClasses[0]: Invalid value: "A_": a lowercase RFC 1123',
        ),
        ("default: {}}", 'strict decoding error: unknown field "default"'),
    ],
)
def test_what_is_refused(content, why):
    with pytest.raises(Unacceptable) as caught:
        rules_of(f"{HEAD}{content}".encode())
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize(
    ("labels", "enforce", "warn"),
    [
        ({}, "baseline:v1.30", "privileged:latest"),
        ({"enforce": "privileged"}, "privileged:v1.30", "privileged:latest"),
        ({"enforce": "restricted"}, "restricted:v1.30", "restricted:v1.30"),
        ({"enforce": "restricted", "warn-version": "v1.2"}, "restricted:v1.30", "restricted:v1.2"),
        ({"enforce-version": "v1.31"}, "baseline:v1.31", "privileged:latest"),
        ({"enforce": "wrong"}, "restricted:v1.30", "privileged:latest"),
    ],
)
def test_labels_over_defaults(labels, enforce, warn):
    told = {f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()}
    policy, _ = policy_of(told, Policy(enforce=Standard("baseline", 30)))
    assert (str(policy.enforce), str(policy.warn)) == (enforce, warn)
