"""Names of those who sign certificates, e.g. `example.com/agents`."""

from umiak.api.common.checks import Errors
from umiak.objects import names
from umiak.objects.errors import invalid_value, required, too_long

_SHAPE = "must be a fully qualified domain and path of the form 'example.com/signer-name'"


def signer_name(name: str, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
        return
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest or not domain or not rest:
        errors.append(invalid_value(path, name, _SHAPE))
        return
    for text in names.dns_subdomain(domain):
        errors.append(invalid_value(path, domain, f"validating label {_quoted(domain)}: {text}"))
    if "." not in domain:
        errors.append(invalid_value(path, domain, "should be a domain with at least two segments separated by dots"))
    for text in names.dns_subdomain(rest):
        errors.append(invalid_value(path, rest, f"validating label {_quoted(rest)}: {text}"))
    if len(name) > 571:
        errors.append(too_long(path, 571))


def _quoted(text: str) -> str:
    return f'"{text}"'
