"""Fake and real server keep the same rules."""

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.node import KIND as NODE
from umiak.client.contract import Client
from umiak.testing.workbench import Workbench


def _rules() -> list[Any]:
    """Tests are no packages here, so the suite beside this file is loaded by its path."""
    spec = importlib.util.spec_from_file_location("client_contract", Path(__file__).with_name("contract.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rules: list[Any] = module.RULES
    return rules


@pytest.fixture(params=["fake", "real"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    if request.param == "fake":
        cluster = Workbench.fake(CONFIG_MAP, NAMESPACE, NODE)
        await cluster.create(NAMESPACE, shop)
        yield cluster.client
        return
    async with Workbench.real() as cluster:
        await cluster.create(NAMESPACE, shop)
        yield cluster.client


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule.__name__)
async def test_contract(client: Client, rule: Callable[[Client], Awaitable[None]]) -> None:
    await rule(client)
