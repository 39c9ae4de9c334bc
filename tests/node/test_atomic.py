"""Files that change all at once, in kubelet's layout."""

from datetime import UTC, datetime

import pytest

from umiak.node.atomic import File, check_path, write

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def put(folder, now=NOON, **files):
    adjusted = []
    return write(folder, {k.replace("__", "/"): File(v.encode()) for k, v in files.items()}, now, adjusted.append)


def test_layout(tmp_path):
    assert put(tmp_path, a="1", dir__b="2")
    data = (tmp_path / "..data").readlink()
    assert str(data).startswith("..2026_01_01_12_00_00.")
    assert str((tmp_path / "a").readlink()) == "..data/a"
    assert str((tmp_path / "dir").readlink()) == "..data/dir"
    assert ((tmp_path / "a").read_text(), (tmp_path / "dir/b").read_text()) == ("1", "2")


def test_nothing_happens_when_nothing_changed(tmp_path):
    put(tmp_path, a="1")
    before = (tmp_path / "..data").readlink()
    assert not put(tmp_path, a="1")
    assert (tmp_path / "..data").readlink() == before


def test_update_removes_what_is_gone(tmp_path):
    put(tmp_path, a="1", b="2")
    assert put(tmp_path, b="3", c="4")
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("..")) == ["b", "c"]
    assert (tmp_path / "b").read_text() == "3"
    assert len([p for p in tmp_path.iterdir() if p.name.startswith("..2")]) == 1


def test_modes(tmp_path):
    write(tmp_path, {"x": File(b"", 0o400)}, NOON, lambda folder: None)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "..a", "a" * 256])
def test_bad_paths(path):
    with pytest.raises(ValueError, match="invalid path"):
        check_path(path)
