"""Image references, as `github.com/distribution/reference` reads them."""

import pytest

from umiak.api.common.images import default_pull_policy, tag_of


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("nginx", "latest"),
        ("nginx:1.2", "1.2"),
        ("registry.example:5000/team/app", "latest"),
        ("registry.example:5000/team/app:v1", "v1"),
        ("localhost/app", "latest"),
        ("app@sha256:" + "a" * 64, ""),
        ("app:v1@sha256:" + "a" * 64, "v1"),
        ("", ""),
        ("Nginx", ""),
        ("a" * 64, ""),
        ("0" * 64, ""),
        ("app:", ""),
    ],
)
def test_tag_of(image, tag):
    assert tag_of(image) == tag


def test_only_latest_is_always_pulled():
    assert [default_pull_policy(i) for i in ("a", "a:latest", "a:1")] == ["Always", "Always", "IfNotPresent"]
