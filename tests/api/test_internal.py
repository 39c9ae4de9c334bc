"""Values in error texts, as kube-apiserver 1.37.1 printed them when asked."""

import pytest

from umiak.api.internal import difference, printed_owners, shown


@pytest.mark.parametrize(
    ("type", "value", "text"),
    [
        ("*batch.PodFailurePolicy", None, "null"),
        (
            "*batch.PodFailurePolicy",
            {"rules": [{"action": "FailIndex"}]},
            '{"Rules":[{"Action":"FailIndex","OnExitCodes":null,"OnPodConditions":null}]}',
        ),
        (
            "core.ObjectReference",
            {"kind": "Pod", "name": "a<b"},
            '{"Kind":"Pod","Namespace":"","Name":"a\\u003cb","UID":"","APIVersion":"","ResourceVersion":"","FieldPath":""}',
        ),
        (
            "apps.DaemonSetUpdateStrategy",
            {"type": "A", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            '{"Type":"A","RollingUpdate":{"MaxUnavailable":1,"MaxSurge":0}}',
        ),
        (
            "*meta.LabelSelector",
            {"matchExpressions": [{"operator": "Exists", "key": "z"}], "matchLabels": {}},
            '{"matchExpressions":[{"key":"z","operator":"Exists"}]}',
        ),
        (
            "storagemigration.StorageVersionMigrationSpec",
            {"resource": {"group": "g"}},
            '{"Resource":{"group":"g","resource":""}}',
        ),
    ],
)
def test_structs_are_printed_by_the_names_and_in_the_order_of_go(type, value, text):
    assert str(shown(type, value)) == text


def test_the_metadata_of_a_template_stand_beside_its_spec():
    text = str(shown("core.PodTemplateSpec", {"metadata": {"labels": {"b": "1", "a": "2"}, "name": "n"}}))
    assert text.startswith('{"name":"n","labels":{"a":"2","b":"1"},"Spec":{"Volumes":null,')


def test_owners_have_an_order_of_their_own():
    owner = {"controller": True, "uid": "u", "name": "n", "kind": "K"}
    assert str(printed_owners([owner])) == '[{"apiVersion":"","kind":"K","name":"n","uid":"u","controller":true}]'


def test_a_difference_has_three_lines_of_context():
    old = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "3Gi"}}, "volumeMode": "Filesystem"}
    new = {**old, "accessModes": []}
    assert difference("core.PersistentVolumeClaimSpec", old, new) == (
        '@@ -1,7 +1,5 @@\n {\n- "AccessModes": [\n-  "ReadWriteOnce"\n- ],\n+ "AccessModes": [],\n'
        '  "Selector": null,\n  "Resources": {\n   "Limits": null,\n'
    )


def test_what_was_stored_empty_is_nothing():
    spec = {"accessModes": []}
    assert difference("core.PersistentVolumeClaimSpec", spec, {"accessModes": None}) == ""
