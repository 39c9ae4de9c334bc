"""Settings, preflight's judgement and the supervisor: what `umiak up` is made of, without a cluster."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from umiak.cli.command import CommandError
from umiak.cli.machine import config, containerd, programs
from umiak.cli.machine.config import ClusterConfig, ConfigError
from umiak.cli.machine.layout import Layout
from umiak.cli.machine.phases import Phases
from umiak.cli.machine.supervisor import Program, start_time
from umiak.cli.up import bring_up
from umiak.testing.patience import LONG, until


def a_config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return path


def test_settings_are_read_and_completed(tmp_path):
    found = config.load(a_config(tmp_path, "nodeName: n1\nport: 7443\n"))
    assert (found.nodeName, found.port, found.podCIDR, found.dns_address) == ("n1", 7443, "10.244.0.0/16", "10.96.0.10")
    assert found.address


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nodename: x", 'unknown field "nodename"'),
        ("port: high", "port: expected int, got str"),
        ("port: 70000", "port: must be between 1 and 65535"),
        ("nodeName: UPPER", "nodeName: "),
        ("podCIDR: 10.0.0.0/40", "podCIDR: "),
        ("podCIDR: 10.96.0.0/16", "podCIDR 10.96.0.0/16 and serviceCIDR 10.96.0.0/16 overlap"),
        ("- a\n- b", "expected fields with values"),
        ("a: [", "cluster.yaml"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, complaint):
    with pytest.raises(ConfigError) as caught:
        config.load(a_config(tmp_path, text))
    assert complaint in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(("major", "table"), [(1, "io.containerd.grpc.v1.cri"), (2, "io.containerd.cri.v1.runtime")])
def test_containerd_settings_are_toml_of_its_version(tmp_path, major, table):
    import tomllib

    layout = Layout(tmp_path / "data", tmp_path / "run")
    text = containerd.settings(layout, major=major, restrict_oom=True, systemd_cgroup=False, cni_bin="/usr/lib/cni")
    found = tomllib.loads(text)
    cri = found["plugins"][table]
    assert cri["restrict_oom_score_adj"] is True
    assert cri["cni"]["conf_dir"] == str(layout.cni_config)
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False


def test_every_program_of_the_cluster_is_a_command_we_have(tmp_path):
    from umiak.cli.main import names

    wanted = programs.specifications(ClusterConfig(nodeName="n1", address="192.0.2.1", dataDir=str(tmp_path)))
    commands = {spec["argv"][3] for spec in wanted if spec["name"] != "containerd"}
    assert commands <= set(names())


def test_up_without_root_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    found = ClusterConfig(nodeName="n1", address="192.0.2.1", dataDir=str(tmp_path / "data"), runDir=str(tmp_path))
    with pytest.raises(CommandError, match="umiak up must run as root"):
        bring_up(found, Phases(quiet=True))
    assert not (tmp_path / "data").exists()


def a_program(tmp_path: Path, *argv: str) -> Program:
    return Program({"name": "p", "argv": list(argv), "log": str(tmp_path / "log")}, str(tmp_path))


def test_a_program_is_found_again_by_its_pid_file(tmp_path):
    first = a_program(tmp_path, "sleep", "60")
    first.start()
    try:
        second = a_program(tmp_path, "sleep", "60")
        assert second.adopt() and second.pid == first.pid
        os.close(second.handle)
    finally:
        first.signal(signal.SIGKILL)
        os.waitpid(first.pid, 0)
        os.close(first.handle)
    assert not a_program(tmp_path, "sleep", "60").adopt()


def test_another_process_with_the_same_number_is_not_taken_for_ours(tmp_path):
    (tmp_path / "p.pid").write_text(f"{os.getpid()} 1\n")
    assert not a_program(tmp_path, "sleep", "60").adopt()
    assert start_time(os.getpid()) != ""


def test_failing_programs_wait_ever_longer(tmp_path):
    program = a_program(tmp_path, "true")
    waits = []
    for _ in range(9):
        program.start()
        os.waitpid(program.pid, 0)
        program.ended(program.started)
        waits.append(program.start_at - program.started)
    assert waits[:4] == pytest.approx([0, 0.2, 0.4, 0.8])
    assert waits[-1] == 10.0


def test_a_long_log_keeps_its_newer_half(tmp_path, monkeypatch):
    monkeypatch.setattr("umiak.cli.machine.supervisor.LOG_LIMIT", 100)
    program = a_program(tmp_path, "true")
    (tmp_path / "log").write_text("".join(f"line {i:03}\n" for i in range(30)))
    program.trim_log()
    kept = (tmp_path / "log").read_text().splitlines()
    assert kept[-1] == "line 029" and len(kept) == 5


@pytest.mark.slow
async def test_the_supervisor_restarts_and_stops_its_programs(tmp_path):
    import json

    specs = [{"name": "p", "argv": ["sleep", "60"], "log": str(tmp_path / "log")}]
    (tmp_path / "programs.json").write_text(json.dumps(specs))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", programs.SUPERVISOR, str(tmp_path / "programs.json"), stderr=asyncio.subprocess.DEVNULL
    )

    def pid(other_than: int = 0) -> int:
        found = int((tmp_path / "p.pid").read_text().split()[0])
        return 0 if found == other_than else found

    first = await asyncio.to_thread(until, pid)
    os.kill(first, signal.SIGKILL)
    second = await asyncio.to_thread(until, lambda: pid(other_than=first))
    process.terminate()
    await asyncio.wait_for(process.wait(), LONG)
    assert start_time(second) == ""
