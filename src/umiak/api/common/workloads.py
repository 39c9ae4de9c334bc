"""Validates what the kinds that make pods share: a selector and a template that agree."""

from umiak.api.common.checks import (
    NEGATIVE,
    Errors,
    is_empty_selector,
    label_selector,
    selector_matches,
)
from umiak.api.common.pod_validation import pod_template
from umiak.api.internal import shown
from umiak.objects.errors import field_forbidden, invalid_value, not_supported, required
from umiak.objects.types import Object

NO_MATCH = "`selector` does not match template `labels`"


def template_labels(spec: Object) -> dict[str, str]:
    labels: dict[str, str] = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return labels


def shown_labels(spec: Object) -> dict[str, str] | None:
    """The template's labels as they are printed."""
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    return None if labels is None else dict(sorted(labels.items()))


def selector_of(spec: Object, noun: str, path: str, errors: Errors) -> bool:
    """Whether the selector can be read; it must be there and not empty."""
    selector = spec.get("selector")
    if selector is None:
        errors.append(required(f"{path}.selector"))
        return True
    before = len(errors)
    label_selector(selector, f"{path}.selector", errors)
    is_readable = len(errors) == before
    if is_empty_selector(selector):
        printed = shown("*meta.LabelSelector", selector)
        errors.append(invalid_value(f"{path}.selector", printed, f"empty selector is invalid for {noun}"))
    return is_readable


def template_of(spec: Object, owner: str, path: str, errors: Errors, check_template: bool = True) -> None:
    """The template, which runs for ever and carries labels that the selector selects; `owner` is the kind in texts."""
    selector = spec.get("selector")
    is_empty = selector is not None and is_empty_selector(selector)
    if not is_empty and selector_matches(selector, template_labels(spec)) is False:
        errors.append(invalid_value(f"{path}.template.metadata.labels", shown_labels(spec), NO_MATCH))
    if check_template:
        pod_template(spec.get("template") or {}, f"{path}.template", errors)
    runs_for_ever(spec, owner, path, errors)


def runs_for_ever(spec: Object, owner: str, path: str, errors: Errors) -> None:
    template = (spec.get("template") or {}).get("spec") or {}
    if template.get("restartPolicy") != "Always":
        place = f"{path}.template.spec.restartPolicy"
        errors.append(not_supported(place, template.get("restartPolicy") or "", ("Always",)))
    if template.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {owner} is not Supported"
        errors.append(field_forbidden(f"{path}.template.spec.activeDeadlineSeconds", text))


def counters(status: Object, names: tuple[str, ...], errors: Errors) -> None:
    """Numbers of a status, which are never negative."""
    for name in names:
        if (status.get(name) or 0) < 0:
            errors.append(invalid_value(f"status.{name}", status[name], NEGATIVE))


def at_most_replicas(status: Object, names: tuple[str, ...], errors: Errors) -> None:
    total = status.get("replicas") or 0
    for name in names:
        if (status.get(name) or 0) > total:
            errors.append(invalid_value(f"status.{name}", status[name], "cannot be greater than status.replicas"))


def available_are_ready(status: Object, noun: str, errors: Errors) -> None:
    available = status.get("availableReplicas") or 0
    if available > (status.get("readyReplicas") or 0):
        errors.append(invalid_value("status.availableReplicas", available, f"cannot be greater than {noun}"))


def not_decremented(new: Object, old: Object, errors: Errors) -> None:
    """The collision count only grows."""
    count = (new.get("status") or {}).get("collisionCount") or 0
    if count < ((old.get("status") or {}).get("collisionCount") or 0):
        errors.append(invalid_value("status.collisionCount", count, "cannot be decremented"))
