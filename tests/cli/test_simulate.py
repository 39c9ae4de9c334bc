"""`umiak simulate`: settings from a file and from the command line."""

from pathlib import Path

import pytest

from umiak.cli.command import CommandError
from umiak.cli.main import parser_of
from umiak.cli.simulate import COMMAND, settings_of

FILE = """
nodes: 200
zones: [a, b]
life: {startDelay: 2, jitter: 0.5}
lives: [{selector: "app=flaky", failing: 0.2}]
outages: {share: 0.02, lasts: 30}
"""


def settings(*words: str):
    return settings_of(parser_of(COMMAND).parse_args(["--kubeconfig", "f", *words]))


def test_the_command_line_comes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(FILE)
    found = settings("--config", str(file), "--nodes", "3", "--start-delay", "1", "--cpu", "4")
    assert (found.count, found.zones, found.cpu) == (3, ("a", "b"), "4")
    assert (found.life.start_delay, found.life.jitter, found.outages.lasts) == (1, 0.5, 30)
    assert found.lives[0].failing == 0.2


def test_without_anything_it_is_one_node() -> None:
    assert settings().names() == ["node-0"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("nodes: x", "Expected `int`", id="value"),
        pytest.param("[]", "there must be a mapping", id="no mapping"),
        pytest.param("a: [", "yaml", id="no YAML"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(CommandError, match=fault):
        settings("--config", str(file))
    with pytest.raises(CommandError, match="No such file"):
        settings("--config", str(tmp_path / "none"))
