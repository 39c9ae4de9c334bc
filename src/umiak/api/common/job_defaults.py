"""The defaults of a Job's spec, in Jobs and in the templates of CronJobs."""

from umiak.api.common.pod_defaults import default_template
from umiak.objects.types import Object


def default_job_spec(spec: Object) -> None:
    """Fills what a Job leaves open."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    for name, value in (("parallelism", 1), ("completionMode", "NonIndexed"), ("suspend", False)):
        if spec.get(name) is None:
            spec[name] = value
    if spec.get("backoffLimit") is None:
        spec["backoffLimit"] = 2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6
    if spec.get("podReplacementPolicy") is None:
        spec["podReplacementPolicy"] = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    if spec.get("manualSelector") is None:
        spec["manualSelector"] = False
    default_job_template_spec(spec)


def default_job_template_spec(spec: Object) -> None:
    """The part of the defaults that also holds inside a CronJob's template."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"
    default_template(spec.setdefault("template", {}))
