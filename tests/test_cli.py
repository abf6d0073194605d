"""The commands, as people and machines call them: help, exit status, what goes to which stream."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from edgeproxy import __version__
from edgeproxy.cli import COMMANDS, edgeproxy, main
from edgeproxy.cli.table import fitted, show

CHECKOUT = str(Path(__file__).parent.parent)
CANARY = "CANARY-0f3c9a7e51d24b68"
SITE = {
    "EDGEPROXY_ORIGIN": "https://www.example.com",
    "EDGEPROXY_PIXEL_ID": "5a3e0c1d-7b2f-4c8e-9a6b-0d1e2f3a4b5c",
    "EDGEPROXY_ACCESS_TOKEN": CANARY,
}
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("EDGEPROXY_") or name in ("PORT", "WEB_CONCURRENCY", "NO_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The three variables that make one site."""
    for name, value in SITE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def process(
    *args: str, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgeproxy", *args],
        env={**os.environ, "PYTHONPATH": CHECKOUT, **(env or {})},
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
    )


def finished(*args: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Exit status, standard output, standard error of a real process."""
    running = process(*args, env=env)
    out, err = running.communicate(timeout=30)
    return running.returncode, out.decode(), err.decode()


class Answering:
    """A server on loopback that gives one answer, byte for byte, in pieces."""

    def __init__(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        self.asked = b""
        self._pieces = pieces
        self._pause_s = pause_s
        self._bound = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._answer)

    def __enter__(self) -> "Answering":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._bound.close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._bound.getsockname()[1])

    def _answer(self) -> None:
        connection, _ = self._bound.accept()
        with connection:
            self.asked = connection.recv(4096)
            for piece in self._pieces:
                connection.sendall(piece)
                if self._ended.wait(self._pause_s):
                    return


# Help and usage


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and sub-command."""
    context = click.Context(edgeproxy)
    for name in COMMANDS:
        command = edgeproxy.get_command(context, name)
        assert command is not None
        yield (name,), command
        if isinstance(command, click.Group):
            yield from (((name, inner), one) for inner, one in command.commands.items())


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help_with_an_example(flag: str, capsys: Output) -> None:
    for path, _ in [((), edgeproxy), *commands()]:
        assert main([*path, flag]) == 0
        told = capsys.readouterr()
        assert told.err == ""
        assert f"Example: edgeproxy {' '.join(path)}".rstrip() in told.out


def test_examples_are_commands_that_exist() -> None:
    for path, command in commands():
        example = str(command.epilog).removeprefix("Example: ").split()
        assert example[0] == "edgeproxy"
        flags = [option for one in command.params for option in one.opts]
        if not isinstance(command, click.Group):
            assert tuple(example[1 : 1 + len(path)]) == path
            assert {word for word in example if word.startswith("--")} <= set(flags)


def test_the_table_says_what_the_commands_say() -> None:
    lines = {
        path[0]: str(command.help).splitlines()[0] for path, command in commands() if len(path) == 1
    }
    assert lines == {name: line for name, (_, line) in COMMANDS.items()}


def test_every_option_has_its_help() -> None:
    for path, command in commands():
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (path, option.name)


def test_help_loads_neither_settings_nor_logs_nor_servers() -> None:
    """What makes the first answer quick: a module that is not needed is not imported."""
    script = (
        "import sys; from edgeproxy.cli import main; main(['--help']);"
        "print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": CHECKOUT},
        capture_output=True,
        check=True,
        timeout=30,
    )
    loaded = set(run.stderr.decode().split())
    assert "click" in loaded
    assert not loaded & {"pydantic", "pydantic_settings", "structlog", "starlette", "httpx"}
    assert not loaded & {"asyncio", "uvicorn", "apsw", "msgspec", "cryptography", "jinja2", "http"}


def test_version_is_one_line() -> None:
    assert finished("--version") == (0, f"edgeproxy {__version__}\n", "")


