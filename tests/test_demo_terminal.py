"""What the demo writes to a terminal."""

import io

import pytest

from edgeproxy.demo.journey import Card, Fate, Try
from edgeproxy.demo.terminal import Terminal


class Screen(io.StringIO):
    """A stream that is a terminal or not."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def written(
    *cards: Card | None, terminal: bool = False, environ: dict[str, str] | None = None
) -> str:
    screen = Screen(terminal=terminal)
    told = Terminal(screen, environ or {})
    for card in cards:
        told.follow(card)
    return screen.getvalue()


def card(fate: Fate, *tries: Try, called: str = "Order Completed", reason: str = "") -> Card:
    name = "" if fate in ("dropped", "absorbed", "rejected") else "PURCHASE"
    return Card(
        n=1, at_ms=0, id="e1", called=called, name=name, fate=fate, tries=tries, reason=reason
    )


YES = Try(outcome="delivered", status=200, latency_ms=3.0)
NO = Try(outcome="transient", status=503, latency_ms=12.4)


def test_a_line_is_the_way_of_an_event() -> None:
    [line] = written(card("delivered", YES)).splitlines()
    assert line.split("  ", 2)[2].split(" → ") == [
        "Order Completed       ",
        "PURCHASE      ",
        "Snap: accepted (200, 3.0 ms)",
    ]


def test_a_drop_says_why() -> None:
    line = written(card("dropped", called="page", reason="gpc"))
    assert "page" in line
    assert "not sent" in line
    assert "privacy signal: The browser sends Global Privacy Control." in line


def test_each_answer_is_a_line_and_none_is_told_twice() -> None:
    lines = written(
        card("stored"),
        card("sent"),
        card("again", NO),
        card("sent", NO),
        card("delivered", NO, YES),
        card("delivered", NO, YES),
        None,
    ).splitlines()
    assert len(lines) == 2
    assert "tries again (503, 12 ms)" in lines[0]
    assert "accepted (200, 3.0 ms, attempt 2)" in lines[1]


def test_an_answer_that_never_came_is_named() -> None:
    assert "(timeout, 0.0 ms)" in written(
        card("again", Try(outcome="transient", message="timeout"))
    )
    assert "(no answer, 0.0 ms)" in written(card("again", Try(outcome="transient")))


def test_an_event_without_a_known_caller_has_snaps_name() -> None:
    assert "PURCHASE" in written(card("delivered", YES, called=""))


@pytest.mark.parametrize(
    ("terminal", "environ", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (False, {}, False),
    ],
)
def test_colours_only_where_they_are_wanted(
    terminal: bool, environ: dict[str, str], coloured: bool
) -> None:
    line = written(card("delivered", YES), terminal=terminal, environ=environ)
    assert ("\x1b[" in line) == coloured
