"""Tells the world how to check service account tokens: OpenID Connect discovery (KEP-1393)."""

from typing import TYPE_CHECKING

import msgspec

from umiak.server.answer import Answer, page_not_found
from umiak.server.contract import Request

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

CONFIGURATION = "/.well-known/openid-configuration"
JWKS = "/openid/v1/jwks"
CACHED = [("Cache-Control", "public, max-age=3600")]


def _is_discoverable(issuer: str) -> bool:
    """OpenID Connect wants an address where the document could be."""
    return issuer.startswith("https://") and "?" not in issuer and "#" not in issuer


async def configuration(app: "ApiServer", request: Request) -> Answer:
    if app.issuer is None or not _is_discoverable(app.issuer.url):
        return page_not_found()
    algorithms = sorted({key.algorithm for key in app.issuer.keys.known.values()})
    document = {
        "issuer": app.issuer.url,
        "jwks_uri": app.issuer.jwks_uri or f"https://{app.settings.advertise}:{app.settings.port}{JWKS}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    }
    return Answer(200, msgspec.json.encode(document), headers=list(CACHED))


async def jwks(app: "ApiServer", request: Request) -> Answer:
    if app.issuer is None or not _is_discoverable(app.issuer.url):
        return page_not_found()
    return Answer(200, msgspec.json.encode(app.issuer.keys.jwks()), "application/jwk-set+json", list(CACHED))


ROUTES = [(CONFIGURATION, configuration), (JWKS, jwks)]
