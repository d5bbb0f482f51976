"""What may stand at a setting? Durations, sizes, counts, texts: how each is read, told, written, and drawn as a schema.

A kind is put into the annotation of a model's field; pydantic asks it to read the value, and for the schema of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from lmshooks.config.mistakes import Wrong, did_you_mean

DAY = 86400.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
_SIZES = {"B": 1, "KB": 1000, "KiB": 2**10, "MB": 1000**2, "MiB": 2**20, "GB": 1000**3, "GiB": 2**30}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SIZE = re.compile(r"([0-9]{1,15}) ?([KMG]i?B|B)")


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """How the value of a setting is read (raises Wrong), and what is said of it."""

    expected: str
    read: Callable[..., Any]
    schema: Mapping[str, Any]
    write: Callable[[Any], Any] = _as_it_is
    """A value as it would stand in the file."""
    secret: bool = False
    """Whether what stands there is never shown."""
    informed: bool = False
    """Whether `read` is also given the Reading."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if self.informed:
            return core_schema.with_info_plain_validator_function(lambda value, info: self.read(value, info.context))
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, source: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema)


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list, or a mapping of free names, should be."""

    expected: str


@dataclass(frozen=True, slots=True)
class OneOrMore(Listed):
    """A list of texts, of which one may stand alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: [value] if isinstance(value, str) else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, source: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        listed = handler(source)
        return {"anyOf": [listed["items"], listed]}


def text(expected: str = "text", longest: int = 2000, shape: str = "", **more: Any) -> Kind:
    """A string; `shape` is a regular expression for all of it."""
    pattern = re.compile(shape)

    def read(value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise Wrong(expected, hint=quoting(value))
        if len(value) > longest:
            raise Wrong(f"at most {longest}", f"{len(value)} characters")
        if shape and not pattern.fullmatch(value):
            raise Wrong(expected)
        return value

    schema = {"type": "string", "minLength": 1, "maxLength": longest}
    return Kind(expected, read, schema | ({"pattern": f"^(?:{shape})$"} if shape else {}), **more)


def quoting(value: Any) -> str:
    """What to do where text was meant and YAML sees something else."""
    return "quote it to make it text" if isinstance(value, bool | int | float) else ""


def flag() -> Kind:
    """True or false."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise Wrong("true or false")
        return value

    return Kind("true or false", read, {"type": "boolean"})


def whole(low: int = 1, high: int = 10_000_000) -> Kind:
    """A whole number."""
    expected = f"a whole number from {low} to {high}"

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Wrong(expected)
        return value

    return Kind(expected, read, {"type": "integer", "minimum": low, "maximum": high})


def share() -> Kind:
    """A number from 0 to 1."""

    def read(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            raise Wrong("a number from 0 to 1")
        return float(value)

    return Kind("a number from 0 to 1", read, {"type": "number", "minimum": 0, "maximum": 1})


def choice(*allowed: str) -> Kind:
    """One of a few words."""
    expected = f"one of {', '.join(allowed)}"

    def read(value: Any) -> str:
        if value not in allowed:
            raise Wrong(expected, hint=did_you_mean(value, allowed))
        return str(value)

    return Kind(expected, read, {"enum": list(allowed)})


def member(kind: type[StrEnum]) -> Kind:
    """A member of an enumeration, by its word."""
    words = choice(*kind)
    return Kind(words.expected, lambda value: kind(words.read(value)), {"enum": [str(each) for each in kind]}, str)


def duration(low: float = 0.001, high: float = 3650 * DAY) -> Kind:
    """Seconds, written with units."""
    expected = "a duration with its unit, such as 15s, 5m, 1h30m or 7d"
    bounds = f"a duration from {write_duration(low)} to {write_duration(high)}"

    @lru_cache(maxsize=1000)
    def seconds(value: str) -> float:
        if not _DURATION.fullmatch(value):
            raise Wrong(expected)
        total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
        if not low <= total <= high:
            raise Wrong(bounds)
        return total

    def read(value: Any) -> float:
        if not isinstance(value, str):
            raise Wrong(expected)
        return seconds(value)

    schema = {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["15s", "5m", "1h30m", "7d"]}
    return Kind(expected, read, schema, write_duration)


def write_duration(seconds: float) -> str:
    """In the largest unit that leaves no fraction."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if (seconds / _UNITS[unit]).is_integer() or unit == "ms")
    return f"{seconds / _UNITS[unit]:g}{unit}"


def size(low: int = 1, high: int = 2**40) -> Kind:
    """Bytes, written with units."""
    expected = "a size with its unit, such as 64KiB or 1MiB"
    bounds = f"a size from {write_size(low)} to {write_size(high)}"

    def read(value: Any) -> int:
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise Wrong(expected)
        if not low <= (total := int(match[1]) * _SIZES[match[2]]) <= high:
            raise Wrong(bounds)
        return total

    schema = {"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["64KiB", "1MiB"]}
    return Kind(expected, read, schema, write_size)


def write_size(size: int) -> str:
    """In the largest binary unit that leaves no fraction."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if size % _SIZES[unit] == 0)
    return f"{size // _SIZES[unit]}{unit}"
