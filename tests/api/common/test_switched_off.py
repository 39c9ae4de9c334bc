"""Source: `dropDisabledFields` in `pkg/api/pod/util.go`; the features are off by default in 1.37."""

from umiak.api.common import switched_off


def test_fields_of_features_that_are_off_are_forgotten():
    container = {
        "name": "c",
        "lifecycle": {"stopSignal": "SIGINT"},
        "volumeMounts": [{"name": "v", "bindMountOptions": ["x"]}],
        "livenessProbe": {"grpc": {"port": 1, "mode": "TLS"}},
    }
    spec = {
        "schedulingGroup": {},
        "evictionResponders": [],
        "containers": [container],
        "volumes": [
            {"name": "v", "emptyDir": {"mode": 1}},
            {"name": "w", "secret": {"defaultUser": 1, "items": [{"user": 2}]}},
        ],
    }
    switched_off.fields_of_pods("spec")({"spec": spec})
    assert spec == {
        "containers": [{"name": "c", "volumeMounts": [{"name": "v"}], "livenessProbe": {"grpc": {"port": 1}}}],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "secret": {"items": [{}]}}],
    }


def test_a_hook_beside_a_stop_signal_stays():
    container = {"lifecycle": {"stopSignal": "SIGINT", "preStop": {"exec": {}}}}
    switched_off.fields_of_pods()({"containers": [container]})
    assert container == {"lifecycle": {"preStop": {"exec": {}}}}


def test_a_template_that_is_not_there_has_nothing_to_forget():
    switched_off.fields_of_pods("spec", "template", "spec")({})
