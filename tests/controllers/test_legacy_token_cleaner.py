"""Tokens that nobody uses: situations of `serviceaccount/legacy_serviceaccount_token_cleaner_test.go`."""

from datetime import timedelta
from typing import Any

import pytest

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.pod import KIND as POD
from umiak.api.core.secret import KIND as SECRET
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.controllers.legacy_token_cleaner import CONTROLLER, INVALID_SINCE, LAST_USED, TRACKING, day
from umiak.objects.types import Object
from umiak.reconcile.contract import Options
from umiak.testing.clock import NOON
from umiak.testing.workbench import Workbench

PERIOD = timedelta(days=30)


NOW = NOON + timedelta(days=60)
"""When the controller looks; the secret is made at NOON."""


def ago(days: int) -> str:
    return (NOW - timedelta(days=days)).date().isoformat()


LONG_AGO, RECENTLY = ago(60), ago(10)


def a_secret(used: str = "", invalid: str = "", account: str = "robot", uid: str = "") -> Object:
    labels = {LAST_USED: used, INVALID_SINCE: invalid}
    notes = {"kubernetes.io/service-account.name": account, "kubernetes.io/service-account.uid": uid}
    return {
        "metadata": {
            "name": "token",
            "namespace": "default",
            "labels": {k: v for k, v in labels.items() if v},
            "annotations": {k: v for k, v in notes.items() if v},
        },
        "type": "kubernetes.io/service-account-token",
    }


def a_pod(**spec: Any) -> Object:
    return {"metadata": {"name": "user", "namespace": "default"}, "spec": {"containers": [], **spec}}


MOUNTING = {"volumes": [{"name": "t", "secret": {"secretName": "token"}}]}
READING = {"containers": [{"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}}]}]}
KEPT, LABELLED, GONE = "kept", "labelled", "gone"


async def after_a_look(
    secret: Object, *, tracked: str | None = LONG_AGO, listed: bool = True, pod: Object | None = None, age: int = 60
) -> str:
    """What becomes of the secret, which was made `age` days ago."""
    cluster = Workbench.fake(options=Options(legacy_token_clean_up=PERIOD))
    account: Object = {"metadata": {"name": "robot", "namespace": "default"}}
    if listed:
        account["secrets"] = [{"name": "token"}]
    await cluster.create(SERVICE_ACCOUNT, account)
    await cluster.create(POD, pod or a_pod())
    await cluster.clock.advance(timedelta(days=60 - age).total_seconds())
    made = await cluster.create(SECRET, secret)
    if tracked is not None:
        about = {"name": TRACKING.name, "namespace": TRACKING.namespace}
        await cluster.create(CONFIG_MAP, {"metadata": about, "data": {"since": tracked}})
    await cluster.clock.advance((NOW - cluster.clock.now()).total_seconds())
    before = made["metadata"].get("labels")
    async with cluster.running(CONTROLLER):
        found = await cluster.find(SECRET, "token", "default")
    if found is None:
        return GONE
    after = found["metadata"].get("labels") or {}
    return KEPT if after == (before or {}) else f"{LABELLED} {after[INVALID_SINCE]}"


TODAY = f"{LABELLED} {ago(0)}"


@pytest.mark.parametrize(
    ("secret", "more", "fate"),
    [
        pytest.param(a_secret(), {"tracked": None}, KEPT, id="use is not noted"),
        pytest.param(a_secret(), {"tracked": ""}, KEPT, id="no day in the ConfigMap"),
        pytest.param(a_secret(), {"tracked": "2022-12-27-1"}, KEPT, id="no date in the ConfigMap"),
        pytest.param(a_secret(), {"tracked": ago(30)}, KEPT, id="not noted for long enough"),
        pytest.param(a_secret(), {"tracked": ago(31)}, TODAY, id="noted for just long enough"),
        pytest.param({**a_secret(), "type": "Opaque"}, {}, KEPT, id="another type"),
        pytest.param(a_secret(), {"listed": False}, KEPT, id="not listed by its account"),
        pytest.param(a_secret(account="other"), {}, KEPT, id="no such account"),
        pytest.param(a_secret(account=""), {}, KEPT, id="no account"),
        pytest.param(a_secret(uid="other"), {}, KEPT, id="an earlier account of that name"),
        pytest.param(a_secret(RECENTLY), {}, KEPT, id="used recently"),
        pytest.param(a_secret("2022-12-27-1"), {}, KEPT, id="used who knows when"),
        pytest.param(a_secret(), {"pod": a_pod(**MOUNTING)}, KEPT, id="mounted"),
        pytest.param(a_secret(), {"pod": a_pod(**READING)}, KEPT, id="in an environment"),
        pytest.param(a_secret(), {}, TODAY, id="never used"),
        pytest.param(a_secret(LONG_AGO), {}, TODAY, id="used long ago"),
        pytest.param(a_secret(invalid="2022-12-29-1"), {}, TODAY, id="invalid since who knows when"),
        pytest.param(a_secret(invalid=RECENTLY), {}, KEPT, id="invalid since recently"),
        pytest.param(a_secret(invalid=LONG_AGO), {}, GONE, id="never used, invalid for long"),
        pytest.param(a_secret(LONG_AGO, LONG_AGO), {}, GONE, id="used long ago, invalid for long"),
    ],
)
async def test_what_becomes_of_a_token(secret: Object, more: dict[str, Any], fate: str) -> None:
    assert await after_a_look(secret, **more) == fate


async def test_a_young_token_stays() -> None:
    assert (await after_a_look(a_secret(), age=30), await after_a_look(a_secret(), age=31)) == (KEPT, TODAY)


@pytest.mark.parametrize("text", ["20221227", "2022-W52-2", "2022-12-27-1", "", None])
def test_only_one_notation_is_a_day(text: str | None) -> None:
    assert day(text) is None
