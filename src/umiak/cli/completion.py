"""umiak completion: makes a shell complete commands and options."""

import argparse
from collections.abc import Callable

from umiak.cli.command import OK, Command

BASH = """_umiak() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "{commands}" -- "$word")); return; fi
    case "$command" in
{cases}
    esac
}}
complete -o default -F _umiak umiak
"""
ZSH = "#compdef umiak\nautoload -U +X bashcompinit && bashcompinit\n"


def options() -> dict[str, list[str]]:
    """Long options and subcommands of every command."""
    from umiak.cli.main import parser_of
    from umiak.kit.modules import exported

    return {c.name: _words(parser_of(c)) for c in exported("umiak.cli", "COMMAND").values()}


def _words(parser: argparse.ArgumentParser) -> list[str]:
    words: set[str] = set()
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        words.update(flag for flag in action.option_strings if flag.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            words.update(action.choices)
            for below in action.choices.values():
                words.update(_words(below))
    return sorted(words)


def bash(known: dict[str, list[str]]) -> str:
    cases = "\n".join(
        f'        {name}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word")) ;;'
        for name, words in sorted(known.items())
    )
    return BASH.format(commands=" ".join(sorted(known)), cases=cases)


def zsh(known: dict[str, list[str]]) -> str:
    return ZSH + bash(known)


def fish(known: dict[str, list[str]]) -> str:
    lines = [f"complete -c umiak -n __fish_use_subcommand -f -a '{' '.join(sorted(known))}'"]
    for name, words in sorted(known.items()):
        when = f"-n '__fish_seen_subcommand_from {name}'"
        lines += [f"complete -c umiak {when} -l {w[2:]}" for w in words if w.startswith("--")]
        lines += [f"complete -c umiak {when} -a {w}" for w in words if not w.startswith("--")]
    return "\n".join(lines) + "\n"


SHELLS: dict[str, Callable[[dict[str, list[str]]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=sorted(SHELLS), metavar="SHELL", help="bash, zsh or fish")


def run(args: argparse.Namespace) -> int:
    print(SHELLS[args.shell](options()), end="")
    return OK


COMMAND = Command(
    name="completion",
    help="print a script that makes a shell complete commands and options",
    arguments=arguments,
    run=run,
    examples=("source <(umiak completion bash)", "umiak completion fish > ~/.config/fish/completions/umiak.fish"),
)
