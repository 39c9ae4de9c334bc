"""Images from files."""

import io
import json
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from umiak.node.images.archive import Settings, archive, full_name
from umiak.node.images.layer import Layer, inside
from umiak.node.images.pause import program
from umiak.node.images.recipe import BadRecipe, assemble, read
from umiak.testing.patience import LONG, until


def a_layer(text=b"hello"):
    layer = Layer()
    layer.file("app/main", text)
    layer.link("bin/sh", "busybox")
    layer.folder("tmp", 0o1777)
    return layer


def unpacked(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: tar.extractfile(m).read() if m.isfile() else None for m in tar}


def test_same_input_same_bytes():
    settings = Settings(entrypoint=["/app/main"])
    assert archive("x:1", [a_layer()], settings, "amd64") == archive("x:1", [a_layer()], settings, "amd64")
    assert archive("x:1", [a_layer(b"other")], settings, "amd64") != archive("x:1", [a_layer()], settings, "amd64")


def test_layout():
    files = unpacked(archive("x:1", [a_layer()], Settings(cmd=["run"], environment=["A=b"], user="7"), "arm64"))
    pointer = json.loads(files["index.json"])["manifests"][0]
    assert pointer["annotations"]["io.containerd.image.name"] == "docker.io/library/x:1"
    manifest = json.loads(files["blobs/" + pointer["digest"].replace(":", "/")])
    config = json.loads(files["blobs/" + manifest["config"]["digest"].replace(":", "/")])
    assert config["architecture"] == "arm64"
    assert config["config"]["Cmd"] == ["run"] and config["config"]["User"] == "7"
    assert [e.split("=")[0] for e in config["config"]["Env"]] == ["PATH", "A"]


def test_layer_has_folders_before_files():
    names = list(unpacked(a_layer().tar()))
    assert names == ["app", "app/main", "bin", "bin/sh", "tmp"]


@pytest.mark.parametrize("path", ["..", "a/../../b", "/", "."])
def test_no_way_out(path):
    with pytest.raises(ValueError, match="no path inside"):
        inside(path)


@pytest.mark.parametrize(
    ("name", "full"),
    [("x", "docker.io/library/x:latest"), ("me/x:1", "docker.io/me/x:1"), ("r.example:5/x", "r.example:5/x:latest")],
)
def test_names(name, full):
    assert full_name(name) == full


def test_recipe(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.py").write_text("print()")
    text = 'name = "web:1"\nentrypoint = ["/app/main.py"]\nenv = { A = "b" }\n'
    text += '[files]\n"app" = "src"\n[links]\n"run" = "app/main.py"\n'
    (tmp_path / "image.toml").write_text(text)
    recipe = read(tmp_path)
    assert (recipe.name, recipe.settings.environment) == ("web:1", ["A=b"])
    layer = assemble(recipe)
    assert "app/main.py" in layer and "run" in layer and "etc/passwd" in layer


def test_unknown_setting(tmp_path):
    (tmp_path / "image.toml").write_text("entrypiont = []")
    with pytest.raises(BadRecipe, match="unknown entrypiont"):
        read(tmp_path)


def test_folder_without_recipe(tmp_path):
    (tmp_path / "a").write_text("x")
    assert "a" in assemble(read(tmp_path))


def test_programs_bring_their_libraries():
    from umiak.node.images.recipe import Recipe

    layer = assemble(Recipe(files={"bin/ls": "/bin/ls"}))
    assert any("libc.so" in name for name in unpacked(layer.tar()))


@pytest.mark.slow
def test_pause_waits_and_leaves_at_sigterm(tmp_path):
    import platform

    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    path = tmp_path / "pause"
    path.write_bytes(program(machine))
    path.chmod(0o755)
    process = subprocess.Popen([path])
    status = Path(f"/proc/{process.pid}/status")
    caught = 1 << signal.SIGTERM - 1
    until(
        lambda: int(status.read_text().partition("SigCgt:")[2].split()[0], 16) & caught, every=0.01, programs=[process]
    )
    process.terminate()
    assert process.wait(LONG) == 0


@pytest.mark.parametrize(("machine", "code"), [("amd64", 62), ("arm64", 183)])
def test_pause_is_an_executable(machine, code):
    data = program(machine)
    assert data[:4] == b"\x7fELF" and data[18] == code and len(data) < 400
