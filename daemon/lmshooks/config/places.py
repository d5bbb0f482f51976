"""Where in its file does a mistake stand, and what of the line may be shown? Values of nodes, and the way back to them.

A line is shown with what may be secret struck out: only what stands at a setting that is known, and known to be no
secret, is shown. Comments are cut, and what belongs to somebody else's entry is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from yaml import MappingNode, SequenceNode
from yaml import ScalarEvent as Scalar

from lmshooks.config.documents import Node, Unreadable, tell, value_of
from lmshooks.config.kinds import Kind
from lmshooks.config.mistakes import Mistake
from lmshooks.config.outline import Form, Section, all_settings, form_at

Place = tuple[str | int, ...]
KEY = "[key]"
"""Ends the place of a key, as pydantic has it."""
_HIDDEN = "•••"
_WIDEST = 110
_COMMENT = re.compile(r"(^|\s+)#.*")
_WORD = re.compile(r"[^\s:{}\[\],'\"#&*!|>-]+")


class File:
    """A file's name, its text, and the model of what it should hold."""

    __slots__ = ("_lines", "model", "name", "text")

    def __init__(self, name: str, text: str, model: type[Section]) -> None:
        self.name, self.text, self.model = name, text, model
        self._lines: list[str] | None = None

    def line(self, number: int) -> str:
        """From 0; the text's end is an empty line."""
        if self._lines is None:
            self._lines = self.text.split("\n")
        return self._lines[number].rstrip("\r") if number < len(self._lines) else ""

    def unreadable(self, why: Unreadable) -> Mistake:
        """The mistake that keeps the file from being read. No node says what is secret: only known words are shown."""
        known = {word for setting in all_settings(self.model) for word in setting.path}

        def shown(text: str) -> str:
            return _WORD.sub(lambda word: word[0] if word[0] in known else _HIDDEN, text)

        line = _COMMENT.sub("", self.line(why.line))
        before, after = shown(line[: why.column]), shown(line[why.column :])
        source, caret = _clipped(before + after, len(before)) if line.strip() else ("", 0)
        return Mistake(self.name, why.line + 1, why.column + 1, "", why.found, why.expected, why.hint, source, caret)


