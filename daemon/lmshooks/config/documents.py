"""Which values stand where in a YAML file? PyYAML's nodes with their marks, and plain values made of them.

Scalars are read as JSON reads them: `true`, `false`, `null` and decimal numbers are what they look like; everything
else (`no`, `on`, `22:30`, `0x10`, `007`) is text. Anchors, aliases and tags are refused: a value stands where it is
used.

A list can be handed out item by item, so that a file of a hundred thousand entries costs the memory of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import yaml
from yaml import MappingNode, SequenceNode
from yaml import ScalarEvent as Scalar

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: slower, the same events
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]


class Node(Protocol):
    """A Scalar, SequenceNode or MappingNode. The parser's scalars are nodes as they are: they have all of this."""

    value: Any
    start_mark: Any
    end_mark: Any


_WRITTEN_OUT = "the value itself, written out"
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,300}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)")
_DEEPEST = 50


class Unreadable(Exception):
    """A file is not YAML that we read: at a line and column (from 0) stands `found`, where `expected` should."""

    def __init__(self, found: str, expected: str, at: Any = None, hint: str = "") -> None:
        super().__init__(found)
        self.found, self.expected, self.hint = found, expected, hint
        self.line: int = at.line if at is not None else 0
        self.column: int = at.column if at is not None else 0


def text_of(path: Path) -> str:
    """The text of a file. Raises Unreadable."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise Unreadable("no file", "one", hint="`lmshooks init` writes a first configuration") from None
    except OSError as error:
        raise Unreadable(f"a file that cannot be read ({error.strerror})", "a readable file") from None
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        wrong = Unreadable("a byte that is not UTF-8", "a file in UTF-8", hint="save it in that encoding")
        wrong.line, wrong.column = before.count(b"\n"), len(before[before.rfind(b"\n") + 1 :].decode())
        raise wrong from None


def compose(text: str, take: Callable[[int, Node], None] | None = None, listed: str = "") -> Node:
    """The root node of a text. The items of the list at the root's key `listed` go to `take`, and leave it empty.

    Raises Unreadable.
    """
    try:
        return _Composer(text, take, listed).root()
    except yaml.MarkedYAMLError as error:
        raise _broken(text, error) from None
    except yaml.YAMLError:
        raise Unreadable("a character that YAML does not allow", "printable text") from None


def _broken(text: str, error: yaml.MarkedYAMLError) -> Unreadable:
    """Where the parser gave up, and where what it was in began: the cause is often there."""
    at, began = error.problem_mark or error.context_mark, error.context_mark
    lines = text.rstrip().split("\n")
    if at is not None and at.line >= len(lines):
        wrong = Unreadable("the end of the file", "the rest of it", hint="a bracket, a brace or a quote is not closed")
        wrong.line, wrong.column = len(lines) - 1, len(lines[-1])
        return wrong
    if at is not None and "\t" in lines[at.line][: at.column + 1]:
        return Unreadable("a tab", "spaces", at, "YAML does not indent with tabs")
    hint = f"{error.context}, begun in line {began.line + 1}" if began and at and began.line < at.line else ""
    return Unreadable(f"text that is no YAML ({error.problem})", "YAML", at, hint)


class _Composer:
    """Nodes out of the parser's events. PyYAML's own composer would hold those of a whole file at once."""

    def __init__(self, text: str, take: Callable[[int, Node], None] | None, listed: str) -> None:
        self._next: Callable[[], Any] = _Loader(text).get_event
        self._take, self._listed = take, listed
        self._end: Any = None

    def root(self) -> Node:
        self._next()
        if type(self._next()) is yaml.StreamEndEvent:
            raise Unreadable("an empty file", "a mapping")
        node = self._node(self._next(), 0)
        self._next()
        if type(event := self._next()) is not yaml.StreamEndEvent:
            raise Unreadable("a second document", "one document a file", event.start_mark)
        return node

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        if event.anchor is not None:
            raise Unreadable("an alias" if kind is yaml.AliasEvent else "an anchor", _WRITTEN_OUT, event.start_mark)
        if event.tag is not None:
            raise Unreadable(
                "a tag", "a value without one", event.start_mark, "a secret is {env: NAME} or {file: PATH}"
            )
        if kind is Scalar:
            scalar: Node = event
            return scalar
        if depth == _DEEPEST:
            raise Unreadable(f"more than {_DEEPEST} levels", "a flatter value", event.start_mark)
        if kind is yaml.SequenceStartEvent:
            items = list(self._items(depth))
            return SequenceNode("", items, event.start_mark, self._end)
        pairs = []
        while type(key := self._next()) is not yaml.MappingEndEvent:
            name, value = self._node(key, depth + 1), self._next()
            is_list = type(value) is yaml.SequenceStartEvent
            if is_list and depth == 0 and self._take and name.value == self._listed:
                for number, item in enumerate(self._items(1)):
                    self._take(number, item)
                value = SequenceNode("", [], value.start_mark, self._end)
            elif type(value) is not Scalar or value.anchor is not None or value.tag is not None:
                value = self._node(value, depth + 1)
            pairs.append((name, value))
        self._end = key.end_mark
        return MappingNode("", pairs, event.start_mark, self._end)

    def _items(self, depth: int) -> Iterator[Node]:
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            yield self._node(event, depth + 1)
        self._end = event.end_mark


def value_of(node: Any) -> Any:
    """A scalar's value."""
    text: str = node.value
    if not node.style:
        if text in _WORDS:
            return _WORDS[text]
        if text[0] in "-0123456789":
            if _INTEGER.fullmatch(text):
                return int(text)
            if _NUMBER.fullmatch(text):
                return float(text)
    return text


def tell(node: Node) -> str:
    """What a person would call what stands there."""
    if isinstance(node, MappingNode):
        return "a mapping" if node.value else "an empty mapping"
    if isinstance(node, SequenceNode):
        return "a list" if node.value else "an empty list"
    value = value_of(node)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {node.value[:100]}"
    return "an empty string" if value == "" else repr(value[:100])
