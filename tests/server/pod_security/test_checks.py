"""The Pod Security Standards, level by level and version by version."""

import pytest

from umiak.server.pod_security.checks import faults, told
from umiak.server.pod_security.policy import LATEST, Policy, Standard, policy_of

BASELINE, RESTRICTED = Standard("baseline"), Standard("restricted")
GOOD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "a", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def container(name="a", **context):
    return {"name": name, "securityContext": context}


def words(standard, spec, annotations=None):
    return [what for what, _ in faults(standard, annotations or {}, spec)]


def test_levels():
    assert words(RESTRICTED, GOOD) == []
    assert words(Standard("privileged"), {"hostPID": True}) == []
    assert words(BASELINE, {"containers": [{"name": "a"}]}) == []
    assert words(RESTRICTED, {"containers": [{"name": "a"}]}) == [
        "allowPrivilegeEscalation != false",
        "unrestricted capabilities",
        "runAsNonRoot != true",
        "seccompProfile",
    ]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"containers": [container(privileged=True), container("b", privileged=True)]},
            'privileged (containers "a", "b" must not set securityContext.privileged=true)',
        ),
        ({"hostNetwork": True, "hostIPC": True}, "host namespaces (hostNetwork=true, hostIPC=true)"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, 'hostPath volumes (volume "v")'),
        (
            {"containers": [{"name": "a", "ports": [{"hostPort": 80}, {"hostPort": 81}]}]},
            'hostPort (container "a" uses hostPorts 80, 81)',
        ),
        (
            {"containers": [container(capabilities={"add": ["SYS_ADMIN", "CHOWN"]})]},
            'non-default capabilities (container "a" must not include "SYS_ADMIN" in securityContext.capabilities.add)',
        ),
        (
            {"securityContext": {"seLinuxOptions": {"type": "x", "user": "u"}}},
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "x"; user may not be set)',
        ),
        ({"securityContext": {"sysctls": [{"name": "net.core.x"}]}}, "forbidden sysctls (net.core.x)"),
    ],
)
def test_texts(spec, text):
    assert told(faults(BASELINE, {}, spec)) == text


@pytest.mark.parametrize(
    ("version", "setting", "forbidden"),
    [(26, "net.ipv4.tcp_rmem", True), (32, "net.ipv4.tcp_rmem", False), (LATEST, "net.ipv4.tcp_notsent_lowat", False)],
)
def test_versions(version, setting, forbidden):
    spec = {"securityContext": {"sysctls": [{"name": setting}]}}
    assert bool(faults(Standard("baseline", version), {}, spec)) is forbidden


def test_user_namespaces_relax():
    spec = {**GOOD, "hostUsers": False, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
    assert words(RESTRICTED, spec) == []
    assert words(Standard("restricted", 34), spec) == ["runAsNonRoot != true"]


def test_labels():
    prefix = "pod-security.kubernetes.io/"
    policy, wrong = policy_of({prefix + "enforce": "baseline", prefix + "enforce-version": "v1.30"})
    assert policy == Policy(Standard("baseline", 30), Standard(), Standard("baseline", 30))
    assert (wrong, str(policy.enforce)) == ([], "baseline:v1.30")
    policy, wrong = policy_of({prefix + "enforce": "odd", prefix + "warn": "odd", prefix + "audit-version": "1"})
    assert (policy.enforce.level, policy.warn.level, len(wrong)) == ("restricted", "privileged", 3)
