"""Which cipher a value is sealed and opened with: by the resource it belongs to, then by what it begins with."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from umiak.objects.errors import together
from umiak.server.encryption.ciphers import AesCbc, AesGcm, Cipher, Plain, Secretbox, Undecryptable
from umiak.server.encryption.config import Plugin, Provider, Rule
from umiak.store.contract import Unreadable

PREFIXES = {
    "aesgcm": b"k8s:enc:aesgcm:v1:",
    "aescbc": b"k8s:enc:aescbc:v1:",
    "secretbox": b"k8s:enc:secretbox:v1:",
    "kms": b"k8s:enc:kms:v2:",
    "identity": b"",
}
CIPHERS: Mapping[str, Callable[[bytes], Cipher]] = {"aesgcm": AesGcm, "aescbc": AesCbc, "secretbox": Secretbox}
NO_KEY = {
    "aesgcm": "no matching key was found for the provided AES transformer",
    "aescbc": "no matching key was found for the provided AES transformer",
    "secretbox": "no matching key was found for the provided Secretbox transformer",
}
UNKNOWN = "no matching prefix found"
PLAIN = Plain()


class Link(msgspec.Struct, frozen=True):
    prefix: bytes
    cipher: Cipher


class Chain:
    """The first link seals; the first one that can opens (apiserver's `value.prefixTransformers`)."""

    def __init__(self, links: Sequence[Link], otherwise: str) -> None:
        self._links = tuple(links)
        self._otherwise = otherwise

    def seal(self, value: bytes, place: bytes) -> bytes:
        first = self._links[0]
        return first.prefix + first.cipher.seal(value, place)

    def open(self, sealed: bytes, place: bytes) -> tuple[bytes, bool]:
        faults: list[str] = []
        for number, link in enumerate(self._links):
            if not sealed.startswith(link.prefix):
                continue
            try:
                value, stale = link.cipher.open(sealed[len(link.prefix) :], place)
            except Undecryptable as error:
                if link.prefix:
                    faults.append(str(error))
                continue
            return value, stale or number > 0
        raise Undecryptable(together(faults) if faults else self._otherwise)


def link_of(provider: Provider, plugged: Callable[[Plugin], Cipher]) -> Link:
    if provider.kind == "identity":
        return Link(b"", PLAIN)
    if provider.plugin is not None:
        return Link(PREFIXES["kms"] + provider.plugin.name.encode() + b":", plugged(provider.plugin))
    make = CIPHERS[provider.kind]
    keys = [Link(key.name.encode() + b":", make(key.secret)) for key in provider.keys]
    return Link(PREFIXES[provider.kind], Chain(keys, NO_KEY[provider.kind]))


class Encryption:
    """A store's transformer, for keys such as `/apps/deployments/default/web` (the core group is `core` there)."""

    def __init__(self, rules: Sequence[Rule], plugged: Callable[[Plugin], Cipher]) -> None:
        self.chains: dict[tuple[str, str], Cipher] = {}
        self._found: dict[tuple[str, str], Cipher] = {}
        self.use(rules, plugged)

    def use(self, rules: Sequence[Rule], plugged: Callable[[Plugin], Cipher]) -> None:
        """From now on these hold."""
        links: dict[tuple[str, str], list[Link]] = {}
        for rule in rules:
            made = [link_of(provider, plugged) for provider in rule.providers]
            for resource in rule.resources:
                links.setdefault(resource, []).extend(made)
        self.chains = {resource: Chain(found, UNKNOWN) for resource, found in links.items()}
        self._found = {}

    def _cipher(self, key: str) -> Cipher:
        _, group, plural, _ = f"{key}///".split("/", 3)
        place = ("" if group == "core" else group, plural)
        found = self._found.get(place)
        if found is None:
            wider = (place, (place[0], "*"), ("*", "*"))
            found = self._found[place] = next((self.chains[at] for at in wider if at in self.chains), PLAIN)
        return found

    def covers(self, key: str) -> bool:
        return self._cipher(key) is not PLAIN

    def seal(self, key: str, value: bytes) -> bytes:
        return self._cipher(key).seal(value, key.encode())

    def open(self, key: str, sealed: bytes) -> tuple[bytes, bool]:
        try:
            return self._cipher(key).open(sealed, key.encode())
        except Undecryptable as error:
            raise Unreadable(key, str(error)) from None
