"""What the claims of a verified token make of its bearer: name, groups, uid, extra; and the rules they must keep. Pure.

Source: `AuthenticateToken` and below in apiserver's `plugin/pkg/authenticator/token/oidc/oidc.go`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from umiak.objects.cel.program import Program
from umiak.objects.types import Object
from umiak.server.access.certificates import CREDENTIAL
from umiak.server.access.credentials import Unverified
from umiak.server.access.jwt.expressions import Failed, compiled, evaluated, value_of
from umiak.server.bodies import go_kind
from umiak.server.contract import User

STRINGS_WANTED = "expression must return a string or a list of strings"


class _Rule(msgspec.Struct, frozen=True):
    program: Program
    message: str


class Mapping:
    """One issuer's `claimMappings`, `claimValidationRules` and `userValidationRules`, which must have been checked."""

    def __init__(self, about: Object) -> None:
        mappings = about.get("claimMappings") or {}
        self._username: Object = mappings.get("username") or {}
        self._groups: Object = mappings.get("groups") or {}
        self._uid: Object = mappings.get("uid") or {}
        self._programs = {
            name: compiled(part["expression"], "claims")
            for name, part in (("username", self._username), ("group", self._groups), ("uid", self._uid))
            if part.get("expression")
        }
        self._extra = [(e["key"], compiled(e["valueExpression"], "claims")) for e in mappings.get("extra") or ()]
        rules = about.get("claimValidationRules") or []
        self._required = {rule["claim"]: rule.get("requiredValue") or "" for rule in rules if rule.get("claim")}
        self._claim_rules = _rules([rule for rule in rules if rule.get("expression")], "claims")
        self._user_rules = _rules(about.get("userValidationRules") or [], "user")

    @property
    def groups_claim(self) -> str:
        """The claim that may have to be fetched from elsewhere; empty when there is none."""
        return self._groups.get("claim") or ""

    def user(self, claims: Object) -> User:
        """Raises Unverified."""
        seen = value_of(claims)
        user = User(
            self._name(claims, seen),
            groups=tuple(self._group_names(claims, seen)),
            uid=self._unique(claims, seen),
            extra=self._extras(claims, seen),
        )
        self._check_required(claims)
        _check(self._claim_rules, "claims", seen, "claim validation expression")
        if self._user_rules:
            shown = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
            extra = {key: list(values) for key, values in user.extra.items()}
            _check(self._user_rules, "user", value_of({**shown, "extra": extra}), "user info validation rule")
        return user

    def _name(self, claims: Object, seen: Any) -> str:
        if "username" in self._programs:
            name = self._text("username", seen)
            if not name:
                raise Unverified("oidc: empty username via CEL expression is not allowed")
            return name
        claim = self._username["claim"]
        name = _claim(claims, claim, str, lambda why: f"oidc: parse username claims {_quoted(claim)}: {why}")
        if claim == "email" and "email_verified" in claims:
            told = "oidc: parse 'email_verified' claim: {}".format
            if not _claim(claims, "email_verified", bool, told):
                raise Unverified("oidc: email not verified")
        return (self._username.get("prefix") or "") + name

    def _text(self, what: str, seen: Any) -> str:
        value = _run(self._programs[what], "claims", seen, f"{what} claim expression")
        if not isinstance(value, str):
            why = f"{what} claim expression must return a string"
            raise Unverified(f"oidc: error evaluating {what} claim expression: {why}")
        return value

    def _group_names(self, claims: Object, seen: Any) -> list[str]:
        claim = self.groups_claim
        if claim and claim in claims:
            prefix = self._groups.get("prefix") or ""
            return [prefix + group for group in _texts(claims[claim], claim)]
        if "group" not in self._programs:
            return []
        told = "group claim expression"
        try:
            return _strings(_run(self._programs["group"], "claims", seen, told))
        except Failed as error:
            raise Unverified(f"oidc: error evaluating {told}: {error}") from None

    def _unique(self, claims: Object, seen: Any) -> str:
        if claim := self._uid.get("claim"):
            return str(_claim(claims, claim, str, lambda why: f"oidc: parse uid claim {_quoted(claim)}: {why}"))
        return self._text("uid", seen) if "uid" in self._programs else ""

    def _extras(self, claims: Object, seen: Any) -> dict[str, tuple[str, ...]]:
        jti = claims.get("jti")
        extra: dict[str, tuple[str, ...]] = {CREDENTIAL: (f"JTI={jti}",)} if jti and isinstance(jti, str) else {}
        for key, program in self._extra:
            try:
                values = evaluated(program, "claims", seen)
            except Failed as error:
                raise Unverified(str(error)) from None
            try:
                found = _strings(values)
            except Failed as error:
                told = f"oidc: error evaluating extra claim expression: {program.source}"
                raise Unverified(f"{told}: {error}") from None
            if found:
                extra[key] = tuple(found)
        return extra

    def _check_required(self, claims: Object) -> None:
        for claim, wanted in self._required.items():
            if claim not in claims:
                raise Unverified(f"oidc: required claim {claim} not present in ID token")
            value = _claim(claims, claim, str, f"oidc: parse claim {claim}: {{}}".format)
            if value != wanted:
                why = f"value does not match. Got = {value}, want = {wanted}"
                raise Unverified(f"oidc: required claim {claim} {why}")


def _rules(rules: Sequence[Object], variable: str) -> list[_Rule]:
    return [_Rule(compiled(one["expression"], variable, True), one.get("message") or "") for one in rules]


def _run(program: Program, variable: str, seen: Any, told: str) -> Any:
    try:
        return evaluated(program, variable, seen)
    except Failed as error:
        raise Unverified(f"oidc: error evaluating {told}: {error}") from None


def _check(rules: Sequence[_Rule], variable: str, seen: Any, told: str) -> None:
    """The reference evaluates all before it looks at one."""
    values = [_run(rule.program, variable, seen, told) for rule in rules]
    for rule, value in zip(rules, values, strict=True):
        if not isinstance(value, bool):
            raise Unverified(f"oidc: error evaluating {told}: validation expression must return a boolean")
        if not value:
            why = f"validation expression '{rule.program.source}' failed: {rule.message}"
            raise Unverified(f"oidc: error evaluating {told}: {why}")


def _strings(value: Any) -> list[str]:
    """Empty ones do not count. Raises Failed."""
    if value is None:
        return []
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise Failed(STRINGS_WANTED)
    return [item for item in found if item]


def _claim(claims: Object, name: str, wanted: type, told: Callable[[str], str]) -> Any:
    """The claim, which must be of this type; null counts as its empty value. Raises Unverified."""
    if name not in claims:
        raise Unverified(told("claim not present"))
    value = claims[name]
    if value is None:
        return wanted()
    if not isinstance(value, wanted):
        type_ = {str: "string", bool: "bool"}[wanted]
        raise Unverified(told(f"json: cannot unmarshal {go_kind(value)} into Go value of type {type_}"))
    return value


def _texts(value: Any, claim: str) -> list[str]:
    """A text or a list of them."""
    found = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(item is None or isinstance(item, str) for item in found):
        why = f"json: cannot unmarshal {go_kind(value)} into Go value of type string"
        raise Unverified(f"oidc: parse groups claim {_quoted(claim)}: {why}")
    return [item or "" for item in found]


def _quoted(text: str) -> str:
    return f'"{text}"'
