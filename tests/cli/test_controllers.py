"""Which controllers run, and with what."""

import argparse
import asyncio
from pathlib import Path

import pytest

from umiak.cli.command import CommandError
from umiak.cli.controllers import COMMAND, chosen, options_of, teller
from umiak.cli.main import parser_of
from umiak.kit.modules import modules
from umiak.reconcile.context import build
from umiak.reconcile.contract import Controller, Loop
from umiak.testing.clock import VirtualClock
from umiak.testing.fakeapi import FakeApi


def parsed(*words: str) -> argparse.Namespace:
    return parser_of(COMMAND).parse_args(["--kubeconfig", "f", *words])


def names(wish: str) -> set[str]:
    return {c.name.removesuffix("-controller") for c in chosen(wish)}


def test_every_module_exports_a_controller_of_its_own_name() -> None:
    found = [module.CONTROLLER for module in modules("umiak.controllers")]
    assert all(isinstance(c, Controller | Loop) for c in found)
    assert len({c.name for c in found}) == len(found)


REFERENCE = """
bootstrap-signer certificatesigningrequest-approving certificatesigningrequest-cleaner
certificatesigningrequest-signing clusterrole-aggregation cronjob daemonset deployment device-taint-eviction disruption
endpoints endpointslice endpointslice-mirroring ephemeral-volume garbage-collector horizontal-pod-autoscaler job
kube-apiserver-serving-clustertrustbundle-publisher legacy-serviceaccount-token-cleaner namespace node-ipam
node-lifecycle persistentvolume-attach-detach persistentvolume-binder persistentvolume-expander
persistentvolume-protection persistentvolumeclaim-protection pod-garbage-collector podcertificaterequest-cleaner
replicaset replicationcontroller resourceclaim resourcequota root-ca-certificate-publisher service-cidr serviceaccount
serviceaccount-token statefulset storage-version-migrator taint-eviction token-cleaner ttl ttl-after-finished
validatingadmissionpolicy-status
volumeattributesclass-protection
"""
"""What kube-controller-manager 1.37 starts by default (`cmd/kube-controller-manager/names`), and both that it does not
but kubeadm does: bootstrap-signer and token-cleaner."""


def test_the_reference_s_names_choose() -> None:
    assert set(REFERENCE.split()) <= names("*")


def test_choosing() -> None:
    everything = names("*")
    assert names("job,namespace-controller") == {"job", "namespace"}
    assert names("*,-namespace") == everything - {"namespace"}
    with pytest.raises(CommandError, match='unknown controller "nope"; there are: '):
        chosen("nope")


def test_options(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text("PEM")
    options = options_of(parsed("--root-ca", str(authority), "--cluster-cidr", "10.1.0.0/16,fd00::/48"))
    assert (options.root_ca, options.cluster_cidrs) == ("PEM", ("10.1.0.0/16", "fd00::/48"))
    assert options.service_cidrs == ("10.96.0.0/16",)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nothing\.crt: No such file or directory"):
        options_of(parsed("--root-ca", str(tmp_path / "nothing.crt")))


async def test_they_tell_what_they_count() -> None:
    """Whether caches are filled, and metrics read off these."""
    shared = build(FakeApi(VirtualClock()), clock=VirtualClock())
    ready = asyncio.Event()
    told = teller(shared, chosen("resourceclaim"), ready)
    assert [check() for check in told.ready.values()] == [False]
    ready.set()
    assert [check() for check in told.ready.values()] == [True]
    assert told.metrics() == b""
    shared.metrics.counter("done", "Done").inc()
    assert b"done 1" in told.metrics()
