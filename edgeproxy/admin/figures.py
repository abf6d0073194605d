"""Numbers for people: grouped, short, with their units. Pure."""

DASH = "–"


def number(value: float | None) -> str:
    """1234567 → "1,234,567"; None → a dash."""
    if value is None:
        return DASH
    return f"{value:,.1f}" if value % 1 else f"{value:,.0f}"


def short(value: float | None) -> str:
    """1234567 → "1.2 M"; up to 9,999 it is exact."""
    if value is None:
        return DASH
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if unit == "k" else size)
            return f"{scaled:.1f} {unit}" if scaled < 100 else f"{scaled:.0f} {unit}"
    return number(value)


def percent(part: float | None) -> str:
    """0.9876 → "98.8 %"; only everything is 100 %, and only nothing is 0 %."""
    if part is None:
        return DASH
    if part in (0, 1):
        return f"{part * 100:.0f} %"
    return f"{min(max(part * 100, 0.1), 99.9):.1f} %"


def duration(ms: float | None) -> str:
    """Milliseconds as "850 ms", "1.5 s", "12 min", "3.2 h" or "4 d"."""
    if ms is None:
        return DASH
    if ms < 1000:
        return f"{ms:.0f} ms"
    for limit_s, unit_s, unit in ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h")):
        if ms < limit_s * 1000:
            value = round(ms / 1000 / unit_s, 1)
            return f"{value:g} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{ms / 86_400_000:.0f} d"


def size(value: float | None) -> str:
    """Bytes as "1.5 MB", by thousands."""
    if value is None:
        return DASH
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}"
    return f"{value:.0f} B"


def ago(at_ms: int, now_ms: int) -> str:
    """How long ago an instant was: "just now", "12 min ago"."""
    passed_ms = now_ms - at_ms
    return "just now" if passed_ms < 1000 else f"{duration(passed_ms)} ago"
