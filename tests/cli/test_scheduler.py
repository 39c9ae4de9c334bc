"""The scheduler's configuration as commands take it."""

import argparse

import pytest

from umiak.cli._scheduling import configuration
from umiak.cli.command import CommandError
from umiak.cli.controllers import COMMAND as CONTROLLERS
from umiak.cli.dev import COMMAND as DEV
from umiak.cli.machine import programs
from umiak.cli.machine.config import ClusterConfig
from umiak.cli.main import parser_of
from umiak.cli.scheduler import COMMAND as SCHEDULER

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "scheduler.yaml"
        path.write_text(HEAD + text)
        return path

    return write


def ran(command, *words: str) -> str:
    """The error that ends it."""
    with pytest.raises(CommandError) as found:
        command.run(parser_of(command).parse_args(words))
    return str(found.value)


def test_nothing_said():
    assert configuration(None) is None


def test_a_file_that_is_not_there(tmp_path):
    assert ran(SCHEDULER, "--config", str(tmp_path / "none")) == f"open {tmp_path}/none: no such file or directory"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (SCHEDULER, ("--config",)),
        (DEV, ("--scheduler-config",)),
        (CONTROLLERS, ("--kubeconfig", "k", "--with-scheduler", "--scheduler-config")),
    ],
)
def test_what_is_wrong_is_told_before_anything_starts(file, command, words):
    path = file("podInitialBackoffSeconds: 0\n")
    assert ran(command, *words, str(path)) == "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0"


def test_names_and_profiles_exclude_each_other(file):
    assert "exclude each other" in ran(SCHEDULER, "--config", str(file("")), "--name", "x")


def test_a_server_must_be_named_somewhere(file):
    assert ran(SCHEDULER, "--config", str(file(""))).startswith("--kubeconfig F is needed")


def test_without_a_scheduler_there_is_nothing_to_configure(file):
    words = ("--kubeconfig", "k", "--scheduler-config", str(file("")))
    assert ran(CONTROLLERS, *words) == "--scheduler-config is of use only with --with-scheduler"


@pytest.mark.parametrize(("given", "want"), [("", []), ("/etc/s.yaml", ["--scheduler-config=/etc/s.yaml"])])
def test_the_whole_cluster_may_have_one(given, want):
    words = programs.controllers(ClusterConfig(nodeName="n", address="10.0.0.1", schedulerConfig=given))
    assert [word for word in words if word.startswith("--scheduler-config")] == want


def test_arguments_are_known():
    assert isinstance(parser_of(DEV).parse_args([]), argparse.Namespace)