def test_no_command_shows_the_help_as_wrong_usage(capsys: Output) -> None:
    assert main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Usage: edgeproxy" in told.err
    assert "healthcheck" in told.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["srve"], "No such command 'srve'. Did you mean 'serve'?"),
        (["xyzzy"], "No such command 'xyzzy'."),
        (["--nope"], "No such option '--nope'"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
        (["serve", "extra"], "unexpected extra argument"),
        (["snippet", "--platform", "wix"], "'wix' is not"),
        (["snippet", "--endpoint", "http://a.example"], "must be https"),
        (["snippet", "--global", "a b"], "a name that JavaScript takes"),
        (["send-test", "--event", "PURCHAS"], "none of Snap's event names"),
        (["keys"], "Commands:"),
    ],
)
def test_wrong_usage_is_two_on_standard_error(args: list[str], said: str, capsys: Output) -> None:
    assert main(args) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("edgeproxy s", {"serve", "sandbox", "send-test", "snippet", "status"}),
        ("edgeproxy xyzzy ", set(COMMANDS)),
    ],
)
def test_a_shell_completes_commands(words: str, offered: set[str]) -> None:
    env = {
        "_EDGEPROXY_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    _, out, err = finished(env=env)
    assert {line.partition(",")[2] for line in out.splitlines()} == offered
    assert err == ""


# Exit statuses


@pytest.mark.parametrize("command", [["serve"], ["send-test"], ["healthcheck"], ["config", "show"]])
def test_bad_configuration_is_78_without_a_traceback(command: list[str], capsys: Output) -> None:
    assert main(command) == 78
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("edgeproxy: the configuration has a fault\n  sources  are not conf")


def test_a_real_process_tells_faults_in_one_go_and_no_secret() -> None:
    """Fault 68: the token is in the environment, and in nothing that is printed."""
    env = {
        **SITE,
        "EDGEPROXY_API": "v4",
        "EDGEPROXY_SERVR__PORT": CANARY,
        "PYTHONFAULTHANDLER": "1",
    }
    status, out, err = finished("serve", env=env)
    assert (status, out) == (78, "")
    assert err.splitlines()[1:] == [
        '  EDGEPROXY_API          must be one of v2, v3; it is "v4"',
        "  EDGEPROXY_SERVR__PORT  is no setting; did you mean EDGEPROXY_SERVER__PORT?",
    ]
    assert CANARY not in err


def silent_server() -> tuple[socket.socket, int]:
    """A port that takes connections and says nothing."""
    bound = socket.create_server(("127.0.0.1", 0))
    return bound, bound.getsockname()[1]


def test_ctrl_c_is_130() -> None:
    bound, port = silent_server()
    with bound:
        running = process("healthcheck", "--port", str(port), env=SITE)
        connection, _ = bound.accept()
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
        connection.close()
    assert running.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.parametrize("args", [("config", "schema"), ("--help",), ("config", "show")])
def test_a_closed_pipe_is_silent(args: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    running = process(*args, env=SITE, stdout=writing)
    os.close(writing)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (1, b"")


@pytest.mark.parametrize("args", [("config", "schema"), ("--version",)])
def test_a_full_disk_is_one_line(args: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        running = process(*args, stdout=full.fileno())
    _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert err == b"edgeproxy: [Errno 28] No space left on device\n"


def test_output_that_is_still_buffered_at_the_end_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "say.py").write_text("import click\n@click.command()\ndef say(): print('x')\n")
    script = (
        "import sys; from edgeproxy.cli import COMMANDS, main\n"
        "COMMANDS['say'] = ('say', 'Say x.')\n"
        "sys.exit(main(['say']))"
    )
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONPATH": f"{CHECKOUT}:{tmp_path}"},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
        )
    assert (run.returncode, run.stderr) == (1, b"edgeproxy: [Errno 28] No space left on device\n")


def test_a_terminal_without_utf8_gets_escapes_instead_of_a_crash() -> None:
    running = process("config", "show", env={**SITE, "PYTHONIOENCODING": "latin-1"})
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, b"")
    assert rb"\u2022\u2022\u2022\u2022" in out


# config


