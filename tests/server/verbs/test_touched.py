"""Of a patched object it is enough to read what the patch mentions."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.api import schema
from umiak.api.core.pod import KIND as POD
from umiak.objects import encoding, strategic_merge
from umiak.objects.errors import StatusError
from umiak.server.verbs.patch import Asked, by_merge_patch, by_strategic_patch

STORED = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "p", "labels": {"a": "b"}, "annotations": {"x": "y"}, "creationTimestamp": None},
    "spec": {
        "containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}],
        "terminationGracePeriodSeconds": 1,
        "hostNetwork": True,
    },
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
BODIES = (
    '{"metadata":{"labels":{"a":"c"}}}',
    '{"metadata":{"labels":{"a":1}}}',
    '{"metadata":{"labels":null,"annotations":{}}}',
    '{"metadata":{"labels":{},"unknown":1}}',
    '{"metadata":null}',
    '{"metadata":{}}',
    '{"metadata":{"creationTimestamp":"2026-01-01T00:00:00Z","generation":0}}',
    '{"metadata":{"labels":{"$patch":"replace","z":"1"}}}',
    '{"metadata":{"$patch":"replace","name":"p"}}',
    '{"metadata":{"$deleteFromPrimitiveList/finalizers":["a/b"]}}',
    '{"metadata":{"$retainKeys":["name"],"name":"p"}}',
    '{"metadata":7}',
    '{"spec":{"terminationGracePeriodSeconds":true}}',
    '{"spec":{"hostNetwork":1}}',
    '{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"0.5"}}}],"unknown":2}}',
    '{"spec":null}',
    '{"spec":{"$retainKeys":["containers"]}}',
    '{"status":{"phase":"","conditions":[]}}',
    '{"status":null}',
    '{"status":{"conditions":[{"type":"Ready","status":"False","lastProbeTime":null}]}}',
    '{"Status":{"phase":"Failed"}}',
    '{"other":null,"$patch":"replace"}',
    '{"other":{"a":1},"kind":"Pod"}',
    '{"metadata":{"labels":{"a":"1"}},"metadata":{"labels":{"a":"2"}}}',
)


def outcome(obj, touched):
    try:
        read, faults = schema.decode(POD.schema, deepcopy(obj), "Pod", "v1", touched)
        return encoding.to_json(read), faults
    except StatusError as error:
        return error.code, error.message


@given(body=st.sampled_from(BODIES), second=st.sampled_from(BODIES))
@pytest.mark.parametrize("mechanism", [by_merge_patch, by_strategic_patch])
def test_reading_what_was_touched_is_reading_all(mechanism, body, second):
    live, _ = schema.decode(POD.schema, deepcopy(STORED), "Pod", "v1")
    for text in (body, second):
        try:
            patched = mechanism(Asked(POD, encoding.from_json(text.encode()), True), deepcopy(live))
        except (StatusError, strategic_merge.PatchError):
            return
        whole = outcome(patched.obj, None)
        assert outcome(patched.obj, patched.touched) == whole
        if isinstance(whole[0], int):
            return
        live = encoding.from_json(whole[0])


def test_of_a_label_only_the_labels_are_read():
    patched = by_merge_patch(Asked(POD, {"metadata": {"labels": {"a": "c"}}}, True), deepcopy(STORED))
    assert patched.touched == {"metadata": {"labels": None}}
