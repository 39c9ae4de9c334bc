"""LocalSubjectAccessReview: may somebody do something in this namespace?"""

from umiak.api.common.checks import Errors
from umiak.api.common.reviews import inside, question
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    question(obj.get("spec") or {}, errors)
    inside(obj, errors)
    return errors


KIND = builtin("authorization.k8s.io/v1", "LocalSubjectAccessReview", validate=validate)
