"""Where our answer about a pod and the oracle's differ."""

from typing import Any

from placement_answers import best

Object = dict[str, Any]


def trimmed(scores: Object) -> Object:
    """Without the plugins that gave nothing."""
    return {node: {name: n for name, n in given.items() if n or not name} for node, given in scores.items()}


def differences(ours: Object, theirs: Object) -> list[str]:
    """One line each, by what is judged: empty when the two are the same."""
    if theirs.get("gated") or ours.get("gated"):
        same = bool(theirs.get("gated")) == bool(ours.get("gated"))
        return [] if same else [f"gated: {ours.get('gated')} {theirs.get('gated')}"]
    pairs = {
        "feasible": (ours["feasible"], theirs["feasible"]),
        "scores": (ours.get("scores") or {}, trimmed(theirs.get("scores") or {})),
        "message": (ours.get("message", ""), theirs.get("error") or theirs.get("message", "")),
    }
    mine, reference = ours.get("preempts") or {}, theirs.get("preempts") or {}
    for part in ("candidates", "best", "message"):
        pairs[f"preemption {part}"] = (mine.get(part), reference.get(part))
    totals = {node: given[""] for node, given in (theirs.get("scores") or {}).items()}
    pairs["best"] = (ours.get("best", []), best(totals) if totals else [])
    return [f"{part}:\n  ours   {a}\n  theirs {b}" for part, (a, b) in pairs.items() if a != b]
