"""Source: `validateWindowsSecurityContextOptions`, `validateWindowsHostProcessPod`."""

import pytest

from umiak.api.common.pod_windows import host_process, windows_options


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({}, []),
        ({"runAsUserName": "Container User"}, []),
        ({"runAsUserName": "DOMAIN\\me"}, []),
        ({"runAsUserName": ""}, ["runAsUserName cannot be an empty string"]),
        ({"runAsUserName": "a\\b\\c"}, ["runAsUserName cannot contain more than one backslash"]),
        ({"runAsUserName": "a\tb"}, ["runAsUserName cannot contain control characters"]),
        ({"runAsUserName": "."}, ["runAsUserName's User cannot contain only periods or spaces"]),
        ({"runAsUserName": "\\x"}, ["runAsUserName's Domain doesn't match the NetBios nor the DNS format"]),
        ({"gmsaCredentialSpec": ""}, ["gmsaCredentialSpec cannot be an empty string"]),
        ({"gmsaCredentialSpec": "x" * 65537}, ["gmsaCredentialSpec size must be under 64 KiB"]),
    ],
)
def test_options(options, texts):
    errors = []
    windows_options(options, "p", errors)
    assert [error.message.rpartition('": ')[2] for error in errors] == texts


def pod(of_pod, *containers, **spec):
    def options(value):
        return {} if value is None else {"securityContext": {"windowsOptions": {"hostProcess": value}}}

    return {**options(of_pod), "containers": [options(value) for value in containers], **spec}


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        (pod(None, None), []),
        (pod(True, None, hostNetwork=True), []),
        (pod(True, None), ["spec.hostNetwork"]),
        (pod(None, True, None, hostNetwork=True), ["spec"]),
        (pod(False, True, hostNetwork=True), ["spec.containers[0].securityContext.windowsOptions.hostProcess"]),
    ],
)
def test_all_containers_are_processes_of_the_host_or_none_is(spec, paths):
    errors = []
    host_process(spec, "spec", errors)
    assert [error.path for error in errors] == paths
