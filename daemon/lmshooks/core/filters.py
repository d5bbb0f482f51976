"""Does the subscription want this event, by its content?

A filter is a mapping from a field's dotted path to a condition; all of them must hold. The fields are those of the
event object, as a listener gets it (`eventName`, `data.loType`, ...).

    data.loType: course                     is this (a list: is one of these)
    data.progressPercent: {gte: 50, lt: 100}
    any: [{data.hasPassed: false}, {data.enrollmentSource: {prefix: ADMIN}}]
    not: {data.loId: {in: ["course:1", "course:2"]}}

Operators: eq ne in not_in lt lte gt gte prefix suffix exists. Values are compared as JSON has them: 1 is 1.0, but
neither "1" nor true. There is an order among numbers and one among strings (dates in ISO form therefore compare), none
between the two: the condition fails. A field that is missing fails every operator but `ne`, `not_in`, `exists: false`.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Filter(Protocol):
    """A compiled filter."""

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Whether the parsed event object passes; a missing field is not an error."""


class FilterMistake(ValueError):
    """A filter is not one: at `path` within it stands `found`, where `expected` should."""

    def __init__(self, path: tuple[str | int, ...], found: str, expected: str) -> None:
        where = ".".join(str(part) for part in path)
        super().__init__(f"{where + ': ' if where else ''}{found}, expected {expected}")
        self.path = path
        self.found = found
        self.expected = expected


_Path = tuple[str | int, ...]
_Test = Callable[[Any], bool]
_MISSING: Any = object()


class _Clause(NamedTuple):
    text: str
    """For people, as in YAML on one line."""
    test: _Test
    """Event -> whether it holds."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A filter ready for use. Two of the same source are equal, so that a reload sees what did not change."""

    source: str
    """Canonical JSON of the tree."""
    clauses: tuple[_Clause, ...] = field(compare=False, repr=False)

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Whether the parsed event object passes."""
        for clause in self.clauses:  # noqa: SIM110  all() and a generator cost three times as much, per event
            if not clause.test(event):
                return False
        return True

    def explain(self, event: Mapping[str, Any]) -> str | None:
        """The first clause that does not hold, or None when the event passes."""
        return next((clause.text for clause in self.clauses if not clause.test(event)), None)


def compile_filter(tree: Any) -> Compiled:
    """The filter of a plain YAML value; raises FilterMistake, with the path within the filter."""
    clauses = tuple(_mapping(tree, ()))
    return Compiled(json.dumps(tree, sort_keys=True, ensure_ascii=False, separators=(",", ":")), clauses)


# ---------------------------------------------------------------------------------------------------------- clauses

_DEEPEST = 32


def _mapping(tree: Any, path: _Path) -> list[_Clause]:
    if not isinstance(tree, dict):
        raise FilterMistake(path, _found(tree), "a mapping of fields to conditions")
    if not tree:
        raise FilterMistake(path, "an empty mapping", "one field with its condition, or more")
    _shallow(path)
    clauses: list[_Clause] = []
    for key, value in tree.items():
        here = (*path, key)
        if not isinstance(key, str):
            raise FilterMistake(here, _found(key), "a field's dotted path, quoted if need be")
        if key == "all":
            for branch in _branches(value, here):
                clauses.extend(branch)
        elif key == "any":
            branches = [(_all([clause.test for clause in branch])) for branch in _branches(value, here)]
            clauses.append(_Clause(_text(key, value), _any(branches)))
        elif key == "not":
            inner = _all([clause.test for clause in _mapping(value, here)])
            clauses.append(_Clause(_text(key, value), _not(inner)))
        else:
            clauses.extend(_field(key, value, here))
    return clauses


def _shallow(path: _Path) -> None:
    """A YAML anchor can make a value that contains itself."""
    if len(path) > _DEEPEST:
        raise FilterMistake(path[:_DEEPEST], f"more than {_DEEPEST} levels", "a flatter filter")


def _branches(value: Any, path: _Path) -> list[list[_Clause]]:
    if not isinstance(value, list) or not value:
        raise FilterMistake(path, "an empty list" if value == [] else _found(value), "a list of mappings")
    return [_mapping(branch, (*path, number)) for number, branch in enumerate(value)]


def _all(tests: list[_Test]) -> _Test:
    return tests[0] if len(tests) == 1 else lambda event: all(test(event) for test in tests)


def _any(tests: list[_Test]) -> _Test:
    return lambda event: any(test(event) for test in tests)


def _not(test: _Test) -> _Test:
    return lambda event: not test(event)


def _field(name: str, condition: Any, path: _Path) -> list[_Clause]:
    """The clauses of one field: one an operator."""
    keys = name.split(".")
    if not all(keys):
        raise FilterMistake(path, f"{name!r}", "a field's dotted path, such as data.loType")
    if keys[0] == "accountId":
        raise FilterMistake(path, "accountId", "a field of the event (the subscription's account chooses the account)")
    if isinstance(condition, list):
        condition = {"in": condition}
        shown = path
    elif isinstance(condition, dict):
        shown = ()
    else:
        condition = {"eq": condition}
        shown = path
    if not condition:
        raise FilterMistake(path, "an empty mapping", f"one of the operators {', '.join(_OPERATORS)}")
    clauses = []
    for name_of, operand in condition.items():
        here = shown or (*path, name_of)
        make = _OPERATORS.get(name_of) if isinstance(name_of, str) else None
        if make is None:
            raise FilterMistake(here, f"{name_of!r}", f"one of the operators {', '.join(_OPERATORS)}")
        test = make(operand, here)
        clauses.append(_Clause(_text(name, {name_of: operand}), _reading(keys, test)))
    return clauses


def _reading(keys: list[str], test: _Test) -> _Test:
    """A test of the event out of a test of one field's value (or of `_MISSING`)."""
    if len(keys) == 1:
        only = keys[0]
        return lambda event: test(event.get(only, _MISSING))

    def read(event: Any) -> bool:
        for key in keys:
            if not isinstance(event, dict) or key not in event:
                return test(_MISSING)
            event = event[key]
        return test(event)

    return read


