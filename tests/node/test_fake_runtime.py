"""The fake container runtime keeps the contract."""

import importlib.util
from pathlib import Path

import pytest

from umiak.testing.fake_runtime import FakeRuntime

_spec = importlib.util.spec_from_file_location("runtime_contract", Path(__file__).with_name("runtime_contract.py"))
_contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_contract)


class TestFakeRuntime(_contract.RuntimeContract):
    @pytest.fixture
    def runtime(self) -> FakeRuntime:
        return FakeRuntime()
