"""A write without an answer is looked up before anybody decides on its kind again."""

import pytest

from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Unreachable
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.reconcile import context
from umiak.reconcile.context import Runtime
from umiak.reconcile.doubts import is_doubtful
from umiak.testing.fakeapi import FakeApi

TIMED_OUT = StatusError(504, "Timeout", "the answer took too long")


class Silent(FakeApi):
    """Does what it is asked; while `mute` says nothing of it."""

    mute = False

    async def create(self, *args, **named):
        return self._answer(await super().create(*args, **named))

    async def delete(self, *args, **named):
        return self._answer(await super().delete(*args, **named))

    def _answer(self, answer):
        if self.mute:
            raise TIMED_OUT
        return answer


@pytest.fixture
def api(clock) -> Silent:
    return Silent(clock)


@pytest.fixture
def runtime(api) -> Runtime:
    found = context.build(api, clock=api.clock)
    found.tables.ensure(POD)
    return found


def a_pod(**about) -> dict:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", **about}, "spec": {}}


@pytest.mark.parametrize(
    ("error", "doubtful"),
    [
        pytest.param(Unreachable("reset"), True, id="no answer"),
        pytest.param(TIMED_OUT, True, id="504"),
        pytest.param(StatusError(500, "InternalError", ""), True, id="500"),
        pytest.param(StatusError(503, "ServiceUnavailable", ""), False, id="503"),
        pytest.param(StatusError(429, "TooManyRequests", ""), False, id="429"),
        pytest.param(StatusError(409, "Conflict", ""), False, id="conflict"),
    ],
)
def test_what_is_doubtful(error, doubtful):
    assert is_doubtful(error) is doubtful


async def test_a_pod_made_in_silence_is_found_by_its_labels(api, runtime):
    api.mute = True
    with pytest.raises(StatusError):
        await runtime.client.create(POD, a_pod(generateName="web-", labels={"app": "web"}))
    assert runtime.tables.keys(POD) == []
    await runtime.doubts.resolve([POD])
    assert [key.name[:4] for key in runtime.tables.keys(POD)] == ["web-"]


async def test_a_pod_deleted_in_silence_is_gone(api, runtime):
    await runtime.client.create(POD, a_pod(name="a"))
    api.mute = True
    with pytest.raises(StatusError):
        await runtime.client.delete(POD, "a", "shop")
    assert runtime.tables.keys(POD) == [Key("shop", "a")]
    await runtime.doubts.resolve([POD])
    assert runtime.tables.keys(POD) == []


async def test_while_it_cannot_be_looked_up_the_doubt_stays(api, runtime, monkeypatch):
    api.mute = True
    with pytest.raises(StatusError):
        await runtime.client.create(POD, a_pod(name="a"))

    async def away(*args, **named):
        raise Unreachable("refused")

    with monkeypatch.context() as patch:
        patch.setattr(api, "get", away)
        with pytest.raises(Unreachable):
            await runtime.doubts.resolve([POD])
    await runtime.doubts.resolve([POD])
    assert runtime.tables.keys(POD) == [Key("shop", "a")]


async def test_catching_up_shows_what_is_new_and_drops_what_is_gone(api, runtime):
    for name in ("gone", "relabelled", "changed"):
        await runtime.client.create(POD, a_pod(name=name, labels={"app": "web"}))
    await api.create(POD, a_pod(name="new", labels={"app": "web"}))
    await api.create(POD, a_pod(name="another's", labels={"app": "db"}))
    await api.delete(POD, "gone", "shop")
    await api.patch(POD, "relabelled", "shop", {"metadata": {"labels": {"app": "db"}}})
    await api.patch(POD, "changed", "shop", {"metadata": {"labels": {"tier": "front"}}})
    await runtime.doubts.catch_up(POD, "shop", "app=web", runtime.tables.keys(POD))
    found = {key.name: runtime.tables.get(POD, key)["metadata"]["labels"] for key in runtime.tables.keys(POD)}
    assert found == {"new": {"app": "web"}, "relabelled": {"app": "db"}, "changed": {"app": "web", "tier": "front"}}