# -------------------------------------------------------------------------------------------------------- operators


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return bool(one == other)


def _json(operand: Any, path: _Path) -> Any:
    """The operand, when it is a value that JSON has too."""
    _shallow(path)
    if isinstance(operand, list):
        for number, element in enumerate(operand):
            _json(element, (*path, number))
    elif isinstance(operand, dict):
        for key, value in operand.items():
            if not isinstance(key, str):
                raise FilterMistake((*path, str(key)), _found(key), "a string as key")
            _json(value, (*path, key))
    elif isinstance(operand, float) and not math.isfinite(operand):
        raise FilterMistake(path, str(operand), "a finite number")
    elif not (operand is None or isinstance(operand, bool | int | float | str)):
        raise FilterMistake(path, _found(operand), "a value that JSON has (quote dates and times)")
    return operand


def _eq(operand: Any, path: _Path) -> _Test:
    _json(operand, path)
    if isinstance(operand, str):
        return lambda value: bool(value == operand)
    return lambda value: _same(value, operand)


def _ne(operand: Any, path: _Path) -> _Test:
    return _not(_eq(operand, path))


def _in(operand: Any, path: _Path) -> _Test:
    if not isinstance(operand, list) or not operand:
        raise FilterMistake(path, "an empty list" if operand == [] else _found(operand), "a list of values")
    _json(operand, path)
    strings = frozenset(value for value in operand if isinstance(value, str))
    others = [value for value in operand if not isinstance(value, str)]
    if not others:
        return lambda value: isinstance(value, str) and value in strings
    return lambda value: value in strings if isinstance(value, str) else any(_same(value, each) for each in others)


def _not_in(operand: Any, path: _Path) -> _Test:
    return _not(_in(operand, path))


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, _Path], _Test]:
    def make(operand: Any, path: _Path) -> _Test:
        _json(operand, path)
        if isinstance(operand, str):
            return lambda value: isinstance(value, str) and holds(value, operand)
        if _is_number(operand):
            return lambda value: _is_number(value) and holds(value, operand)
        raise FilterMistake(path, _found(operand), "a number or a string")

    return make


def _affix(holds: Callable[[str, str], bool]) -> Callable[[Any, _Path], _Test]:
    def make(operand: Any, path: _Path) -> _Test:
        if not isinstance(operand, str) or not operand:
            raise FilterMistake(path, "an empty string" if operand == "" else _found(operand), "a string")
        return lambda value: isinstance(value, str) and holds(value, operand)

    return make


def _exists(operand: Any, path: _Path) -> _Test:
    if not isinstance(operand, bool):
        raise FilterMistake(path, _found(operand), "true or false")
    return lambda value: (value is not _MISSING) is operand


_OPERATORS: Mapping[str, Callable[[Any, _Path], _Test]] = {
    "eq": _eq, "ne": _ne, "in": _in, "not_in": _not_in,
    "lt": _ordered(operator.lt), "lte": _ordered(operator.le),
    "gt": _ordered(operator.gt), "gte": _ordered(operator.ge),
    "prefix": _affix(str.startswith), "suffix": _affix(str.endswith), "exists": _exists,
}  # fmt: skip
OPERATORS = tuple(_OPERATORS)


# ------------------------------------------------------------------------------------------------------------ texts


def _text(key: str, value: Any) -> str:
    return f"{key}: {json.dumps(value, ensure_ascii=False)}"


def _found(value: Any) -> str:
    """What a person would call this value of a YAML file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {value[:100]!r}"
    if isinstance(value, list):
        return "a list"
    return "a mapping" if isinstance(value, dict) else f"a {type(value).__name__}"
