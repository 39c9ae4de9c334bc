"""ValidatingAdmissionPolicies inside a server. What is said was recorded from the reference."""

import pytest

from umiak.server.policies.validating import message_of

HEAD = "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: "
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}


async def refusal(cluster, status=422, **body) -> str:
    answer = await cluster.make_map(status=status, **body)
    assert [cause["message"] for cause in answer["details"]["causes"]] == [answer["message"].split("forbidden: ")[1]]
    return answer["message"].removeprefix(f'configmaps "m" is forbidden: {HEAD}')


async def test_a_policy_holds_at_once_and_no_longer_than_its_binding(cluster, api):
    await cluster.validate("has(object.data)", message="no data")
    assert await refusal(cluster) == "no data"
    assert (await cluster.make_map("n", data={"a": "b"}))["data"] == {"a": "b"}
    await api("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/p")
    await cluster.make_map()


@pytest.mark.parametrize(
    ("reason", "status"), [(None, 422), ("Invalid", 422), ("Forbidden", 403), ("RequestEntityTooLarge", 413)]
)
async def test_the_reason_is_the_answers(cluster, reason, status):
    await cluster.validate("false", message="no", **({"reason": reason} if reason else {}))
    answer = await cluster.make_map(status=status)
    assert answer["reason"] == (reason or "Invalid")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("  so  ", "so"),
        ("", "own"),
        ("a\nb", "own"),
        ("x" * 5121, "own"),
        (None, "own"),
    ],
)
def test_messages(said, text):
    assert message_of({"expression": "a", "message": " own "}, said) == text


def test_the_expression_is_the_last_resort():
    assert message_of({"expression": " a == b "}, None) == "failed expression: a == b"


async def test_errors_refuse_unless_they_are_ignored(cluster):
    await cluster.validate("object.none == 1")
    assert await refusal(cluster) == "expression 'object.none == 1' resulted in error: no such key: none"


async def test_ignored_errors(cluster):
    await cluster.validate("object.none == 1", failurePolicy="Ignore")
    await cluster.make_map()


async def test_variables_are_evaluated_when_used(cluster):
    variables = [{"name": "bad", "expression": "object.none"}, {"name": "size", "expression": "size(object.data)"}]
    more = {"variables": variables, "messageExpression": "string(variables.size) + ' are too many'"}
    await cluster.validate("variables.size < 2 || variables.bad", **more)
    await cluster.make_map("n", data={"a": "b"})
    told = 'composited variable "bad" fails to evaluate: no such key: none'
    assert (await refusal(cluster, data={"a": "b", "c": "d"})).endswith(f"resulted in error: {told}")


async def test_conditions_come_first(cluster):
    conditions = [{"name": "c", "expression": "request.name != 'free'"}]
    await cluster.validate("false", matchConditions=conditions)
    await cluster.make_map("free")
    await cluster.make_map(status=422)


async def test_warnings(cluster, server, api):
    await cluster.validate("false", {"validationActions": ["Warn", "Audit"]}, message="hm")
    assert (await api("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "m"}}))[0] == 201


async def test_the_authorizer_is_asked(cluster, authorizer):
    await cluster.validate("authorizer.group('').resource('secrets').namespace('a').check('get').allowed()")
    await cluster.make_map("n")
    authorizer.forbidden.add(("get", "secrets"))
    await cluster.make_map(status=422)
    assert ("get", "secrets", "a") in [(a.verb, a.resource, a.namespace) for a in authorizer.asked]


async def test_service_accounts_are_asked_about(cluster, authorizer):
    account = "authorizer.serviceAccount('a', 'b')"
    await cluster.validate(f"{account}.path('/x').check('get').allowed()")
    await cluster.make_map()
    asked = next(a for a in authorizer.asked if a.path == "/x")
    groups = ("system:serviceaccounts", "system:serviceaccounts:a")
    assert (asked.user.name, asked.user.groups) == ("system:serviceaccount:a:b", groups)


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        pytest.param({"name": "one"}, None, id="by name"),
        pytest.param({"name": "two"}, "too many", id="another"),
        pytest.param({"selector": {}}, "too many", id="every one has to agree"),
        pytest.param({"selector": {"matchLabels": {"n": "one"}}}, None, id="selected"),
        pytest.param({"name": "gone", "parameterNotFoundAction": "Allow"}, None, id="none, and that is fine"),
        pytest.param(
            {"name": "gone"},
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
            id="none",
        ),
    ],
)
async def test_params(cluster, ref, told):
    for name, most in (("one", "3"), ("two", "1")):
        await cluster.post(
            "/api/v1/namespaces/default/configmaps",
            {"metadata": {"name": name, "labels": {"n": name}}, "data": {"most": most}},
        )
    bound = {"paramRef": {"parameterNotFoundAction": "Deny", **ref}}
    rule = "size(object.data) <= int(params.data.most)"
    await cluster.validate(rule, bound, paramKind=CONFIG_MAP, message="too many")
    body = {"data": {"a": "b", "c": "d"}}
    if told is None:
        await cluster.make_map(**body)
    else:
        assert await refusal(cluster, **body) == told


async def test_a_kind_of_params_that_is_not_served(cluster):
    await cluster.validate("params == null", paramKind={"apiVersion": "x.example/v1", "kind": "Limit"})
    told = "failed to find resource referenced by paramKind: 'x.example/v1, Kind=Limit'"
    answer = await cluster.make_map(status=422)
    head = "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: "
    assert answer["message"].endswith(head + told)


async def test_policies_are_not_asked_about_themselves(cluster):
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    spec = {"matchConstraints": {"resourceRules": [everything]}, "validations": [{"expression": "false"}]}
    await cluster.enforce("validating", spec)
    await cluster.make_map(status=422)
    await cluster.enforce("validating", spec, name="second")
