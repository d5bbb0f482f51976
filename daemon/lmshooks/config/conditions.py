"""What may a filter say? core/filters.py judges it, up to its first mistake; here all of its mistakes are found."""

from __future__ import annotations

import json
from typing import Any

from lmshooks.config.kinds import Kind
from lmshooks.config.mistakes import Several, Wrong, did_you_mean
from lmshooks.config.reading import Reading
from lmshooks.core.filters import OPERATORS, Compiled, FilterMistake, compile_filter

_ANY_OF = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Filter"}}
_OPERANDS: dict[str, Any] = {
    "in": {"type": "array", "minItems": 1},
    "not_in": {"type": "array", "minItems": 1},
    "exists": {"type": "boolean"},
    "prefix": {"type": "string", "minLength": 1},
    "suffix": {"type": "string", "minLength": 1},
} | {name: {"type": ["number", "string"]} for name in ("lt", "lte", "gt", "gte")}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "description": "Conditions on fields of the event; all of them must hold.",
    "properties": {
        "all": _ANY_OF | {"description": "Every one of these holds."},
        "any": _ANY_OF | {"description": "One of these holds, or more."},
        "not": {"$ref": "#/$defs/Filter", "description": "This does not hold."},
    },
    "additionalProperties": {
        "description": "A field's dotted path (data.loType): a value, a list of values, or operators.",
        "if": {"type": "object"},
        "then": {
            "type": "object",
            "minProperties": 1,
            "properties": {name: _OPERANDS.get(name, {}) for name in OPERATORS},
            "additionalProperties": False,
        },
        "else": {"if": {"type": "array"}, "then": {"minItems": 1}},
    },
}


def conditions() -> Kind:
    """A filter, compiled."""
    return Kind("a mapping of fields to conditions", _compiled, {}, informed=True)


def _compiled(tree: Any, reading: Reading) -> Compiled:
    """Equal filters are one value."""
    source = json.dumps(tree)
    if source not in reading.filters:
        try:
            reading.filters[source] = compile_filter(tree)
        except FilterMistake as first:
            raise Several([_wrong(mistake) for mistake in _mistakes(tree, ()) or [first]]) from None
    return reading.filters[source]


def _mistakes(tree: Any, above: tuple[str | int, ...]) -> list[FilterMistake]:
    """Branch by branch, field by field, operator by operator: each part alone shows the first mistake in it."""
    if not isinstance(tree, dict) or not tree:
        return _first(tree, above)
    found: list[FilterMistake] = []
    for key, value in tree.items():
        if key in ("all", "any") and isinstance(value, list) and value:
            for number, branch in enumerate(value):
                found += _mistakes(branch, (*above, key, number))
        elif key == "not":
            found += _mistakes(value, (*above, key))
        elif isinstance(value, dict) and value:
            for name, operand in value.items():
                found += _first({key: {name: operand}}, above)
        else:
            found += _first({key: value}, above)
    return found


def _first(tree: Any, above: tuple[str | int, ...]) -> list[FilterMistake]:
    try:
        compile_filter(tree)
    except FilterMistake as mistake:
        mistake.path = (*above, *mistake.path)
        return [mistake]
    return []


def _wrong(mistake: FilterMistake) -> Wrong:
    last = mistake.path[-1] if mistake.path else ""
    hint = ""
    if "operators" in mistake.expected and len(mistake.path) > 1:
        above = str(mistake.path[-2])
        hint = did_you_mean(last, OPERATORS) or (
            "" if "." in above else f"a field of {above} is written {above}.{last}"
        )
    return Wrong(mistake.expected, mistake.found, hint, mistake.path)
