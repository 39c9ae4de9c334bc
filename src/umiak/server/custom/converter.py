"""Asks the webhook that converts the custom resources of one definition."""

import random
from collections.abc import Sequence

from umiak.objects.types import Object
from umiak.server import metadata
from umiak.server.custom import conversion
from umiak.server.custom.conversion import NotConverted, kind_text
from umiak.server.custom.reading import Forms
from umiak.server.webhooks.sender import CallFailed, Sender

SECONDS = 30
"""How long a webhook may take."""
TOGETHER = 100
"""Objects sent in one review."""


class Converter:
    """Asks the webhook of one definition. `forms` knows the schemas of its versions."""

    def __init__(self, definition: Object, forms: Forms, sender: Sender, dice: random.Random) -> None:
        webhook = definition["spec"]["conversion"]["webhook"]
        self.forms = forms
        self._config = webhook["clientConfig"]
        self._spoken = webhook.get("conversionReviewVersions") or ()
        self._sender = sender
        self._dice = dice

    async def convert(self, objects: Sequence[Object], wanted: str) -> list[Object]:
        """`objects`, which stay as they are, in the apiVersion `wanted`. Raises NotConverted."""
        version = conversion.version_of(self._spoken)
        other = [obj for obj in objects if obj["apiVersion"] != wanted]
        found: list[Object] = []
        for start in range(0, len(other), TOGETHER):
            found += await self._asked(other[start : start + TOGETHER], wanted, version)
        answers = iter(found)
        return [obj if obj["apiVersion"] == wanted else next(answers) for obj in objects]

    async def _asked(self, objects: Sequence[Object], wanted: str, version: str) -> list[Object]:
        uid = metadata.new_uid(self._dice)
        body = conversion.question(objects, wanted, uid, version)
        told = f"conversion webhook for {kind_text(objects[0])}"
        try:
            said = await self._sender.ask(self._config, body, SECONDS)
            answers = conversion.answered(said, uid, version)
        except (CallFailed, NotConverted) as error:
            raise NotConverted(f"{told} failed: {error}") from None
        finally:
            await self._sender.tidy()
        if len(answers) != len(objects):
            raise NotConverted(f"{told} returned {len(answers)} objects, expected {len(objects)}")
        return [conversion.accepted(sent, got, wanted) for sent, got in zip(objects, answers, strict=True)]
