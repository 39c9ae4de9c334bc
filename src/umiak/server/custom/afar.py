"""Conversion in the middle of bookkeeping, which does not wait: it runs in a thread, and the webhook is asked by the
event loop it came from."""

import asyncio
from typing import TYPE_CHECKING

from umiak.api.kind import Kind
from umiak.objects.errors import StatusError
from umiak.objects.shapes import Mismatch
from umiak.objects.types import Object
from umiak.server.custom.version_store import VersionStore
from umiak.server.managed_fields.versions import Convert

if TYPE_CHECKING:
    from umiak.server.call import Call


def converter(call: "Call", kind: Kind) -> Convert:
    """To be called by other threads."""
    loop, view = asyncio.get_running_loop(), call.app.objects.store_of(kind)
    assert isinstance(view, VersionStore)

    def convert(obj: Object, source: Kind, target: Kind) -> Object:
        try:
            return asyncio.run_coroutine_threadsafe(view.converted(obj, target.api_version), loop).result()
        except StatusError as error:
            raise Mismatch(str(error)) from None

    return convert
