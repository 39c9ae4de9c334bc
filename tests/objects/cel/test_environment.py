"""Environments, budgets, and the bounds on what an expression may take."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umiak.objects.cel import types, uses
from umiak.objects.cel.environment import PER_CALL_LIMIT, Environment
from umiak.objects.cel.errors import CompileError, CostExceeded, EvaluationError, InstantiationError
from umiak.objects.cel.library.authorizer import Authorizer, Decision, Question, ResourceCheck
from umiak.objects.cel.program import Budget

POD = {"metadata": {"name": "web", "labels": {"app": "x"}}, "spec": {"containers": [{"image": "a/b"}]}}


def run(environment, text, **bindings):
    return environment.compile(text).evaluate(bindings, Budget(PER_CALL_LIMIT))


def test_budget_is_used_up():
    program = Environment({"l": types.LIST_DYN}).compile("l.all(x, l.all(y, x == y))")
    with pytest.raises(CostExceeded, match="operation cancelled: actual cost limit exceeded"):
        program.evaluate({"l": [1] * 1000}, Budget(1000))


def test_programs_share_a_budget():
    budget = Budget(10)
    program = Environment({"a": types.INT}).compile("a == 1")
    for left in (8, 6, 4):
        program.evaluate({"a": 1}, budget)
        assert budget.left == left


def test_failures_cost_as_well():
    budget = Budget(100)
    with pytest.raises(EvaluationError, match="division by zero"):
        Environment({"a": types.INT}).compile("1 / a").evaluate({"a": 0}, budget)
    assert budget.left < 100


def test_references():
    program = Environment({"self": types.DYN, "oldSelf": types.DYN}).compile("self.a == 1 || [1].all(x, x == self.b)")
    assert program.references == {"self"}


@pytest.mark.parametrize("text", ["int('x')", "'a'.find('(')"])
def test_constants_that_never_convert(text):
    with pytest.raises(InstantiationError):
        Environment({}).compile(text)


def test_binding_is_an_extension():
    assert run(Environment({}, bind=True), "cel.bind(x, 2, x * x)") == 4
    with pytest.raises(CompileError, match="undeclared reference to 'cel'"):
        Environment({}).compile("cel.bind(x, 2, x * x)")


def test_keys_of_json_patches_are_escaped():
    assert run(uses.admission(mutating=True), "jsonpatch.escapeKey('k8s.io/my~label')") == "k8s.io~1my~0label"


def test_admission_policy():
    text = (
        "object.spec.containers.all(c, c.image.startsWith('a/')) && request.operation == 'CREATE' && oldObject == null"
    )
    request = {"operation": "CREATE"}
    bindings = {"object": POD, "oldObject": None, "request": request, "namespaceObject": None}
    assert run(uses.admission(), text, **bindings) is True


def test_variables_of_a_policy_see_those_before_them():
    variables = {"images": types.list_of(types.STRING)}
    environment = uses.admission(params=True, variables=variables)
    variables["count"] = environment.compile("variables.images.size()").result_type
    assert run(environment, "variables.count > params.least", variables={"count": 2}, params={"least": 1}) is True
    with pytest.raises(CompileError, match="undefined field 'more'"):
        environment.compile("variables.more")


def test_mutating_policy_builds_objects():
    environment = uses.admission(mutating=True)
    text = "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"
    assert run(environment, text) == {"metadata": {"labels": {"a": "b"}}}
    patch = "[JSONPatch{op: 'add', path: '/a', value: 1}]"
    assert run(environment, patch) == [{"op": "add", "path": "/a", "value": 1}]
    assert environment.compile(patch).result_type.text == "list(JSONPatch)"


def test_the_authorizer_is_asked():
    asked = []

    def decide(question: Question) -> Decision:
        asked.append(question)
        return Decision(question.verb == "get", "because")

    environment = uses.admission(authorizer=True)
    text = "authorizer.group('apps').resource('deployments').namespace('ns').check('get').allowed()"
    assert run(environment, text, authorizer=Authorizer(decide)) is True
    assert asked == [Question("get", group="apps", resource="deployments", namespace="ns")]
    text = "authorizer.requestResource.check('delete').reason()"
    requested = ResourceCheck(decide, Question(resource="pods"))
    assert run(environment, text, **{"authorizer.requestResource": requested}) == "because"
    text = "authorizer.serviceAccount('ns', 'sa').path('/healthz').check('get').errored()"
    assert run(environment, text, authorizer=Authorizer(decide)) is False
    assert asked[-1].service_account == ("ns", "sa")


def test_claims_and_users():
    assert run(uses.claims(), "claims.?email_verified.orValue(false) == false", claims={"sub": "a"}) is True
    assert run(uses.user(), "!user.username.startsWith('system:')", user={"username": "ann"}) is True
    attributes = {"resourceAttributes": {"namespace": "kube-system"}}
    assert (
        run(uses.authorization(), "request.resourceAttributes.namespace == 'kube-system'", request=attributes) is True
    )


@pytest.mark.parametrize("depth", [100, 240])
def test_deep_nesting_is_fine(depth):
    assert run(Environment({}), "(" * depth + "1" + ")" * depth) == 1
    assert run(Environment({}), "1" + "+1" * depth) == depth + 1


@pytest.mark.parametrize("text", ["[" * 300 + "]" * 300, "1" + "+1" * 300, "a" + ".b" * 300, "(" * 9_000, "!" * 9_000])
def test_deeper_nesting_is_refused(text):
    with pytest.raises(CompileError):
        Environment({}).compile(text)


def test_long_expressions_are_refused():
    with pytest.raises(CompileError, match="expression code point size exceeds limit: size: 100001, limit 100000"):
        Environment({}).compile(" " * 100_001)


TOKENS = st.sampled_from(
    [
        *"a1+-*/%<!?:()[]{},.",
        "1u",
        "2.5",
        "'s'",
        "b'x'",
        "true",
        "null",
        "==",
        "in",
        "&&",
        "||",
        ".?",
        "[?",
        "has(",
        ".map(x,",
        ".all(x,",
        "dyn(",
    ]
)


@settings(max_examples=80)
@given(st.lists(TOKENS, max_size=12).map(" ".join) | st.text(max_size=40))
def test_no_text_breaks_it(text):
    """Whatever the text, there is a value or one of the errors of the language."""
    try:
        program = Environment({"a": types.DYN}).compile(text)
        program.evaluate({"a": {"b": [1, "x", None]}}, Budget(10_000))
    except (CompileError, InstantiationError, EvaluationError, CostExceeded):
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(JSON)
def test_data_equals_itself(data):
    environment = Environment({"a": types.DYN, "b": types.DYN})
    assert run(environment, "a == b && !(a != b) && a in [b]", a=data, b=json.loads(json.dumps(data))) is True
