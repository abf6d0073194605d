"""The key files: made once, agreed on, refused when others could read them, rotated."""

import base64
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from edgeproxy import keys
from edgeproxy.errors import ConfigError
from edgeproxy.keys import Keys, load_keys, marks, rotate_keys


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in sorted(folder.iterdir())}


def key_line(byte_count: int = 32) -> bytes:
    return base64.urlsafe_b64encode(os.urandom(byte_count))


def put(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def fault(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_keys(folder)
    return str(caught.value)


def test_the_first_start_makes_four_private_files_in_a_private_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "keys"
    load_keys(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes(folder) == {
        "sealing.keys": 0o600,
        "signing.keys": 0o600,
        "trace.key": 0o600,
        "visitor.key": 0o600,
    }


def test_a_wide_umask_does_not_widen_the_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_keys(tmp_path / "keys")
    finally:
        os.umask(before)
    assert set(modes(tmp_path / "keys").values()) == {0o600}


def test_a_second_start_reads_the_same_keys(tmp_path: Path) -> None:
    assert load_keys(tmp_path) == load_keys(tmp_path)


def test_keys_are_random_and_of_full_length(tmp_path: Path) -> None:
    one, two = load_keys(tmp_path / "one"), load_keys(tmp_path / "two")
    parts = [*one.signing, one.visitor, one.trace, *two.signing, two.visitor, two.trace]
    assert len(set(parts)) == len(parts)
    assert {len(part) for part in parts} == {32}


def test_a_sealing_key_is_a_fernet_key(tmp_path: Path) -> None:
    (key,) = load_keys(tmp_path).sealing
    box = Fernet(key)
    assert box.decrypt(box.encrypt(b"x")) == b"x"


def test_starters_at_the_same_moment_agree(tmp_path: Path) -> None:
    """The first writer of each file wins; nobody sees half a file."""
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(load_keys, [folder] * 8))
        assert all(keys == found[0] for keys in found)
        assert sorted(modes(folder)) == sorted(keys.PURPOSES)


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from edgeproxy.keys import load_keys; "
        "print(load_keys(pathlib.Path(sys.argv[1])).visitor.hex())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "keys")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    answers = {process.communicate(timeout=30)[0] for process in started}
    assert len(answers) == 1
    assert re.fullmatch(rb"[0-9a-f]{64}\n", answers.pop())


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_can_reach_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    load_keys(tmp_path)
    path = tmp_path / "sealing.keys"
    path.chmod(mode)
    assert f"{path}  can be read by others (mode {mode:04o}); chmod 600 {path}" in fault(tmp_path)


def test_a_stricter_mode_is_fine(tmp_path: Path) -> None:
    before = load_keys(tmp_path)
    (tmp_path / "visitor.key").chmod(0o400)
    assert load_keys(tmp_path) == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no key; restore it, or move it away to have a new one made"),
        (b"# only a comment\n\n", "holds no key; restore it, or move it away"),
        (b"changeme!\n", "key 1 is no URL-safe base64"),
        (key_line() + b"\n\xff\xfe\n", "key 2 is no URL-safe base64"),
        (key_line(16) + b"\n", "key 1 has 16 bytes; it takes at least 32"),
        (base64.urlsafe_b64encode(b"A" * 32), "key 1 is an example, not a random key"),
    ],
)
def test_a_file_without_a_good_key_is_refused(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    put(tmp_path / "signing.keys", content)
    assert f"signing.keys  {sentence}" in fault(tmp_path)


def test_a_sealing_key_of_another_length_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "sealing.keys", key_line(48))
    assert "key 1 has 48 bytes; it takes 32" in fault(tmp_path)


def test_a_folder_in_place_of_a_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trace.key").mkdir()
    assert "trace.key  cannot be used: Is a directory" in fault(tmp_path)


def test_a_device_in_place_of_a_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trace.key").symlink_to("/dev/null")
    assert "trace.key  is not a file" in fault(tmp_path)


def test_all_faults_come_at_once_and_none_shows_a_key(tmp_path: Path) -> None:
    load_keys(tmp_path)
    secret = (tmp_path / "visitor.key").read_text().splitlines()[-1]
    (tmp_path / "visitor.key").chmod(0o644)
    put(tmp_path / "trace.key", b"short-secret")
    message = fault(tmp_path)
    assert "2 faults" in message
    assert secret not in message
    assert "short-secret" not in message


def test_a_folder_that_cannot_be_made_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = fault(tmp_path / "file" / "keys")
    assert f"{tmp_path / 'file' / 'keys'}  cannot be made for the keys: Not a directory" in message
    assert "EDGEPROXY_STORE__KEYS_DIR" in message


