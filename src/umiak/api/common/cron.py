"""Says what is wrong with a cron schedule, in the words of `github.com/robfig/cron/v3`."""

import re

from umiak.objects.go_text import whole

_DESCRIPTORS = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_MONTHS = {
    n: i + 1 for i, n in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
}
_DAYS = {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_DURATION = re.compile(r"([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+|0")


class BadSchedule(ValueError):
    """The schedule cannot be read."""


def check_schedule(spec: str) -> str:
    """What is wrong with a schedule; empty when it is fine."""
    try:
        _parse(spec)
    except BadSchedule as fault:
        return str(fault)
    return ""


def _parse(spec: str) -> None:
    if not spec:
        raise BadSchedule("empty spec string")
    if spec.startswith(("TZ=", "CRON_TZ=")):
        spec = spec.partition(" ")[2].strip()
    if spec.startswith("@"):
        _descriptor(spec)
        return
    fields = spec.split()
    if len(fields) != 5:
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    for text, (low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if part:
                _range(part, low, high, words)


def _descriptor(spec: str) -> None:
    if spec in _DESCRIPTORS:
        return
    if not spec.startswith("@every "):
        raise BadSchedule(f"unrecognized descriptor: {spec}")
    length = spec.removeprefix("@every ")
    if not _DURATION.fullmatch(length):
        raise BadSchedule(f'failed to parse duration {spec}: time: invalid duration "{length}"')


def _number(text: str, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        raise BadSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if whole(text) < 0:
        raise BadSchedule(f"negative number ({whole(text)}) not allowed: {text}")
    return whole(text)


def _range(text: str, low: int, high: int, words: dict[str, int]) -> None:
    steps, ends = text.split("/"), text.split("/")[0].split("-")
    if ends[0] in ("*", "?"):
        start, end = low, high
    else:
        if len(ends) > 2:
            raise BadSchedule(f"too many hyphens: {text}")
        start = _number(ends[0], words)
        end = _number(ends[1], words) if len(ends) == 2 else start
    if len(steps) > 2:
        raise BadSchedule(f"too many slashes: {text}")
    step = _number(steps[1], {}) if len(steps) == 2 else 1
    if len(steps) == 2 and len(ends) == 1:
        end = high
    if start < low:
        raise BadSchedule(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise BadSchedule(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise BadSchedule(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise BadSchedule(f"step of range should be a positive number: {text}")
