"""AuthorizationConfiguration: faults in the words of apiserver's `validation.go` and kubeapiserver's `config.go`."""

import pytest
import yaml

from umiak.api.configuration import Unacceptable, shown_span
from umiak.server.access.authorization_config import load, of_flags
from umiak.server.access.member import Member
from umiak.server.access.settings import AccessSettings, WebhookSettings

NODE, RBAC = {"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"}


def file(*authorizers, **more):
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    return yaml.safe_dump({**head, "authorizers": list(authorizers), **more}).encode()


def hook(**changes):
    about = {
        "timeout": "3s",
        "subjectAccessReviewVersion": "v1",
        "matchConditionSubjectAccessReviewVersion": "v1",
        "failurePolicy": "Deny",
        "connectionInfo": {"type": "InClusterConfig"},
        **changes,
    }
    return {"type": "Webhook", "name": "hook", "webhook": {k: v for k, v in about.items() if v is not None}}


def connection(**about):
    return hook(connectionInfo=about)


def conditions(*expressions):
    return hook(matchConditions=[{"expression": text} for text in expressions])


@pytest.mark.parametrize(
    ("authorizers", "why"),
    [
        pytest.param([], "authorizers: Required value: at least one authorization mode must be defined", id="none"),
        pytest.param([{"name": "x"}], "authorizers[0].type: Required value", id="no type"),
        pytest.param(
            [{"type": "Foo", "name": "foo"}],
            'authorizers[0].type: Unsupported value: "Foo": supported values: "ABAC", "AlwaysAllow", "AlwaysDeny", '
            '"Node", "RBAC", "Webhook"',
            id="unknown type",
        ),
        pytest.param([NODE, NODE], 'authorizers[1].type: Duplicate value: "Node"', id="twice"),
        pytest.param([{"type": "Node"}], "authorizers[0].name: Required value", id="no name"),
        pytest.param([NODE, {**RBAC, "name": "node"}], 'authorizers[1].name: Duplicate value: "node"', id="same name"),
        pytest.param(
            [{**NODE, "name": "other"}], "expected name node for authorizer Node instead of other", id="another name"
        ),
        pytest.param(
            [{"type": "Webhook", "name": "h"}],
            "authorizers[0].webhook: Required value: required when type=Webhook",
            id="no webhook",
        ),
        pytest.param(
            [{**NODE, "webhook": {}}],
            'authorizers[0].webhook: Invalid value: "non-null": may only be specified when type=Webhook',
            id="a webhook too many",
        ),
        pytest.param([hook(timeout=None)], "authorizers[0].timeout: Required value", id="no timeout"),
        pytest.param(
            [hook(timeout="1m")],
            'authorizers[0].timeout: Invalid value: "1m0s": must be > 0s and <= 30s',
            id="long timeout",
        ),
        pytest.param(
            [hook(authorizedTTL="-1s")],
            'authorizers[0].authorizedTTL: Invalid value: "-1s": must be > 0s',
            id="time to live",
        ),
        pytest.param(
            [hook(subjectAccessReviewVersion="v2")],
            'authorizers[0].subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"',
            id="version",
        ),
        pytest.param(
            [hook(failurePolicy="Fail")],
            'authorizers[0].failurePolicy: Unsupported value: "Fail": supported values: "NoOpinion", "Deny"',
            id="failure policy",
        ),
        pytest.param(
            [connection(type="KubeConfigFile")],
            "authorizers[0].connectionInfo.kubeConfigFile: Required value",
            id="no kubeconfig",
        ),
        pytest.param(
            [connection(type="KubeConfigFile", kubeConfigFile="x.yaml")],
            'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "x.yaml": must be an absolute path',
            id="relative path",
        ),
        pytest.param(
            [hook(matchConditionSubjectAccessReviewVersion=None, matchConditions=[{"expression": "true"}])],
            "authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: "
            "required if match conditions are specified",
            id="version of conditions",
        ),
        pytest.param(
            [conditions("request.user")],
            'authorizers[0].matchConditions[0].expression: Invalid value: "request.user": '
            "must evaluate to bool but got string",
            id="not a boolean",
        ),
        pytest.param(
            [conditions("true", "true", " ")],
            '[authorizers[0].matchConditions[1].expression: Duplicate value: "true", '
            "authorizers[0].matchConditions[2].expression: Required value]",
            id="several faults",
        ),
    ],
)
def test_faults(authorizers, why):
    with pytest.raises(Unacceptable) as caught:
        load(file(*authorizers))
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(file(NODE, extra=1), 'strict decoding error: unknown field "extra"', id="unknown"),
        pytest.param(
            file({**NODE, "nam": "x"}), 'strict decoding error: unknown field "authorizers[0].nam"', id="unknown below"
        ),
        pytest.param(file(hook(timeout="soon")), 'time: invalid duration "soon"', id="no duration"),
        pytest.param(
            b"junk",
            "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct "
            '{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
            id="no object",
        ),
        pytest.param(file(hook(timeout="5")), 'time: missing unit in duration "5"', id="no unit"),
    ],
)
def test_what_cannot_be_read(data, why):
    with pytest.raises(Unacceptable) as caught:
        load(data)
    assert str(caught.value) == f"failed to load AuthorizationConfiguration from file: {why}"


def test_defaults_of_a_webhook():
    (member,) = load(file(hook(cacheUnauthorizedRequests=False)))
    assert member.webhook is not None
    assert (member.webhook.authorized_ttl, member.webhook.unauthorized_ttl) == (300, 0)
    assert member.webhook.denies_on_failure


def test_what_was_there_at_the_start_must_stay():
    with pytest.raises(Unacceptable, match=r"missing required types: \[RBAC\]"):
        load(file(NODE), {"Node", "RBAC"})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"authorization_modes": ("Foo",)}, 'authorization-mode "Foo" is not a valid mode'),
        ({"authorization_modes": ("Webhook",)}, "authorization-mode Webhook's authorization config file not passed"),
        ({"authorization_modes": ("ABAC",)}, "authorization-mode ABAC's authorization policy file not passed"),
        (
            {"authorization_webhook": WebhookSettings(file="f")},
            "cannot specify --authorization-webhook-config-file without mode Webhook",
        ),
        (
            {"authorization_modes": ("RBAC", "RBAC")},
            'authorization-mode ["RBAC" "RBAC"] has mode specified more than once',
        ),
    ],
)
def test_faults_of_flags(settings, why):
    """kubeapiserver's `options/authorization.go`."""
    with pytest.raises(Unacceptable) as caught:
        of_flags(AccessSettings(**settings))
    assert str(caught.value) == why


def test_the_usual_row():
    assert of_flags(AccessSettings()) == [Member("Node", "node"), Member("RBAC", "rbac")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (3, "3s"), (90, "1m30s"), (3600, "1h0m0s"), (0.5, "500ms"), (1.5, "1.5s"), (-1, "-1s")],
)
def test_durations_as_go_prints_them(seconds, text):
    assert shown_span(seconds) == text