def test_comments_and_own_keys_are_read_oldest_first(tmp_path: Path) -> None:
    old, new = key_line(40), key_line()
    put(tmp_path / "signing.keys", b"# mine\n  " + old + b"\r\n\n" + new)
    assert load_keys(tmp_path).signing == (
        base64.urlsafe_b64decode(old),
        base64.urlsafe_b64decode(new),
    )


def test_rotation_adds_a_newest_key_and_keeps_the_old(tmp_path: Path) -> None:
    before = load_keys(tmp_path)
    after = rotate_keys(tmp_path)
    assert after.signing[:-1] == before.signing
    assert after.sealing[:-1] == before.sealing
    assert (after.visitor, after.trace) == (before.visitor, before.trace)
    assert len(set(after.signing)) == len(set(after.sealing)) == 2
    assert after == load_keys(tmp_path)
    assert set(modes(tmp_path).values()) == {0o600}


def test_rotations_at_the_same_moment_lose_no_key(tmp_path: Path) -> None:
    load_keys(tmp_path)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(rotate_keys, [tmp_path] * 6))
    assert len(set(load_keys(tmp_path).signing)) == 7


def test_rotation_refuses_what_a_start_refuses(tmp_path: Path) -> None:
    load_keys(tmp_path)
    (tmp_path / "signing.keys").chmod(0o666)
    with pytest.raises(ConfigError):
        rotate_keys(tmp_path)


def test_printing_keys_shows_none(tmp_path: Path) -> None:
    found = load_keys(tmp_path)
    text = f"{found!r} {found}"
    assert "1 signing, 1 sealing" in text
    for part in (*found.signing, *found.sealing, found.visitor, found.trace):
        assert repr(part)[2:-1] not in text


def test_tokens_are_256_random_bits() -> None:
    tokens = {keys.new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_a_kept_key_may_stand_as_itself_or_as_its_digest() -> None:
    token = keys.new_token()
    digest = keys.token_digest(token)
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert keys.kept_digest(token) == digest
    assert keys.kept_digest(f"sha256:{digest.upper()}") == digest
    assert keys.token_digest(f"sha256:{digest}") != digest


def test_a_fingerprint_needs_the_key_and_shows_no_character() -> None:
    one, two = os.urandom(32), os.urandom(32)
    mark = keys.fingerprint("token-1", one)
    assert re.fullmatch("[0-9a-f]{12}", mark)
    assert mark == keys.fingerprint("token-1", one)
    assert mark != keys.fingerprint("token-1", two)
    assert mark != keys.fingerprint("token-2", one)


def test_ids_are_random_uuids() -> None:
    shape = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    made = [keys.new_id(), keys.new_id(), keys.new_scid(), keys.new_scid()]
    assert len(set(made)) == 4
    assert all(shape.fullmatch(text) for text in made)


def test_keys_are_frozen(tmp_path: Path) -> None:
    found: Keys = load_keys(tmp_path)
    with pytest.raises(AttributeError):
        found.trace = b""  # type: ignore[misc]


def test_keys_that_must_be_given_are_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_keys(tmp_path / "none", make=False)
    assert {sentence for _, sentence in caught.value.faults} == {
        "is missing; every node has a copy of the same key files"
    }
    assert len(caught.value.faults) == 4
    assert not (tmp_path / "none").exists()
    assert load_keys(tmp_path) == load_keys(tmp_path, make=False)


def test_marks_tell_keys_apart_and_show_nothing_of_them(tmp_path: Path) -> None:
    keys, other = load_keys(tmp_path / "one"), load_keys(tmp_path / "two")
    assert marks(keys) == marks(keys)
    assert not {mark for found in marks(keys).values() for mark in found} & {
        mark for found in marks(other).values() for mark in found
    }
    rotated = rotate_keys(tmp_path / "one")
    assert marks(rotated)["signing.keys"][0] == marks(keys)["signing.keys"][0]
    assert len(marks(rotated)["sealing.keys"]) == 2


def test_a_token_s_file_is_made_once_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "admin.token"
    token, made = keys.kept_token(path)
    assert made
    assert len(token) == 43
    assert modes(tmp_path) == {"admin.token": 0o600}
    assert keys.kept_token(path) == (token, False)


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        (b"token\n", 0o644, "can be read by others"),
        (b"\n# nothing\n", 0o600, "holds no key"),
        ("é\n".encode(), 0o600, "is no token"),
    ],
)
def test_a_token_s_file_that_is_no_good_stops_the_start(
    tmp_path: Path, content: bytes, mode: int, sentence: str
) -> None:
    path = tmp_path / "admin.token"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=sentence):
        keys.kept_token(path)


def test_a_token_s_file_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        keys.kept_token(tmp_path / "missing" / "admin.token")
