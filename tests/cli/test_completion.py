"""umiak completion: the shells themselves say whether the scripts are good."""

import shutil
import subprocess

import pytest

from umiak.cli import completion

KNOWN = {"image": ["--tag", "build"], "up": ["--config"]}
COMPLETE = '{script}\nCOMP_WORDS=({words} "{last}"); COMP_CWORD={at}; _umiak; echo "${{COMPREPLY[*]}}"'


@pytest.mark.parametrize(
    ("words", "last", "found"),
    [
        ("umiak", "", "image up"),
        ("umiak", "im", "image"),
        ("umiak image", "b", "build"),
        ("umiak up", "--", "--config"),
    ],
)
def test_bash_completes(words: str, last: str, found: str) -> None:
    script = COMPLETE.format(script=completion.bash(KNOWN), words=words, last=last, at=len(words.split()))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_it(shell: str) -> None:
    script = completion.SHELLS[shell](KNOWN)
    assert "--config" in script or "-l config" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n", "-c", script], check=True)


def test_every_command_is_known() -> None:
    assert {"up", "dev", "completion"} <= set(completion.options())
    assert "build" in completion.options()["image"]
