"""Which admission plugins are in force (apiserver's `pkg/server/options/admission.go`)."""

import random

import msgspec
import pytest

from umiak.api import registry
from umiak.api.configuration import Unacceptable
from umiak.kit.modules import exported
from umiak.server.admission.optional import always_deny
from umiak.server.admission_choice import chosen
from umiak.server.admission_settings import AdmissionSettings
from umiak.testing.clock import VirtualClock


def names(**settings):
    found = chosen(AdmissionSettings(**settings), (), VirtualClock(), random.Random(1))
    return {plugin.name for plugin in found}


def test_usual_and_wanted_and_unwanted():
    usual = names()
    assert "AlwaysDeny" not in usual and "LimitRanger" in usual
    changed = names(wanted=frozenset({"AlwaysDeny", "Priority"}), without=frozenset({"LimitRanger"}))
    assert changed == usual - {"LimitRanger"} | {"AlwaysDeny"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"wanted": frozenset({"Foo"})}, 'enable-admission-plugins plugin "Foo" is unknown'),
        ({"without": frozenset({"Foo"})}, 'disable-admission-plugins plugin "Foo" is unknown'),
        (
            {"wanted": frozenset({"Priority"}), "without": frozenset({"Priority"})},
            "[Priority] in enable-admission-plugins and disable-admission-plugins overlapped",
        ),
        (
            {"wanted": frozenset({"EventRateLimit"})},
            'couldn\'t init admission plugin "EventRateLimit": limits: Invalid value: null: must not be empty',
        ),
    ],
)
def test_faults(settings, why):
    with pytest.raises(Unacceptable) as caught:
        names(**settings)
    assert str(caught.value) == why


HEAD = '{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": '
LIMITS = (
    '{"apiVersion": "eventratelimit.admission.k8s.io/v1alpha1", "kind": "Configuration", '
    '"limits": [{"type": "Server", "qps": 1, "burst": 1}]}'
)


@pytest.mark.parametrize(
    "content",
    [
        f'{HEAD}[{{"name": "EventRateLimit", "configuration": {LIMITS}}}]}}',
        f'{HEAD}[{{"name": "EventRateLimit", "path": "limits.json"}}]}}',
    ],
)
def test_the_file_has_it_or_says_where_it_is(tmp_path, content):
    (tmp_path / "limits.json").write_text(LIMITS)
    (tmp_path / "file").write_text(content)
    assert "EventRateLimit" in names(wanted=frozenset({"EventRateLimit"}), config_file=tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "failed to read plugin config: unable to read admission control configuration from"),
        ("{}", "failed to read plugin config: Object 'Kind' is missing in '{}'"),
        (f'{HEAD}[{{"nam": "x"}}]}}', "failed to read plugin config: strict decoding error: unknown field"),
    ],
)
def test_faults_of_the_file(tmp_path, content, why):
    if content is not None:
        (tmp_path / "file").write_text(content)
    with pytest.raises(Unacceptable) as caught:
        names(config_file=tmp_path / "file")
    assert str(caught.value).startswith(why)


def test_what_is_not_read_is_refused(tmp_path):
    name = "ValidatingAdmissionWebhook"
    (tmp_path / "file").write_text(f'{HEAD}[{{"name": "{name}", "configuration": {{"kind": "x"}}}}]}}')
    webhooks = msgspec.structs.replace(always_deny.ADMISSION, name=name, configure=None)  # made by the assembly
    settings = AdmissionSettings(config_file=tmp_path / "file")
    with pytest.raises(Unacceptable, match="umiak does not read its configuration; leave it out"):
        chosen(settings, [webhooks], VirtualClock(), random.Random(1))


def test_a_file_of_old(tmp_path):
    (tmp_path / "file").write_text("podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: a=b}")
    assert "PodNodeSelector" in names(wanted=frozenset({"PodNodeSelector"}), config_file=tmp_path / "file")


def test_plugins_look_at_places_that_exist():
    """`looks_at` names what `Kind.store_root` is, without loading the kinds."""
    roots = {kind.store_root for kind in registry.kinds()}
    for plugin in exported("umiak.server.admission", "ADMISSION").values():
        assert set(plugin.looks_at or ()) <= roots, plugin.name
