"""What commands print, for people and for programs."""

import argparse
import json

import pytest
import yaml

from umiak.cli._output import JSON, TEXT, YAML, add_output, one_line, show
from umiak.cli.main import parser_of, run
from umiak.client.kubeconfig import Config, load, loads, write
from umiak.kit.modules import exported

COMMANDS = exported("umiak.cli", "COMMAND")
SHELL_CODE = {"completion"}
"""What it prints is for a shell to read."""
FOUND = {"nodes": [{"name": "a", "ready": True}]}


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - SHELL_CODE))
def test_every_command_can_answer_in_json(name: str) -> None:
    parser = parser_of(COMMANDS[name])
    below = [a.choices.values() for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    parsers = [p for some in below for p in some] or [parser]
    formats = [a.choices or () for p in parsers for a in p._actions if "--output" in a.option_strings]
    assert any(JSON in choices for choices in formats)


@pytest.mark.parametrize(("output", "reads"), [(JSON, json.loads), (YAML, yaml.safe_load)])
def test_programs_read_what_was_found(output, reads, capsys) -> None:
    show(FOUND, output, ["unused"])
    assert reads(capsys.readouterr().out) == FOUND


def test_people_read_lines(capsys) -> None:
    show(FOUND, TEXT, ["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_line_stays_one() -> None:
    assert one_line(FOUND, TEXT, "a is ready") == "a is ready"
    assert one_line(FOUND, JSON, "a is ready") == '{"nodes": [{"name": "a", "ready": true}]}'


def test_the_first_format_is_the_default() -> None:
    parser = argparse.ArgumentParser()
    add_output(parser, YAML, JSON)
    assert parser.parse_args([]).output == YAML
    assert parser.parse_args(["-o", "json"]).output == JSON


def test_kubeconfigs_are_the_same_in_both_formats(tmp_path, capsys) -> None:
    config = Config(server="https://127.0.0.1:6443", token="t")
    write(str(tmp_path / "admin.kubeconfig"), config)
    told = []
    for output in (YAML, JSON):
        assert run(["kubeconfig", "--data-dir", str(tmp_path), "-o", output]) == 0
        told.append(capsys.readouterr().out)
    assert yaml.safe_load(told[0]) == json.loads(told[1])
    assert loads(told[1]) == config == load(str(tmp_path / "admin.kubeconfig"))


def test_the_folder_for_envtest(tmp_path, capsys) -> None:
    run(["envtest-assets", str(tmp_path), "-o", "json"])
    assert json.loads(capsys.readouterr().out) == {"folder": str(tmp_path), "programs": ["kube-apiserver", "etcd"]}
