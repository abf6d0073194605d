"""Faults as sentences: what a setting is, what was given, what would do; never a secret.

Pydantic's own messages are not shown. What was given is repeated for numbers and for short texts
where a fixed set of words is expected; nowhere else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from edgeproxy.site_rules import closest

_SHOWN_MAX_CHARS = 24  # tokens are longer
_KEY_MAX_CHARS = 60
_KINDS = {
    "missing": "is not set",
    "string_type": "must be a text",
    "too_short": "must not be empty",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "path_type": "must be a path",
}
_BOUNDS = (("ge", "at least"), ("gt", "more than"), ("le", "at most"))


def of(error: ValidationError, root: type[BaseModel]) -> list[tuple[str, str]]:
    """(setting, sentence) for each thing that is wrong."""
    return [
        (label(details["loc"]), _sentence(details, root))
        for details in error.errors(include_url=False)
    ]


def label(loc: Iterable[int | str]) -> str:
    """The dotted name of a place: "sources[0].id" for ("sources", 0, "id")."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{_printable(part)}"
    return text.removeprefix(".")


def _printable(key: str) -> str:
    return (key if key.isprintable() else ascii(key))[:_KEY_MAX_CHARS]


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting of a model and the tables in it: ("sources[].id", …)."""
    for name, field in model.model_fields.items():
        inner = table_in(field.annotation)
        if inner is None:
            yield f"{prefix}{name}", field
        else:
            many = "[]" if field.annotation is not inner else ""
            yield from settings_of(inner, f"{prefix}{name}{many}.")


def table_in(annotation: object) -> type[BaseModel] | None:
    """The model that an annotation is, or is a collection of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((table for part in get_args(annotation) if (table := table_in(part))), None)


def unknown_variable(name: str, known: Sequence[str], prefix: str) -> str:
    """The sentence for an environment variable that means nothing to us."""
    short = {one.removeprefix(prefix): one for one in known}
    tail = name.upper().removeprefix(prefix)
    same_tail = [one for one in short if one.rpartition("__")[2] == tail]
    meant = same_tail[0] if len(same_tail) == 1 else closest(tail, short)
    return "is no setting" + (f"; did you mean {short[meant]}?" if meant else "")


def _sentence(details: ErrorDetails, root: type[BaseModel]) -> str:
    kind, loc = details["type"], details["loc"]
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if kind == "extra_forbidden":
        return _unknown(loc, root)
    if kind in _KINDS:
        return _KINDS[kind]
    return _of_value(kind, _field(loc, root), label(loc), _given(details["input"]))


def _of_value(kind: str, field: FieldInfo, setting: str, given: str) -> str:
    if kind in ("list_type", "tuple_type"):
        tables = table_in(field.annotation) is not None
        return f"must be a list of tables; write [[{setting}]]" if tables else "must be a list"
    if kind == "literal_error":
        return f"must be {_words(field)}{given}"
    if kind.startswith("bool_"):
        return f"must be true or false{given}"
    return f"must be {_range(field)}{given}"


def _unknown(loc: Sequence[int | str], root: type[BaseModel]) -> str:
    table = _table(loc[:-1], root)
    name = str(loc[-1])
    here = closest(name, table.model_fields)
    if here:
        return f"is no setting; did you mean {label([*loc[:-1], here])}?"
    elsewhere = [one for one, _ in settings_of(root) if one.rpartition(".")[2] == name]
    if elsewhere:
        return f"is no setting here; did you mean {elsewhere[0]}?"
    return f"is no setting; known here: {', '.join(table.model_fields)}"


def _table(loc: Sequence[int | str], root: type[BaseModel]) -> type[BaseModel]:
    table = root
    for part in loc:
        if isinstance(part, str):
            table = table_in(table.model_fields[part].annotation) or table
    return table


def _field(loc: Sequence[int | str], root: type[BaseModel]) -> FieldInfo:
    """The field that a fault is in; for a member of a list or a table of texts, that field."""
    first, *rest = [part for part in loc if isinstance(part, str)]
    field = root.model_fields[first]
    for name in rest:
        table = table_in(field.annotation)
        if table is None:
            break
        field = table.model_fields[name]
    return field


def _words(field: FieldInfo) -> str:
    words = [str(word) for word in get_args(field.annotation)]
    return f"one of {', '.join(words)}" if len(words) > 1 else words[0]


def _range(field: FieldInfo) -> str:
    bounds = {
        name: value
        for rule in field.metadata
        for name, _ in _BOUNDS
        if (value := getattr(rule, name, None)) is not None
    }
    number = "a whole number" if _mentions_int(field.annotation) else "a number"
    unit = _unit(field.json_schema_extra)
    if "ge" in bounds and "le" in bounds:
        return f"{number} from {bounds['ge']} to {bounds['le']}{unit}"
    limits = [f"{words} {bounds[name]:.15g}" for name, words in _BOUNDS if name in bounds]
    return f"{number}{', ' if limits else ''}{' and '.join(limits)}{unit}"


def _mentions_int(annotation: object) -> bool:
    return annotation is int or any(_mentions_int(part) for part in get_args(annotation))


def _unit(extra: object) -> str:
    return f" {extra['unit']}" if isinstance(extra, Mapping) and "unit" in extra else ""


def _given(value: Any) -> str:
    if isinstance(value, str) and len(value) <= _SHOWN_MAX_CHARS and value.isprintable():
        return f'; it is "{value}"'
    if isinstance(value, bool):
        return f"; it is {str(value).lower()}"
    if isinstance(value, int | float) and abs(value) < 1e15:
        return f"; it is {value}"
    return ""
