"""Leases, events, status: a server that follows precedents answers and stores the same as one that works out each."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .telling import ADMIN, JSON, MERGE, OTHER, STRATEGIC, answer, counting

CORE, DEFAULT = "/api/v1", "/api/v1/namespaces/default"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
OLD_EVENTS = f"{DEFAULT}/events"
TIMES = ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "2029-06-05T04:03:02Z", "2030-02-30T00:00:00Z", "soon", None)
MICROS = ("2030-01-01T00:00:00.000001Z", "2030-01-01T00:00:00.000001Z", "2030-01-01T00:00:00Z", "2030-13-01T00:00:00Z")
ADDRESSES = (
    "10.0.0.1",
    "10.0.0.1",
    "10.0.0.2",
    "010.0.0.1",
    "10.0.0.256",
    "127.0.0.1",
    "fd00::1",
    "",
    TIMES[0],
    MICROS[0],
)
NAME = "pod-1"
NAMES = (NAME, NAME, "running", "true", "other-2")
UIDS = ("293f93f0-6832-42a8-84a1-97d75e6adeb0", "293f93f0-6832-42a8-84a1-97d75e6adeb1", "none")
OTHERS = {
    "pod-1": ("pod-1", "pod-2", "pod-3", "pod-4", "true", "pod-5"),
    "2030-01-01T00:00:00Z": ("2030-01-01T00:00:00Z", "2030-01-01T00:00:01Z", "2026-01-01T12:00:00Z") * 2,
    "2030-01-01T00:00:00.000001Z": (
        *("2030-01-01T00:00:00.000001Z", "2030-01-01T00:00:00.000002Z") * 2,
        TIMES[0],
        UIDS[0],
    ),
    "10.0.0.1": ("10.0.0.1", "10.0.0.2", "10.7.7.7", TIMES[0], "127.0.0.1", "10.0.0.300"),
    "x://abc1": ("x://abc1", "x://def2", "x://ghi3", "abc", "", "x://abc1"),
}
"""What takes the place of a text when a request is made for the first, the second ... time."""
one_of = st.sampled_from
conditions = st.fixed_dictionaries(
    {"type": one_of(("Ready", "Initialized")), "status": one_of(("True", "False", "True", "pod-1"))},
    optional={"lastTransitionTime": one_of(TIMES), "lastHeartbeatTime": one_of(TIMES), "message": one_of(NAMES)},
)
containers = st.fixed_dictionaries(
    {"name": one_of(("web", "pod-1")), "image": st.just("x"), "imageID": st.just("y")},
    optional={
        "containerID": st.just("x://abc1"),
        "state": st.fixed_dictionaries({"running": st.fixed_dictionaries({"startedAt": one_of(TIMES)})}),
        "ready": st.booleans(),
    },
)
pod_statuses = st.fixed_dictionaries(
    {},
    optional={
        "phase": one_of(("Running", "Failed")),
        "conditions": st.lists(conditions, max_size=2, unique_by=lambda c: c["type"]),
        "podIP": one_of(ADDRESSES),
        "podIPs": st.lists(st.fixed_dictionaries({"ip": one_of(ADDRESSES)}), max_size=2),
        "hostIP": one_of(ADDRESSES),
        "startTime": one_of(TIMES),
        "containerStatuses": st.lists(containers, max_size=1),
    },
)
node_statuses = st.fixed_dictionaries({"conditions": st.lists(conditions, max_size=2, unique_by=lambda c: c["type"])})
specs = st.fixed_dictionaries(
    {"renewTime": one_of(MICROS)}, optional={"holderIdentity": one_of(NAMES), "leaseDurationSeconds": one_of((40, 0))}
)
about = st.fixed_dictionaries({}, optional={"uid": one_of(UIDS), "resourceVersion": one_of(("1", "500"))})
POD = {"spec": {"containers": [{"name": "web", "image": "x"}]}}
PLACES = {
    "pods": (f"{DEFAULT}/pods", "/status", "status", pod_statuses, POD),
    "nodes": (f"{CORE}/nodes", "/status", "status", node_statuses, {}),
    "leases": (LEASES, "", "spec", specs, {"spec": {"holderIdentity": "pod-1"}}),
}  # fmt: skip
"""By what: where, at which part, which field changes how, and a new one."""


@st.composite
def events(draw):
    """The creation of an Event of either version."""
    note = draw(one_of(("put default/pod-1 on node-7", "pod-1", 'a "quoted" one', "x" * 1025)))
    regarding = {"kind": "Pod", "namespace": "default", "name": NAME, "uid": draw(one_of(UIDS))}
    name = f"pod-1.{draw(st.integers(0, 10**9)):x}"
    body = {"metadata": {"name": name, "namespace": "default"}, "reason": "Scheduled", "type": "Normal"}
    if draw(st.booleans()):
        body |= {"eventTime": draw(one_of(MICROS)), "action": "Binding", "note": note, "regarding": regarding}
        return "POST", EVENTS, JSON, {**body, "reportingController": "s", "reportingInstance": "s-1"}
    body |= {"firstTimestamp": draw(one_of(TIMES)), "message": note, "involvedObject": regarding, "count": 1}
    return "POST", OLD_EVENTS, JSON, body


@st.composite
def requests(draw):
    """(method, path, content type, body) of the creation of an object and some changes of it; or of some Events."""
    what = draw(one_of((*PLACES, "events")))
    if what == "events":
        return draw(st.lists(events(), min_size=1, max_size=2))
    path, part, field, values, new = PLACES[what]
    found = [("POST", path, JSON, {**new, "metadata": {"name": NAME}})]
    for _ in range(draw(st.integers(1, 3))):
        body = {field: draw(values)}
        if draw(st.integers(0, 5)) == 0:
            body["metadata"] = draw(about)
        options = draw(one_of(("", "", "?fieldManager=me")))
        found.append(("PATCH", f"{path}/{NAME}{part}{options}", draw(one_of((MERGE, STRATEGIC))), body))
    return found


def again(request, time):
    """The same request about another object."""
    method, path, kind, body = request
    text = json.dumps(body)
    for word, others in OTHERS.items():
        text = text.replace(f'"{word}', f'"{others[time]}').replace(f"/{word}", f"/{others[time]}")
    return method, path.replace("pod-1", OTHERS["pod-1"][time]), kind, json.loads(text)


async def tale(app, requests, waits, users):
    """All answers to the requests, made for one object after the other."""
    found = []
    for time in range(6):
        for number, request in enumerate(requests):
            await app.clock.advance(waits[number % len(waits)])
            found.append(await answer(app, *again(request, time), user=users[(time + number) % len(users)]))
    for place, *_ in PLACES.values():
        for name in OTHERS["pod-1"]:
            await answer(app, "DELETE", f"{place}/{name}?gracePeriodSeconds=0", JSON, {})
    return found


FEW = settings(max_examples=settings().max_examples // 5, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(
    told=requests(),
    waits=st.lists(one_of((0, 0, 1, 3)), min_size=1, max_size=3),
    users=one_of(((ADMIN,), (ADMIN,), (ADMIN, OTHER))),
)
def test_repeating_makes_no_difference(servers, told, waits, users):
    runner, one, other = servers
    assert runner.run(tale(one, told, waits, users)) == runner.run(tale(other, told, waits, users))


STARTED = {
    "phase": "Running",
    "podIP": "10.0.0.1",
    "podIPs": [{"ip": "10.0.0.1"}],
    "startTime": "2030-01-01T00:00:00Z",
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2030-01-01T00:00:00Z"}],
}


def counted(runner, app, monkeypatch, requests):
    """How many of the requests were decided by precedent."""
    followed = counting(monkeypatch)
    for request in requests:
        status, _, body = runner.run(answer(app, *request))
        assert status in (200, 201), body
    return len(followed)


def run(name, number):
    status = json.loads(json.dumps(STARTED).replace("10.0.0.1", f"10.0.7.{number}"))
    return "PATCH", f"{DEFAULT}/pods/{name}/status", MERGE, {"status": status}


def test_pods_of_one_template_that_run_are_worked_out_a_few_times(servers, monkeypatch):
    runner, app, _ = servers
    for number in range(20):
        body = {**POD, "metadata": {"name": f"new-{number}"}}
        runner.run(answer(app, "POST", f"{DEFAULT}/pods", JSON, body))
    assert counted(runner, app, monkeypatch, [run(f"new-{number}", number) for number in range(20)]) >= 16


def test_renewed_leases_are_worked_out_a_few_times(servers, monkeypatch):
    runner, app, _ = servers
    for number in range(9):
        body = {"metadata": {"name": f"lease-{number}"}, "spec": {"holderIdentity": f"lease-{number}"}}
        runner.run(answer(app, "POST", LEASES, JSON, body))
    requests = [
        (
            "PATCH",
            f"{LEASES}/lease-{number}",
            MERGE,
            {"spec": {"renewTime": f"2030-01-01T00:00:0{turn}.00000{number}Z"}},
        )
        for turn in range(5)
        for number in range(9)
    ]
    assert counted(runner, app, monkeypatch, requests) >= 35


def test_a_write_that_is_based_on_an_older_state_is_refused(servers):
    """A lesson does not overlook `resourceVersion`."""
    runner, app, _ = servers
    body = {"metadata": {"name": "old-1"}, "spec": {"holderIdentity": "old-1"}}
    _, _, made = runner.run(answer(app, "POST", LEASES, JSON, body))
    lease = json.loads(made)
    for turn in range(4):
        lease["spec"]["renewTime"] = f"2030-01-01T00:00:0{turn}.000000Z"
        status, _, found = runner.run(answer(app, "PUT", f"{LEASES}/old-1", JSON, lease))
        assert status == 200
        before, lease = lease, json.loads(found)
    status, _, found = runner.run(answer(app, "PUT", f"{LEASES}/old-1", JSON, before))
    assert (status, json.loads(found)["reason"]) == (409, "Conflict")


@pytest.mark.parametrize("other", [TIMES[0], UIDS[0], "10.0.0.1"])
def test_what_is_no_time_with_microseconds_is_refused_where_there_must_be_one(servers, other):
    runner, app, _ = servers
    renewals = [*("2030-01-01T00:00:00.000001Z", "2030-01-01T00:00:02.000003Z") * 3, other]
    for number, renewed in enumerate(renewals):
        body = {"metadata": {"name": f"lease-{number}"}, "spec": {"holderIdentity": f"lease-{number}"}}
        runner.run(answer(app, "POST", LEASES, JSON, body))
        told = {"spec": {"renewTime": renewed}}
        status, _, _ = runner.run(answer(app, "PATCH", f"{LEASES}/lease-{number}", MERGE, told))
        assert status == (422 if renewed == other else 200)


@pytest.mark.parametrize("other", [TIMES[0], MICROS[0], UIDS[0]])
def test_what_is_no_address_is_refused_where_there_must_be_one(servers, other):
    runner, app, _ = servers
    for number in range(8):
        runner.run(answer(app, "POST", f"{DEFAULT}/pods", JSON, {**POD, "metadata": {"name": f"new-{number}"}}))
        method, path, kind, body = run(f"new-{number}", number)
        if number == 7:
            body["status"] |= {"podIP": other, "podIPs": [{"ip": other}]}
        status, _, _ = runner.run(answer(app, method, path, kind, body))
        assert status == (422 if number == 7 else 200)


def test_items_of_one_list_keep_their_order(servers):
    """Managed fields sort them by their addresses."""
    runner, one, other = servers
    body = {"status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.256"}]}}
    told = [("POST", f"{DEFAULT}/pods", JSON, {**POD, "metadata": {"name": NAME}})]
    told.append(("PATCH", f"{DEFAULT}/pods/{NAME}/status", MERGE, body))
    assert runner.run(tale(one, told, [0], [ADMIN])) == runner.run(tale(other, told, [0], [ADMIN]))
