"""Where our answer about a pod and the oracle's differ."""

from typing import Any

from placement_answers import answers, best

Object = dict[str, Any]


def trimmed(scores: Object) -> Object:
    """Without the plugins that gave nothing."""
    return {node: {name: n for name, n in given.items() if n or not name} for node, given in scores.items()}


def differences(ours: Object, theirs: Object) -> list[str]:
    """One line each, by what is judged: empty when the two are the same."""
    if theirs.get("gated") or ours.get("gated"):
        same = bool(theirs.get("gated")) == bool(ours.get("gated"))
        return [] if same else [f"gated: {ours.get('gated')} {theirs.get('gated')}"]
    scores = trimmed(theirs.get("scores") or {})
    pairs = {
        "feasible": (ours["feasible"], theirs["feasible"]),
        "scores": (ours.get("scores") or {}, scores),
        "best": (ours.get("best", []), best({node: given[""] for node, given in scores.items()})),
        "plugins": (ours.get("plugins", []), theirs.get("plugins", [])),
        "error": (ours.get("error", ""), theirs.get("error", "")),
        "message": (ours.get("message", ""), theirs.get("message", "")),
    }
    mine, reference = ours.get("preempts") or {}, theirs.get("preempts") or {}
    for part in ("candidates", "best", "message"):
        pairs[f"preemption {part}"] = (mine.get(part), reference.get(part))
    return [f"{part}:\n  ours   {a}\n  theirs {b}" for part, (a, b) in pairs.items() if a != b]


def all_differences(objects: list[Object], theirs: list[Object]) -> list[str]:
    """Of all waiting pods of a cluster."""
    return between(answers(objects), theirs)


def between(ours: list[Object], theirs: list[Object]) -> list[str]:
    assert [each["pod"] for each in ours] == [each["pod"] for each in theirs]
    return [
        f"{reference['pod']} {difference}"
        for mine, reference in zip(ours, theirs, strict=True)
        for difference in differences(mine, reference)
    ]
