"""ServiceAccount: who a pod is to the API."""

from umiak.api.common.cells import AGE, NAME
from umiak.api.registry import builtin

KIND = builtin("v1", "ServiceAccount", columns=(NAME, AGE), deletion_returns_object=True)
