"""PodTemplate: a pod template by itself."""

from umiak.api.common import switched_off
from umiak.api.common.cells import NAME, column, joined, shows_labels
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.pod_validation import pod_template
from umiak.api.common.pod_warnings import of_template
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def default(obj: Object) -> None:
    default_template(obj.setdefault("template", {}))


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    pod_template(obj["template"], "template", errors)
    return errors


def containers(obj: Object) -> list[Object]:
    return ((obj.get("template") or {}).get("spec") or {}).get("containers") or []


KIND = builtin(
    "v1",
    "PodTemplate",
    drop=switched_off.fields_of_pods("template", "spec"),
    default=default,
    validate=validate,
    warnings=of_template("template"),
    columns=(
        NAME,
        column("Containers", lambda o, now: joined(containers(o), "name"), "Names of each container in the template."),
        column(
            "Images",
            lambda o, now: joined(containers(o), "image"),
            "Images referenced by each container in the template.",
        ),
        column("Pod Labels", shows_labels("template", "metadata", "labels"), "The labels for the pod template."),
    ),
    counts_generation=True,
    deletion_returns_object=True,
)
