"""What is in a log line? JSON Schema of the JSON lines on stderr, from the facts that they tell (`core/facts.py`).

A field that has nothing to say is left out of its line. Lines that are no facts (the process's own, the libraries')
have the members that all have, and others.
"""

from __future__ import annotations

import inspect
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from lmshooks.contracts.schemas import DIALECT
from lmshooks.contracts.shapes import Schema
from lmshooks.core.facts import NAMES
from lmshooks.core.positions import Partition

_KINDS: dict[type, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string", "minLength": 1},
    Partition: {"type": "string", "description": "`topic/number`.", "pattern": "/[0-9]+$"},
}


def lines() -> dict[str, Any]:
    """The schema of a line, of any event; those of facts by their `event`."""
    return {
        "$schema": DIALECT,
        "title": "Log line",
        "description": "One JSON object a line on stderr. A renamed event or field is a breaking change.",
        "type": "object",
        "properties": {
            "event": {"type": "string", "description": "Its name."},
            "level": {"enum": ["debug", "info", "warning", "error", "critical"]},
            "timestamp": {"type": "string", "description": "ISO 8601 in UTC."},
        },
        "required": ["event", "level", "timestamp"],
        "allOf": [
            {"if": {"properties": {"event": {"const": name}}}, "then": {"$ref": f"#/$defs/{name}"}}
            for name in NAMES.values()
        ],
        "$defs": {name: _fact(kind) for kind, name in NAMES.items()},
    }


def _fact(kind: type) -> Schema:
    hints = get_type_hints(kind)
    fields = {name: hints[name] for name in inspect.get_annotations(kind)}
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": {name: _value(hint) for name, hint in fields.items()},
        "required": [name for name, hint in fields.items() if hint is not str and NoneType not in get_args(hint)],
    }


def _value(hint: Any) -> Schema:
    """The schema of a field by its type. Raises KeyError for a type that no fact has had yet: give it one here."""
    given = [each for each in get_args(hint) if each is not NoneType and each is not Ellipsis]
    if get_origin(hint) is tuple:
        # A long list ends with how many more there are.
        return {"type": "array", "items": _value(given[0])}
    kind = given[0] if NoneType in get_args(hint) else hint
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"type": "string", "enum": [str(each) for each in kind]}
    return _KINDS[kind]
