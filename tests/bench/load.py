"""Load from wrk: bounded in connections and seconds, on loopback only."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import msgspec

CONNECTIONS = 64

_SCRIPT = """
local bodies, cookies, agents = {bodies}, {cookies}, {agents}
local n, who = 0, 0
function setup(thread) thread:set("who", math.random(1, 1e9)) end
function init(args) math.randomseed(who) n = 0 end
local function pick(list)  -- a Zipf-like spread: few agents make most of the traffic
  local r = math.random()
  return list[1 + math.floor((#list - 1) * r * r * r)]
end
function request()
  n = n + 1
  local headers = {{
    ["Content-Type"] = "text/plain", ["Origin"] = "{origin}", ["Host"] = "{host}",
    ["X-Forwarded-Proto"] = "https",
    ["X-Forwarded-For"] = "203.0.113." .. math.random(1, 254),
    ["User-Agent"] = pick(agents),
    ["Accept"] = "*/*", ["Accept-Language"] = "en-GB,en;q=0.9",
    ["Accept-Encoding"] = "gzip, deflate, br", ["Referer"] = "{origin}/",
    ["Sec-Fetch-Mode"] = "cors", ["Sec-Fetch-Site"] = "same-site", ["Sec-Fetch-Dest"] = "empty",
  }}
  if math.random() < 0.8 then headers["Cookie"] = cookies[math.random(#cookies)] end
  local body = bodies[math.random(#bodies)]
  body = body:gsub("EVENT_ID", string.format("%x-%x", who, n))
  return wrk.format("POST", nil, headers, body)
end
"""

_GET = """
wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
"""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run: requests per second, latencies in ms, and how many answers were not 2xx."""

    rps: float
    p50_ms: float
    p99_ms: float
    bad: int


def available() -> bool:
    """Whether wrk is on this machine."""
    return shutil.which("wrk") is not None


def lua_list(texts: list[str]) -> str:
    """The texts as a Lua table."""
    return "{" + ", ".join(json.dumps(text) for text in texts) + "}"


def post_script(
    folder: Path,
    *,
    bodies: list[str],
    cookies: list[str],
    agents: list[str],
    origin: str,
    host: str,
) -> Path:
    """A wrk script that posts unique events as a mixed crowd of visitors."""
    path = folder / "post.lua"
    path.write_text(
        _SCRIPT.format(
            bodies=lua_list(bodies),
            cookies=lua_list(cookies or [""]),
            agents=lua_list(agents),
            origin=origin,
            host=host,
        )
    )
    return path


def get_script(folder: Path) -> Path:
    """A wrk script for a browser's GET."""
    path = folder / "get.lua"
    path.write_text(_GET)
    return path


def run(
    url: str, script: Path, *, seconds: int, core: int | None, connections: int = CONNECTIONS
) -> Result:
    """Load one address for a few seconds."""
    pin = ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []
    command = [*pin, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-s", str(script), url]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    return Result(
        rps=float(_found(r"Requests/sec:\s+([\d.]+)", printed)),
        p50_ms=_latency_ms("50", printed),
        p99_ms=_latency_ms("99", printed),
        bad=int(bad.group(1)) if bad else 0,
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk printed no {pattern}:\n{text}")
    return match.group(1)


def _latency_ms(percentile: str, text: str) -> float:
    amount, unit = re.findall(rf"^\s+{percentile}%\s+([\d.]+)(us|ms|s)$", text, re.MULTILINE)[0]
    return float(amount) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
