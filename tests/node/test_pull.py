"""Image names and credentials."""

import base64
import json

import pytest

from umiak.node.pull import Auth, credentials, registry_and_path, seconds, with_tag


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("busybox", "busybox:latest"),
        ("a.b:5000/x", "a.b:5000/x:latest"),
        ("x:1", "x:1"),
        ("x@sha256:" + "a" * 64, "x@sha256:" + "a" * 64),
    ],
)
def test_tag(name, full):
    assert with_tag(name) == full


@pytest.mark.parametrize("name", ["", "Upper/Case", "a:b:c", "x y", "../x"])
def test_no_image_name(name):
    with pytest.raises(ValueError, match="invalid reference format"):
        with_tag(name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nginx:1", ("docker.io", "library/nginx")),
        ("me/nginx", ("docker.io", "me/nginx")),
        ("r.example:5000/a/b:1", ("r.example:5000", "a/b")),
        ("localhost/x@sha256:0", ("localhost", "x")),
    ],
)
def test_registry(name, parts):
    assert registry_and_path(name) == parts


def a_secret(auths):
    return {"data": {".dockerconfigjson": base64.b64encode(json.dumps({"auths": auths}).encode()).decode()}}


def test_most_exact_entry_first():
    secret = a_secret(
        {
            "r.example": {"username": "all", "password": "1"},
            "r.example/team": {"auth": base64.b64encode(b"team:2").decode()},
            "other.example": {"username": "no"},
        }
    )
    assert credentials("r.example/team/app:1", [secret]) == [Auth("team", "2"), Auth("all", "1")]
    assert credentials("r.example/other:1", [secret]) == [Auth("all", "1")]


@pytest.mark.parametrize(
    ("where", "image", "fits"),
    [
        ("https://index.docker.io/v1/", "nginx", True),
        ("*.example", "r.example/x", True),
        ("*.example", "a.b.example/x", False),
        ("r.example/te", "r.example/team/x", False),
    ],
)
def test_places(where, image, fits):
    found = credentials(image, [a_secret({where: {"username": "u", "password": "p"}})])
    assert bool(found) is fits


def test_a_broken_secret_counts_for_nothing():
    assert credentials("x", [{"data": {".dockerconfigjson": "%%%"}}, {"data": {}}]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0s"), (0.0351, "35ms"), (1.2345, "1.234s"), (10, "10s"), (80, "1m20s"), (300, "5m0s"), (3605, "1h0m5s")],
)
def test_durations_as_go_prints_them(value, text):
    assert seconds(value) == text
