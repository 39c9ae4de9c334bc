"""Authorization by roles and bindings (RBAC), from an index in memory that follows the store.

`Policy` keeps roles and bindings; `Grants` is what one user may do in one namespace, worked out on first use and kept
until any role or binding changes. An answer seen before costs two dictionary look-ups.
"""

from collections.abc import Callable, Iterator

import msgspec

from umiak.server.access.feed import follow
from umiak.server.access.rules import Rule, matches_path, matches_resource
from umiak.server.contract import Attributes, Decision, User
from umiak.store.contract import Cancel, Store

GROUP = "rbac.authorization.k8s.io"
KEPT_USERS = 4096
KEPT_ANSWERS = 1024


class Subject(msgspec.Struct, frozen=True):
    kind: str
    name: str
    namespace: str = ""


class RoleRef(msgspec.Struct, frozen=True):
    kind: str
    name: str


class _Meta(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""


class Role(msgspec.Struct, frozen=True):
    """A Role or ClusterRole, its rules alone."""

    rules: tuple[Rule, ...] | None = ()


class Binding(msgspec.Struct, frozen=True, rename={"role": "roleRef"}):
    """A RoleBinding or ClusterRoleBinding (then without namespace)."""

    metadata: _Meta
    role: RoleRef
    subjects: tuple[Subject, ...] | None = ()


_ROLE = msgspec.json.Decoder(Role)
_BINDING = msgspec.json.Decoder(Binding)


def service_account_user(namespace: str, name: str) -> str:
    return f"system:serviceaccount:{namespace}:{name}"


def holder(subject: Subject, namespace: str) -> tuple[bool, str]:
    """(is a group, name of the group or user) that a subject stands for in a binding of `namespace`."""
    if subject.kind != "ServiceAccount":
        return subject.kind == "Group", subject.name
    home = subject.namespace or namespace
    return False, service_account_user(home, subject.name) if home else ""


def describe(binding: Binding, subject: Subject) -> str:
    """Where a permission comes from, as the reference words it (name before namespace)."""
    home = binding.metadata.namespace
    kind, name = (
        ("RoleBinding", f"{binding.metadata.name}/{home}") if home else ("ClusterRoleBinding", binding.metadata.name)
    )
    who = f"{subject.name}/{subject.namespace or home}" if subject.kind == "ServiceAccount" else subject.name
    return f'{kind} "{name}" of {binding.role.kind} "{binding.role.name}" to {subject.kind} "{who}"'


class Grants(msgspec.Struct):
    """The rules that apply to one user in one namespace, each with its source, and the (kind, name) of roles that are
    bound but not there."""

    rules: list[tuple[Rule, str]] = msgspec.field(default_factory=list)
    missing: dict[tuple[str, str], None] = msgspec.field(default_factory=dict)
    answers: dict[tuple[str, str, str, str], tuple[tuple[tuple[str, ...], Decision], ...]] = msgspec.field(
        default_factory=dict
    )

    def decide(self, asked: Attributes) -> Decision:
        for names, decision in self._of_all_names(asked):
            if not names or asked.name in names:
                return decision
        return self.refusal()

    def of_any_name(self, asked: Attributes) -> bool:
        """Whether they allow this whatever the object's name."""
        return any(not names for names, _ in self._of_all_names(asked))

    def _of_all_names(self, asked: Attributes) -> tuple[tuple[tuple[str, ...], Decision], ...]:
        """Each yes with the names it is for, none for all."""
        about = (
            (asked.verb, asked.group, asked.resource, asked.subresource)
            if asked.is_resource
            else (asked.verb, "", "", asked.path)
        )
        found = self.answers.get(about)
        if found is None:
            if len(self.answers) >= KEPT_ANSWERS:
                self.answers.clear()
            found = self.answers[about] = tuple(self._matching(asked))
        return found

    def _matching(self, asked: Attributes) -> Iterator[tuple[tuple[str, ...], Decision]]:
        """The rules that fit but for the object's name, up to the first that fits every name."""
        for rule, source in self.rules:
            if "*" not in rule.verbs and asked.verb not in rule.verbs:
                continue
            if asked.is_resource and matches_resource(rule, asked.group, asked.resource, asked.subresource):
                yield rule.names, Decision(True, f"RBAC: allowed by {source}")
                if not rule.names:
                    return
            elif not asked.is_resource and matches_path(rule, asked.path):
                yield (), Decision(True, f"RBAC: allowed by {source}")
                return

    def refusal(self) -> Decision:
        return Decision(False, f"RBAC: {self.trouble()}" if self.missing else "")

    def trouble(self, resource: str = "") -> str:
        """Which roles are missing. Writes of roles and bindings take them for objects of their own `resource`."""
        texts = [not_there(resource or kind.lower(), name) for kind, name in self.missing]
        unique = list(dict.fromkeys(texts))
        return unique[0] if len(unique) == 1 else "[" + ", ".join(unique) + "]"


def not_there(what: str, name: str) -> str:
    return f'{what}.{GROUP} "{name}" not found'


class Policy:
    """Roles and bindings by name, and bindings by whom they concern."""

    def __init__(self) -> None:
        self._roles: dict[str, Role] = {}  # "name" of a ClusterRole, "namespace/name" of a Role
        self._bindings: dict[str, Binding] = {}
        self._held: dict[tuple[str, bool, str], dict[str, Subject]] = {}  # (namespace, is a group, name) to bindings
        self._grants: dict[tuple[str, tuple[str, ...], str], Grants] = {}
        self._cancels: list[Cancel] = []
        self.on_change: list[Callable[[], None]] = []
        """Called when somebody may do more or less than before."""

    async def start(self, store: Store) -> None:
        """Reads all roles and bindings, and follows their changes until `stop`."""
        for plural in ("clusterroles", "roles"):
            self._cancels.append(await follow(store, f"/{GROUP}/{plural}/", self.role_changed))
        for plural in ("clusterrolebindings", "rolebindings"):
            self._cancels.append(await follow(store, f"/{GROUP}/{plural}/", self.binding_changed))

    def stop(self) -> None:
        for cancel in self._cancels:
            cancel()
        self._cancels.clear()

    def role_changed(self, key: str, value: bytes | None) -> None:
        """`key` is `name` or `namespace/name`."""
        self._forget()
        if value is None:
            self._roles.pop(key, None)
        else:
            self._roles[key] = _ROLE.decode(value)

    def binding_changed(self, key: str, value: bytes | None) -> None:
        self._forget()
        old = self._bindings.pop(key, None)
        for subject in (old.subjects or ()) if old else ():
            held = self._held.get(self._place(key, subject), {})
            held.pop(key, None)
            if not held:
                self._held.pop(self._place(key, subject), None)
        if value is None:
            return
        binding = self._bindings[key] = _BINDING.decode(value)
        for subject in binding.subjects or ():
            self._held.setdefault(self._place(key, subject), {}).setdefault(key, subject)

    def _forget(self) -> None:
        self._grants.clear()
        for changed in self.on_change:
            changed()

    @staticmethod
    def _place(key: str, subject: Subject) -> tuple[str, bool, str]:
        namespace = key.partition("/")[0] if "/" in key else ""
        return namespace, *holder(subject, namespace)

    def role_rules(self, ref: RoleRef, namespace: str) -> tuple[Rule, ...]:
        """The rules of a role that a binding in `namespace` refers to. Raises LookupError."""
        role = self._roles.get(f"{namespace}/{ref.name}" if ref.kind == "Role" else ref.name)
        if role is None:
            raise LookupError(not_there(ref.kind.lower(), ref.name))
        return role.rules or ()

    def grants(self, user: User, namespace: str) -> Grants:
        """What `user` may do in `namespace`, or cluster-wide when it is empty."""
        found = self._grants.get((user.name, user.groups, namespace))
        if found is None:
            if len(self._grants) >= KEPT_USERS:
                self._grants.clear()
            found = self._grants[user.name, user.groups, namespace] = self._resolve(user, namespace)
        return found

    def _resolve(self, user: User, namespace: str) -> Grants:
        grants = Grants()
        for home in ("", namespace) if namespace else ("",):
            for key, subject in sorted(self._bindings_of(user, home).items()):
                binding = self._bindings[key]
                try:
                    rules = self.role_rules(binding.role, home)
                except LookupError:
                    grants.missing[binding.role.kind, binding.role.name] = None
                    continue
                source = describe(binding, subject)
                grants.rules += [(rule, source) for rule in rules]
        return grants

    def _bindings_of(self, user: User, namespace: str) -> dict[str, Subject]:
        found = dict(self._held.get((namespace, False, user.name), {}))
        for group in user.groups:
            for key, subject in self._held.get((namespace, True, group), {}).items():
                found.setdefault(key, subject)
        return found

    async def authorize(self, attributes: Attributes) -> Decision:
        return self.grants(attributes.user, attributes.namespace).decide(attributes)
