"""Files from memory: hashes that hold, and a coding that the browser takes."""

import base64
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edgeproxy
from edgeproxy.web.assets import Asset, load, static_folder

BR, GZIP, PLAIN = b"<brotli>", b"<gzip>", b"<plain>"
ASSET = Asset(
    body=PLAIN,
    etag=b'W/"x"',
    hash="x",
    integrity="sha384-x",
    content_type=b"text/css",
    twins={b"br": BR, b"gzip": GZIP},
)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"", b""),
        (b"gzip, deflate, br, zstd", b"br"),
        (b"gzip, deflate", b"gzip"),
        (b"GZIP", b"gzip"),
        (b"br", b"br"),
        (b"deflate", b""),
        (b"identity", b""),
        (b"br;q=0, gzip", b"gzip"),
        (b"br; q=0, gzip; q=0", b""),
        (b"br;q=0.000, gzip;q=1", b"gzip"),
        (b"gzip;q=0.8", b"gzip"),
        (b"br;q=0.9, gzip;q=0.8", b"br"),
        (b"gzip;q=1.0, br;q=0.0", b"gzip"),
        (b"vibrant, sobr", b""),
        (b"gzip;q=0, *;q=0", b""),
        (b"\xff\xfe;q=q", b""),
    ],
)
def test_a_browser_gets_the_best_coding_that_it_takes(accepted: bytes, coding: bytes) -> None:
    assert ASSET.choose(accepted) == (coding, {b"br": BR, b"gzip": GZIP, b"": PLAIN}[coding])


SCRIPTS = ["s.js", "cmp.js", "layer.js"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_s_hashes_are_those_of_its_bytes(name: str) -> None:
    script = load(name)
    body = (static_folder() / name).read_bytes()
    assert script.body == body
    assert script.hash == hashlib.sha256(body).hexdigest()[:16]
    assert script.etag == f'W/"{script.hash}"'.encode()
    digest = base64.b64encode(hashlib.sha384(body).digest()).decode()
    assert script.integrity == f"sha384-{digest}"
    assert script.content_type == b"text/javascript; charset=utf-8"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_its_compressed_twins_from_disk(name: str) -> None:
    script = load(name)
    assert list(script.twins) == [b"br", b"gzip"]
    assert script.twins[b"br"] == (static_folder() / f"{name}.br").read_bytes()
    assert script.twins[b"gzip"] == (static_folder() / f"{name}.gz").read_bytes()
    assert gzip.decompress(script.twins[b"gzip"]) == script.body


def test_a_file_without_twins_is_compressed_when_it_is_read() -> None:
    source = load("tag.js")
    assert list(source.twins) == [b"gzip"]
    assert gzip.decompress(source.twins[b"gzip"]) == source.body
    assert load("tag.js") == source


def test_a_file_that_is_not_there_is_an_error_at_start() -> None:
    with pytest.raises(FileNotFoundError):
        load("missing.js")


def test_an_installed_package_serves_the_files_inside_itself(tmp_path: Path) -> None:
    """A wheel carries them in the package, a checkout has them beside it."""
    package = Path(edgeproxy.__file__).parent
    shutil.copytree(package, tmp_path / "edgeproxy", ignore=shutil.ignore_patterns("static"))
    (tmp_path / "edgeproxy" / "static").mkdir()
    (tmp_path / "edgeproxy" / "static" / "s.js").write_bytes(b"installed")
    found = subprocess.run(
        [sys.executable, "-c", "from edgeproxy.web.assets import load; print(load('s.js').body)"],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stdout == "b'installed'\n"


VENDORED = re.compile(
    r"\| `(?P<file>[^`]+)` \| \S+ \| [\d.]+ \| \S+ \| `(?P<hash>[0-9a-f]{64})` \|"
)


def test_files_of_others_are_what_they_were_when_they_were_taken() -> None:
    """Each is listed with its version, licence and hash; nothing else lies there."""
    folder = static_folder() / "vendor"
    listed = {
        found["file"]: found["hash"]
        for found in VENDORED.finditer((folder / "VENDORED.md").read_text())
    }
    there = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("VENDORED.md", "LICENSE")
    }
    assert listed == there
    assert {path.parent.name for path in folder.rglob("LICENSE")} == {
        Path(name).parts[0] for name in listed
    }
