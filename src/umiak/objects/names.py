"""What may be a name, a label or part of a path; each check gives the texts of what is wrong, none if nothing is.

Texts are those of apimachinery's `api/validate/content`.
"""

import re

LABEL_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = f"({LABEL_KEY})?"
DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
DNS_1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"

_label_key = re.compile(LABEL_KEY).fullmatch
_label_value = re.compile(LABEL_VALUE).fullmatch
_dns_label = re.compile(DNS_LABEL).fullmatch
_dns_subdomain = re.compile(DNS_SUBDOMAIN).fullmatch
_dns_1035_label = re.compile(DNS_1035_LABEL).fullmatch

_usual_key = re.compile("[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?").fullmatch
_usual_label = re.compile("[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?").fullmatch
"""What nearly all keys, values and names look like, so that one look is enough."""

ALPHANUMERIC_ENDS = "and must start and end with an alphanumeric character"


def too_long(limit: int, unit: str = "bytes") -> str:
    return f"must be no more than {limit} {unit}"


def mismatch(text: str, pattern: str, *examples: str) -> str:
    """What a regular expression asked for, with examples."""
    if not examples:
        return f"{text} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{pattern}')"


_KEY_SHAPE = mismatch(
    f"must consist of alphanumeric characters, '-', '_' or '.', {ALPHANUMERIC_ENDS}",
    LABEL_KEY,
    "MyName",
    "my.name",
    "123-abc",
)


def label_key(value: str) -> list[str]:
    """Also what the reference calls a qualified name: `name` or `example.com/name`."""
    if _usual_key(value):
        return []
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        tail = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_KEY_SHAPE} {tail}"]
    faults = []
    if slash:
        texts = dns_subdomain(prefix, "bytes") if prefix else ["must be non-empty"]
        faults += [f"prefix part {text}" for text in texts]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        faults.append(f"name part {too_long(63)}")
    if not _label_key(name):
        faults.append(f"name part {_KEY_SHAPE}")
    return faults


def label_value(value: str) -> list[str]:
    if not value or _usual_key(value):
        return []
    faults = [too_long(63)] if len(value.encode()) > 63 else []
    if not _label_value(value):
        rule = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            + ALPHANUMERIC_ENDS
        )
        faults.append(mismatch(rule, LABEL_VALUE, "MyValue", "my_value", "12345"))
    return faults


def dns_label(value: str) -> list[str]:
    """RFC 1123."""
    if _usual_label(value):
        return []
    faults = [too_long(63, "characters")] if len(value.encode()) > 63 else []
    if not _dns_label(value):
        rule = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        shape = mismatch(rule + ALPHANUMERIC_ENDS, DNS_LABEL, "my-name", "123-abc")
        faults.append("must not contain dots" if _dns_subdomain(value) else shape)
    return faults


def dns_subdomain(value: str, unit: str = "characters") -> list[str]:
    """RFC 1123. As the prefix of a label its length is told in bytes."""
    if _usual_label(value):
        return []
    faults = [too_long(253, unit)] if len(value.encode()) > 253 else []
    if not _dns_subdomain(value):
        rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        faults.append(mismatch(rule + ALPHANUMERIC_ENDS, DNS_SUBDOMAIN, "example.com"))
    return faults


def dns_1035_label(value: str) -> list[str]:
    faults = [too_long(63, "characters")] if len(value.encode()) > 63 else []
    if not _dns_1035_label(value):
        rule = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character"
        )
        faults.append(mismatch(rule, DNS_1035_LABEL, "my-name", "abc-123"))
    return faults


def path_segment(value: str, is_prefix: bool = False) -> list[str]:
    """What can stand between two slashes of a URL."""
    if not is_prefix and value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{text}'" for text in ("/", "%") if text in value]


def without_trailing_dash(value: str) -> str:
    """A prefix for generated names may end in a dash. Like the reference, masks one character more than that."""
    return value[:-2] + "a" if len(value) > 1 and value.endswith("-") else value