def test_config_show_names_value_and_origin(site: pytest.MonkeyPatch, capsys: Output) -> None:
    site.setenv("PORT", "9")
    assert main(["config", "show"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    lines = told.out.splitlines()
    assert re.fullmatch(r"setting +value +from", lines[0])
    assert any(re.fullmatch(r"server\.port +9 +PORT", line) for line in lines)
    assert any(re.fullmatch(r"server\.prefix +\"\" +default", line) for line in lines)
    token = next(line for line in lines if ".access_token" in line)
    assert re.fullmatch(r"sources\[0\]\.\S+ +•••• +EDGEPROXY_ACCESS_TOKEN", token)
    assert CANARY not in told.out


def test_config_show_speaks_json(site: pytest.MonkeyPatch, capsys: Output) -> None:
    assert main(["config", "show", "--json"]) == 0
    out = capsys.readouterr().out
    shown = json.loads(out)
    assert shown["server.port"] == {"value": 8000, "from": "default"}
    assert shown["server.trusted_proxies"]["value"] == ["127.0.0.1", "::1"]
    assert CANARY not in out


def test_warnings_go_to_standard_error(site: pytest.MonkeyPatch, capsys: Output) -> None:
    site.setenv("EDGEPROXY_UPSTREAM", "http://127.0.0.1:9")
    assert main(["config", "show", "--json"]) == 0
    told = capsys.readouterr()
    json.loads(told.out)
    sentence = "upstream is http://127.0.0.1:9: no event reaches Snap"
    assert told.err == f"edgeproxy: warning: {sentence}\n"


def test_a_file_is_named_by_a_flag(capsys: Output) -> None:
    Path("shop.toml").write_text(
        "[[sources]]\nid = 'shop'\nwrite_keys = ['0123456789abcdef']\norigins = 'https://a.example'"
    )
    Path("shop.toml").chmod(0o600)
    assert main(["config", "show", "--config", "shop.toml"]) == 0
    assert re.search(r"sources\[0\]\.id +shop +shop\.toml", capsys.readouterr().out)


def test_config_schema_is_json_without_settings(capsys: Output) -> None:
    assert main(["config", "schema"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["properties"]["server"]["$ref"] == "#/$defs/ServerTable"


def on_terminal(*args: str, env: Mapping[str, str]) -> str:
    """What a command writes when its standard output is a terminal."""
    ours, theirs = pty.openpty()
    running = process(*args, env={"COLUMNS": "200", "TERM": "xterm", **env}, stdout=theirs)
    os.close(theirs)
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not part:
            break
        parts.append(part)
    running.communicate(timeout=30)
    os.close(ours)
    assert running.returncode == 0
    return b"".join(parts).decode()


def test_a_terminal_gets_a_table_and_no_color_is_honoured() -> None:
    shown = on_terminal("config", "show", env=SITE)
    assert "\x1b[" in shown
    assert "server.port" in shown
    assert "••••" in shown
    plain = on_terminal("config", "show", env={**SITE, "NO_COLOR": "1"})
    assert "\x1b" not in plain
    assert "server.port" in plain
    assert CANARY not in shown + plain


def test_cells_are_texts_and_not_markup(capsys: Output) -> None:
    show([("[red]a[/red]", "b"), ("c", "dd")], columns=("one", "two"))
    assert capsys.readouterr().out == "one           two\n[red]a[/red]  b\nc             dd\n"


def test_a_terminal_s_width_is_kept_by_folding_the_widest() -> None:
    shown = on_terminal("config", "show", env={**SITE, "NO_COLOR": "1", "COLUMNS": "48"})
    lines = [line.rstrip("\r") for line in shown.split("\n")]
    assert max(map(len, lines)) <= 48
    assert fitted([5, 30, 20], 40) == [5, 15, 16]
    assert fitted([5, 30, 20], 10) == [5, 8, 8]  # it gives up at some point
    assert fitted([5, 3], 40) == [5, 3]


def test_what_steers_a_terminal_is_not_printed_on_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    show([("\x1b]0;owned\x07", "b")], columns=("one", "two"))
    assert capsys.readouterr().out == "one         two\n\ufffd]0;owned\ufffd  b\n"


# keys and tokens


def test_keys_new_makes_what_is_missing(capsys: Output) -> None:
    assert main(["keys", "new", "--dir", "keys"]) == 0
    assert capsys.readouterr().out.count("made keys/") == 4
    before = Path("keys/signing.keys").read_bytes()
    Path("keys/trace.key").unlink()
    assert main(["keys", "new", "--dir", "keys"]) == 0
    assert capsys.readouterr().out.startswith("made keys/trace.key: ")
    assert main(["keys", "new", "--dir", "keys"]) == 0
    assert capsys.readouterr().out == "all keys are in keys already\n"
    assert Path("keys/signing.keys").read_bytes() == before


def test_keys_rotate_adds_and_tells_no_key(site: pytest.MonkeyPatch, capsys: Output) -> None:
    site.setenv("EDGEPROXY_STORE__KEYS_DIR", "keys")
    assert main(["keys", "new"]) == 0
    assert main(["keys", "rotate"]) == 0
    out = capsys.readouterr().out
    assert "2 signing and 2 sealing keys now" in out
    for line in Path("keys/signing.keys").read_text().splitlines()[1:]:
        assert line not in out


def test_keys_that_others_can_read_are_bad_configuration(capsys: Output) -> None:
    assert main(["keys", "new", "--dir", "keys"]) == 0
    Path("keys/visitor.key").chmod(0o644)
    assert main(["keys", "rotate", "--dir", "keys"]) == 78
    assert "chmod 600 keys/visitor.key" in capsys.readouterr().err


def test_a_token_goes_to_output_and_its_digest_to_error(capsys: Output) -> None:
    assert main(["token", "new"]) == 0
    told = capsys.readouterr()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", told.out)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", told.err)
    assert main(["token", "new", "--json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"token", "sha256"}


def test_a_token_with_a_role_is_put_into_the_store(
    site: pytest.MonkeyPatch, tmp_path: Path, capsys: Output
) -> None:
    """It opens the admin listener of a server that starts later, or runs already."""
    site.setenv("EDGEPROXY_STORE__URL", f"sqlite://{tmp_path}/edge.db")
    assert main(["token", "new", "--role", "viewer", "--name", "grafana"]) == 0
    told = capsys.readouterr()
    found = re.fullmatch(r"edp_([0-9a-f]{8})_[A-Za-z0-9_-]{43}\n", told.out)
    assert found
    where = "good at http://127.0.0.1:8084; shown this once"
    assert told.err.endswith(f"viewer token {found[1]} for grafana, {where}\n")
    assert main(["token", "new", "--role", "admin", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["role"], made["name"]) == ("admin", "command line")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("edge.db*"))
    assert found[0].strip().encode() not in stored
    assert made["id"].encode() in stored


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--name", "grafana"], "--name goes with --role"),
        (["--role", "owner"], "'viewer', 'admin'"),
        (["--role", "viewer", "--name", "a\nb"], "characters of one line"),
        (["--role", "viewer", "--name", "x" * 65], "characters of one line"),
    ],
)
def test_a_token_that_makes_no_sense_is_wrong_usage(
    args: list[str], sentence: str, capsys: Output
) -> None:
    assert main(["token", "new", *args]) == 2
    assert sentence in capsys.readouterr().err


# snippet


def test_the_snippet_is_the_tag_and_its_policy(capsys: Output) -> None:
    assert main(["snippet", "--endpoint", "https://edge.example.com", "--consent", "implied"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.splitlines() == [
        "<!-- in the <head> of every page -->",
        '<script async src="https://edge.example.com/s.js" data-consent="implied"></script>',
        "<!-- a Content-Security-Policy has to allow: script-src https://edge.example.com; "
        "connect-src https://edge.example.com -->",
    ]


def test_a_snippet_without_an_address_says_so(capsys: Output) -> None:
    assert main(["snippet", "--json", "--no-auto"]) == 0
    told = capsys.readouterr()
    assert 'data-auto="false"' in json.loads(told.out)["code"]
    assert told.err == "edgeproxy: https://edge.example.com stands for your own; give --endpoint\n"


# healthcheck


READY = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"ready":  true}'


def test_ready_is_zero_and_asks_under_the_prefix(site: pytest.MonkeyPatch, capsys: Output) -> None:
    site.setenv("EDGEPROXY_SERVER__HOST", "0.0.0.0")
    site.setenv("EDGEPROXY_SERVER__PREFIX", "/edge")
    site.setenv("http_proxy", "http://127.0.0.1:1")
    with Answering(READY) as server:
        assert main(["healthcheck", "--port", str(server.port)]) == 0
    assert server.asked.startswith(b"GET /edge/readyz HTTP/1.1\r\n")
    assert capsys.readouterr() == ('{"ready":  true}\n', "")


def test_alive_is_another_path(site: pytest.MonkeyPatch) -> None:
    with Answering(READY) as server:
        assert main(["healthcheck", "--live", "--port", str(server.port)]) == 0
    assert server.asked.startswith(b"GET /healthz HTTP/1.1\r\n")


def test_not_ready_is_one_with_the_reason(site: pytest.MonkeyPatch, capsys: Output) -> None:
    body = b'{"store": "disk\x1b full"}'
    answer = b"HTTP/1.1 503 x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with Answering(answer) as server:
        assert main(["healthcheck", "--port", str(server.port)]) == 1
        url = f"http://127.0.0.1:{server.port}/readyz"
    assert capsys.readouterr().err == f'edgeproxy: {url} answers 503: {{"store": "disk  full"}}\n'


def test_nobody_there_is_one(site: pytest.MonkeyPatch, capsys: Output) -> None:
    bound, port = silent_server()
    bound.close()
    assert main(["healthcheck", "--host", "127.0.0.1", "--port", str(port)]) == 1
    assert "Connection refused" in capsys.readouterr().err


def test_an_ipv6_address_stands_in_brackets(site: pytest.MonkeyPatch, capsys: Output) -> None:
    assert main(["healthcheck", "--host", "::", "--port", "1"]) == 1
    assert "http://[::1]:1/readyz: " in capsys.readouterr().err


def test_what_is_no_http_is_one(site: pytest.MonkeyPatch, capsys: Output) -> None:
    with Answering(b"SSH-2.0\r\n") as server:
        assert main(["healthcheck", "--port", str(server.port)]) == 1
    assert "no HTTP answer" in capsys.readouterr().err


def test_a_drip_does_not_outlast_the_deadline(site: pytest.MonkeyPatch, capsys: Output) -> None:
    """A server that always answers in time for one read, and is done only long after."""
    drip = [b"HTTP/1.1 200 OK\r\n", *[b"X-Drip: 1\r\n"] * 60, b"Content-Length: 0\r\n\r\n"]
    with Answering(*drip, pause_s=0.2) as server:
        assert main(["healthcheck", "--port", str(server.port)]) == 1
    assert "no answer within 3 s" in capsys.readouterr().err


# send-test


def snap(status: str, body: bytes) -> Answering:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
    return Answering(head.encode() + body)


def test_send_test_tells_what_snap_said(site: pytest.MonkeyPatch, capsys: Output) -> None:
    with snap("200 OK", b'{"status": "SUCCESS", "reason": "ok"}') as server:
        site.setenv("EDGEPROXY_UPSTREAM", f"http://127.0.0.1:{server.port}")
        assert main(["send-test", "--event", "purchase"]) == 0
    assert server.asked.startswith(b"POST /v2/conversion/validate HTTP/1.1\r\n")
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["integration", "result", "status", "took", "message"]
    assert re.search(r"default-5a3e0c1d  ok      200     \d+ ms", out)
    assert CANARY not in out


def test_send_test_that_is_refused_is_one(site: pytest.MonkeyPatch, capsys: Output) -> None:
    with snap("401 Unauthorized", b"{}") as server:
        site.setenv("EDGEPROXY_UPSTREAM", f"http://127.0.0.1:{server.port}")
        assert main(["send-test", "--api", "v3", "--json"]) == 1
    assert server.asked.startswith(b"POST /v3/")
    told = capsys.readouterr()
    (result,) = json.loads(told.out)
    assert (result["ok"], result["status"]) == (False, 401)
    assert told.err.endswith("edgeproxy: 1 of 1 test events did not pass\n")
    assert CANARY not in told.out + told.err


def test_send_test_to_nobody_is_one(site: pytest.MonkeyPatch, capsys: Output) -> None:
    bound, port = silent_server()
    bound.close()
    site.setenv("EDGEPROXY_UPSTREAM", f"http://127.0.0.1:{port}")
    assert main(["send-test"]) == 1
    assert re.search(r"failed  –       \d+ ms", capsys.readouterr().out)


# serve


def test_serve_listens_is_healthy_and_ends_on_sigterm_with_0(
    site: pytest.MonkeyPatch, tmp_path: Path, capsys: Output
) -> None:
    site.setenv("EDGEPROXY_STORE__URL", f"sqlite://{tmp_path}/edge.db")
    site.setenv("EDGEPROXY_UPSTREAM", "http://127.0.0.1:1")
    site.setenv("EDGEPROXY_SERVER__ADMIN_PORT", "0")
    running = process("serve", "--port", "0", "--prefix", "/edge", "--log-format", "json")
    assert running.stdout is not None
    said = b""
    while (found := re.search(rb"http://127\.0\.0\.1:(\d{2,5})/edge", said)) is None:
        line = running.stdout.readline()
        assert line, running.communicate()
        said += line
    port = found[1].decode()
    assert main(["healthcheck", "--port", port, "--prefix", "edge"]) == 0
    assert main(["healthcheck", "--port", port, "--prefix", "edge", "--live"]) == 0
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, b"")
    assert all(json.loads(line)["event"] for line in (said + out).splitlines())
    assert CANARY.encode() not in said + out
    assert sorted(path.name for path in tmp_path.glob("*.key*")) == [
        "sealing.keys",
        "signing.keys",
        "trace.key",
        "visitor.key",
    ]


# sandbox


def test_the_sandbox_takes_a_test_event_and_ends_on_sigterm_with_0(
    site: pytest.MonkeyPatch, capsys: Output
) -> None:
    running = process("sandbox", "--port", "0", "--refuse-low-match")
    assert running.stdout is not None
    said = running.stdout.readline()
    found = re.search(rb"http://127\.0\.0\.1:\d+", said)
    assert found, running.communicate()
    site.setenv("EDGEPROXY_UPSTREAM", found[0].decode())
    for api in ("v2", "v3"):
        assert main(["send-test", "--api", api, "--event", "PURCHASE"]) == 0, capsys.readouterr()
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, b"")


def test_a_taken_port_is_one_line(capsys: Output) -> None:
    bound, port = silent_server()
    with bound:
        assert main(["sandbox", "--port", str(port)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(rf"edgeproxy: .*{port}: Address already in use\n", told.err)
