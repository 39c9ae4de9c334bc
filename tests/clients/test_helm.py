"""Helm 4: the life of a release of the chart in `chart`, which has what charts have."""

import json
import re
import shutil
from pathlib import Path

import pytest
from go_programs import Program

CHART = str(Path(__file__).parent / "chart")


@pytest.fixture
def helm(helm_program: Program, kubectl: Program) -> Program:
    """In the namespace and the folder of kubectl."""
    return helm_program.within(kubectl.namespace, kubectl.folder)


def test_the_life_of_a_release(helm: Program, kubectl: Program) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", CHART)
    said = helm("install", "web", CHART, "--wait", "--timeout=300s")
    assert "STATUS: deployed" in said
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}") == "2"
    assert kubectl("get", "boat", "web", "-o", "jsonpath={.spec.size}") == "9"
    found = json.loads(kubectl("get", "configmap", "web", "-o", "jsonpath={.data}"))
    assert found == {"colour": "red", "namespace": kubectl.namespace, "has-deployments": "true"}
    phases = kubectl("get", "pods", "web-pre-install", "web-post-install", "-o", "jsonpath={.items[*].status.phase}")
    assert phases == "Succeeded Succeeded"
    assert re.search(r"Phase: +Succeeded", helm("test", "web", "--timeout=300s"))

    said = helm("upgrade", "web", CHART, "--set", "colour=blue,replicas=3", "--wait", "--timeout=300s")
    assert 'Release "web" has been upgraded. Happy Helming!' in said
    assert kubectl("get", "configmap", "web", "-o", "jsonpath={.data.colour}") == "blue"
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}") == "3"

    assert "pre-upgrade hooks failed" in helm.fails("upgrade", "web", CHART, "--set", "fail=true", "--timeout=300s")
    helm("rollback", "web", "1", "--wait", "--timeout=300s")
    assert kubectl("get", "configmap", "web", "-o", "jsonpath={.data.colour}") == "red"
    history = json.loads(helm("history", "web", "-o", "json"))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "failed", "deployed"]
    assert json.loads(helm("list", "-o", "json"))[0]["revision"] == "4"
    assert json.loads(helm("get", "values", "web", "--revision=2", "-o", "json")) == {"colour": "blue", "replicas": 3}

    assert 'release "web" uninstalled' in helm("uninstall", "web", "--wait", "--timeout=300s")
    assert "not found" in kubectl.fails("get", "deployment", "web")
    assert json.loads(helm("list", "-o", "json")) == []


def test_what_is_not_there_yet_is_told_by_the_server(helm: Program, kubectl: Program) -> None:
    said = helm("install", "web", CHART, "--dry-run=server", "--skip-crds")
    assert f"namespace: {kubectl.namespace}" in said  # `lookup` asked the API server
    assert "not found" in kubectl.fails("get", "deployment", "web")


def test_an_upgrade_that_fails_is_taken_back(helm: Program, kubectl: Program) -> None:
    helm("install", "web", CHART, "--wait", "--timeout=300s")
    wish = ("--set", "colour=blue,fail=true", "--rollback-on-failure", "--timeout=300s")
    assert "has been rolled back due to rollback-on-failure being set" in helm.fails("upgrade", "web", CHART, *wish)
    assert kubectl("get", "configmap", "web", "-o", "jsonpath={.data.colour}") == "red"
    helm("uninstall", "web")


def test_what_somebody_else_owns_is_not_taken(helm: Program, kubectl: Program) -> None:
    kubectl("create", "service", "clusterip", "web", "--tcp=80:80")
    said = helm.fails("install", "web", CHART)
    assert "exists and cannot be imported into the current release: invalid ownership metadata" in said


def test_changes_by_others_are_a_conflict(helm: Program, kubectl: Program) -> None:
    """Helm 4 applies on the server, so it is told of fields that somebody else has taken since."""
    helm("install", "web", CHART, "--wait", "--timeout=300s")
    kubectl("patch", "configmap", "web", "--type=merge", "-p", '{"data":{"colour":"green"}}', "--field-manager=ada")
    said = helm.fails("upgrade", "web", CHART, "--set", "colour=blue")
    assert 'conflict with "ada"' in said
    helm("upgrade", "web", CHART, "--set", "colour=blue", "--force-conflicts", "--wait", "--timeout=300s")
    assert kubectl("get", "configmap", "web", "-o", "jsonpath={.data.colour}") == "blue"


def test_a_packed_chart(helm: Program, kubectl: Program) -> None:
    shutil.copytree(CHART, helm.folder / "boathouse")
    assert "Successfully packaged chart" in helm("package", "boathouse")
    helm("upgrade", "--install", "packed", "boathouse-0.1.0.tgz", "--wait", "--timeout=300s")
    assert "deployment.apps/packed" in kubectl("get", "deployments", "-o", "name")
