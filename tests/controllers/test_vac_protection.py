"""A class of volume attributes stays while somebody names it."""

import pytest

from umiak.api.core import persistentvolumeclaim
from umiak.api.storage import volumeattributesclass
from umiak.controllers.vac_protection import CONTROLLER, FINALIZER, lets_go, named_by

CLASS = {"metadata": {"name": "fast"}, "driverName": "d", "parameters": {"a": "b"}}
CLAIM = {
    "metadata": {"name": "c", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce"], "volumeAttributesClassName": "fast"},
}


def test_names_wanted_in_effect_and_on_the_way():
    status = {"currentVolumeAttributesClassName": "b", "modifyVolumeStatus": {"targetVolumeAttributesClassName": "c"}}
    assert named_by({"spec": {"volumeAttributesClassName": "a"}, "status": status}) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("old", "new", "matters"),
    [(None, CLAIM, False), (CLAIM, None, True), (CLAIM, CLAIM, False), (CLAIM, {"spec": {}}, True)],
)
def test_what_lets_go(old, new, matters):
    assert lets_go(old, new) is matters


async def test_it_goes_with_its_last_user(world):
    async with world.running(CONTROLLER):
        await world.make(persistentvolumeclaim.KIND, CLAIM)
        await world.make(volumeattributesclass.KIND, CLASS)
        await world.clock.advance(1)
        made = await world.get(volumeattributesclass.KIND, "fast")
        assert made["metadata"]["finalizers"] == [FINALIZER]
        await world.client.delete(volumeattributesclass.KIND, "fast")
        await world.clock.advance(1)
        assert await world.names(volumeattributesclass.KIND) == ["fast"]
        await world.client.delete(persistentvolumeclaim.KIND, "c", "default")
        await world.clock.advance(1)
        assert await world.names(volumeattributesclass.KIND) == []
