"""SubjectAccessReview: may somebody do something?"""

from umiak.api.common.checks import Errors
from umiak.api.common.reviews import question
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    question(obj.get("spec") or {}, errors)
    return errors


KIND = builtin("authorization.k8s.io/v1", "SubjectAccessReview", validate=validate)