class Tree:
    """A node, and its place in a file."""

    __slots__ = ("file", "node", "place")

    def __init__(self, file: File, node: Node, place: Place = ()) -> None:
        self.file, self.node, self.place = file, node, place

    def value(self, mistakes: list[Mistake]) -> Any:
        """Plain values. Keys that come twice, or are no names, are added to the mistakes; the first one counts."""
        unclean: list[Node] = []
        value = _value(self.node, unclean)
        for node, place, _ in _walk(self.node, self.place) if unclean else ():
            if node in unclean:
                mistakes += self._unclean(node, place)
        return value

    def mistake(self, place: Place, expected: str, found: str = "", hint: str = "") -> Mistake:
        """What stands at a place is wrong. Where nothing stands there, the mapping it is missing from is pointed to."""
        node, path, missing = self._locate(place)
        if not found:
            found = f"no {place[-1]}" if missing else self._told(node, path, place[-1:] == (KEY,))
        return self._at(node, place if missing else path, expected, found, hint)

    def node_at(self, place: Place) -> Node:
        """What stands at a place, or the last one on the way there."""
        return self._locate(place)[0]

    def _unclean(self, node: Node, place: Place) -> Iterator[Mistake]:
        first: dict[str, Node] = {}
        for key, _ in node.value:
            if not isinstance(key, Scalar) or not key.value:
                yield self._at(key, place, "a name", f"{tell(key)} as a key")
            elif first.setdefault(key.value, key) is not key:
                hint = f"the first is in line {first[key.value].start_mark.line + 1}"
                yield self._at(key, (*place, key.value), "each key once", "the key a second time", hint)

    def _at(self, node: Node, path: Place, expected: str, found: str, hint: str = "") -> Mistake:
        line, column = node.start_mark.line, node.start_mark.column
        source, caret = self._excerpt(line, column)
        dotted = ".".join(str(part) for part in path if part != KEY)
        return Mistake(self.file.name, line + 1, column + 1, dotted, found, expected, hint, source, caret)

    def _locate(self, place: Place) -> tuple[Node, Place, bool]:
        """The node at a place, or the last one on the way there; its place; whether a key is missing there."""
        node, path = self.node, self.place
        steps = place[len(self.place) :]
        for number, step in enumerate(steps):
            last = number == len(steps) - 1
            if isinstance(node, MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
                if pair is None:
                    return node, path, last and step != KEY
                if place[-1] == KEY and number == len(steps) - 2:
                    return pair[0], (*path, step), False
                node = pair[1]
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                break
            path = (*path, step)
        return node, path, False

    def _told(self, node: Node, path: Place, key: bool) -> str:
        if isinstance(node, Scalar) and value_of(node) is not None and self._hidden(path, key):
            return "a value (not shown)"
        return tell(node)

    # --- the line -------------------------------------------------------------------------------------------------

    def _closed(self, path: Place) -> bool:
        form = form_at(self.file.model, path)
        return form is None or _keeps_secrets(form)

    def _excerpt(self, line: int, column: int) -> tuple[str, int]:
        """The line as it may be shown, and where in it the spot is."""
        text, start, end = self.file.line(line), self.node.start_mark, self.node.end_mark
        at = start.column if start.line == line else 0
        stop = end.column if end.line == line else len(text)
        shown = text[:at] if not text[:at].strip(" -") else "… "
        caret = None
        for begin, beyond, hidden in sorted(self._spans(line, len(text))):
            if begin < at:
                continue  # an empty value stands on top of what follows
            if caret is None and column < beyond:
                caret = len(shown) + max(column, at) - at
            shown += text[at:begin] + (_HIDDEN if hidden else text[begin:beyond])
            at = beyond
        rest = _COMMENT.sub("", text[at:stop])
        return _clipped(shown + rest, len(shown) + column - at if caret is None else caret)

    def _spans(self, line: int, width: int) -> Iterator[tuple[int, int, bool]]:
        """Where the scalars of a line begin and end, and whether each is hidden."""
        for node, place, key in _walk(self.node, self.place):
            start, end = node.start_mark, node.end_mark
            if type(node) is Scalar and start.line <= line <= end.line:
                begin = start.column if start.line == line else 0
                yield begin, end.column if end.line == line else width, self._hidden(place, key)

    def _hidden(self, path: Place, key: bool) -> bool:
        if not key:
            return self._closed(path)
        form = form_at(self.file.model, path[:-1])
        if form is None:
            return True
        return isinstance(form.said, Kind) and form.said.secret and path[-1] not in ("env", "file")


def _value(node: Node, unclean: list[Node]) -> Any:
    if type(node) is Scalar:
        return value_of(node)
    if type(node) is SequenceNode:
        return [_value(item, unclean) for item in node.value]
    values: dict[str, Any] = {}
    for key, value in node.value:
        name = key.value
        if type(key) is not Scalar or not name or name in values:
            unclean.append(node)
        else:
            values[name] = value_of(value) if type(value) is Scalar else _value(value, unclean)
    return values


def _walk(node: Node, place: Place, key: bool = False) -> Iterator[tuple[Node, Place, bool]]:
    """Every node, with its place, and whether it is a key."""
    yield node, place, key
    if isinstance(node, SequenceNode):
        for number, item in enumerate(node.value):
            yield from _walk(item, (*place, number))
    elif isinstance(node, MappingNode):
        for name, value in node.value:
            inner = (*place, str(name.value) if isinstance(name, Scalar) else "")
            yield from _walk(name, inner, key=True)
            yield from _walk(value, inner)


def _keeps_secrets(form: Form) -> bool:
    if form.section is not None:
        return any(
            setting.form.said.secret for setting in all_settings(form.section) if isinstance(setting.form.said, Kind)
        )
    return isinstance(form.said, Kind) and form.said.secret


def _clipped(text: str, caret: int) -> tuple[str, int]:
    """A line that fits a screen."""
    if len(text) <= _WIDEST:
        return text.rstrip(), caret
    begin = max(0, caret - _WIDEST // 2)
    piece = text[begin : begin + _WIDEST]
    return ("… " + piece, caret - begin + 2) if begin else (piece + " …", caret)
