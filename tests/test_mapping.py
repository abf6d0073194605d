"""Every golden case: a posted batch in, the exact bodies for Snap out, in both dialects."""

import json
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from edgeproxy import clickid, pii
from edgeproxy.addresses import canonical, is_visitor
from edgeproxy.cookies import parse, valid_scid
from edgeproxy.errors import CannotMap
from edgeproxy.event import Channel, Device, decode_event
from edgeproxy.intake import tag
from edgeproxy.intake.build import Scene, build_event, skew_ms
from edgeproxy.intake.person import read_person
from edgeproxy.routing import Extras, Plan, bound_to, entry, extras_for, plan, target
from edgeproxy.sites import Api, Integration, Secret
from edgeproxy.snap import DIALECTS
from edgeproxy.urls import clean_page_url
from edgeproxy.useragent import read_agent
from edgeproxy.wire import Endpoint, WireEvent, WireRequest

FILE = json.loads((Path(__file__).parent / "cases" / "mapping.json").read_text())
CASES: list[dict[str, Any]] = FILE["cases"]
OPTIONAL: dict[str, list[str]] = FILE["optional_fields"]


class Mapped(msgspec.Struct, kw_only=True):
    """What became of a case."""

    plans: list[Plan]
    events: list[WireEvent]
    request: WireRequest | None
    dead: list[CannotMap]


def integration(case: dict[str, Any], api: str) -> Integration:
    given = dict(case["context"]["integration"])
    events = {
        name: (names,) if isinstance(names, str) else tuple(names)
        for name, names in given.pop("events", {}).items()
    }
    return Integration(
        id="i",
        source="s",
        access_token=Secret("t"),
        api=cast("Api", api),
        events=events,
        **given,
    )


def scene(case: dict[str, Any]) -> tuple[Scene, Extras]:
    context, batch = case["context"], tag.parse(json.dumps(case["batch"]).encode())
    channel: Channel = context["conversion_type"]
    header = "; ".join(f"{name}={value}" for name, value in context["cookies"].items())
    jar = parse([header.encode()])
    kept = next((value for value in jar.get("_scid", ()) if valid_scid(value)), "")
    address = canonical(context["ip"] or "")
    user_agent = context["user_agent"] or ""
    agent = read_agent(user_agent)
    known = read_person(batch.user, context["default_country"])
    return (
        Scene(
            source="s",
            channel=channel,
            now_ms=context["now"],
            skew_ms=skew_ms(batch.sent_at, context["now"]),
            page_url=clean_page_url(batch.page_url),
            scid=kept or context["minted_scid"] if channel == "WEB" else "",
            click_id=clickid.choose(
                batch=batch.click_id,
                page_url=batch.page_url,
                referrer_url=batch.referrer,
                cookies=jar.get("_scclid", ()),
            ),
            known=known,
            device=Device(model=agent.model, os_version=agent.os_version, os=agent.os),
        ),
        Extras(
            user_agent=user_agent,
            address=address if is_visitor(address) else "",
            mobile_ad_id=known.mobile_ad_id,
            idfv=known.idfv,
        ),
    )


def run(case: dict[str, Any], api: str) -> Mapped:
    mine = integration(case, api)
    batch = tag.parse(json.dumps(case["batch"]).encode())
    where, extras = scene(case)
    mapped = Mapped(plans=[], events=[], request=None, dead=[])
    tested = False
    for raw in batch.events:
        routed = plan(
            raw.name, raw.call, [target(mine)], pixels=batch.pixels, granted=lambda _: True
        )
        mapped.plans.append(routed)
        sign_up = any(choice.name == "SIGN_UP" for choice in routed.choices)
        for choice in routed.choices:
            event = build_event(raw, where, sign_up=sign_up, new_id=lambda: "minted")
            row = entry(event, choice, visitor=b"v" * 16, expires_ms=0, sealed=b"")
            opened = extras_for(
                mine, extras, bound_to=bound_to("i", b"v", b""), sha256=_sha256_or_nothing
            )
            stored = decode_event(row.body)
            tested = stored.test
            try:
                mapped.events.append(DIALECTS[api].encode(stored, mine, opened))
            except CannotMap as dead:
                mapped.dead.append(dead)
    if mapped.events:
        endpoint: Endpoint = "validate" if tested else "live"
        mapped.request = DIALECTS[api].request(mapped.events, mine, endpoint)
    return mapped


def _sha256_or_nothing(text: str) -> str:
    return pii.sha256_hex(text) if text else ""


def without_optional(body: Any, expected: Any, optional: list[str]) -> Any:
    """The body without the optional fields that the case does not name."""
    if isinstance(body, list):
        wanted = expected if isinstance(expected, list) else [{}] * len(body)
        return [
            without_optional(one, other, optional) for one, other in zip(body, wanted, strict=True)
        ]
    if "data" in body:
        return {"data": without_optional(body["data"], expected["data"], optional)}
    cleaned = dict(body)
    for path in optional:
        first, _, last = path.partition(".")
        if not last and first not in expected:
            cleaned.pop(first, None)
        elif last and first in cleaned and last not in expected.get(first, {}):
            cleaned[first] = {k: v for k, v in cleaned[first].items() if k != last}
            if not cleaned[first]:
                del cleaned[first]
    return cleaned


@pytest.mark.parametrize("api", ["v2", "v3"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_golden_case(case: dict[str, Any], api: str) -> None:
    expected = case["expected"]
    mapped = run(case, api)
    if expected["fate"] in ("dropped", "absorbed"):
        reason = {"dropped": "unmapped", "absorbed": "internal"}[expected["fate"]]
        assert [one.reason for one in mapped.plans] == [reason]
        return
    if expected["fate"] == "dead":
        assert [one for one in mapped.dead if any(w in str(one) for w in expected["reason_names"])]
        assert mapped.request is None
        return
    assert mapped.request is not None
    body = json.loads(mapped.request.body)
    assert without_optional(body, expected[api], OPTIONAL[api]) == expected[api]
    assert mapped.request.path.endswith("/validate") == (expected["endpoint"] == "validate")
    if expected["low_match"] is not None:
        assert {event.low_match for event in mapped.events} == {expected["low_match"]}
