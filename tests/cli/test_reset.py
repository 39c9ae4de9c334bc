"""umiak reset deletes only what somebody agreed to lose."""

import pytest

from umiak.cli.command import CommandError
from umiak.cli.main import run


@pytest.mark.parametrize("answer", ["no", "", None])
def test_nothing_is_deleted_without_a_yes(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    """None: there is nobody to ask, as in a script."""

    def ask(question: str) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", ask)
    with pytest.raises(CommandError, match="nothing was changed; --yes does not ask"):
        run(["reset"])
