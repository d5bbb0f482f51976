"""What does this key hold, and if it is wrong, how is that told? Typed reads of a mapping that collect mistakes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lmshooks.config.mistakes import Mistake
from lmshooks.config.nodes import scalar, tell

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]+)\s?(B|KiB|MiB|GiB|KB|MB|GB)")


def nearest(word: str, known: Collection[str]) -> str:
    """`did you mean X?`, or nothing."""
    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else ""


@dataclass(slots=True)
class Reading:
    """One load: the environment, and the mistakes so far."""

    environ: Mapping[str, str]
    directory: Path
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: dict[str, str | None] = field(default_factory=dict)


class Section:
    """A mapping of one file. Each read returns the value or the default; what is wrong becomes a mistake."""

    __slots__ = ("file", "keys", "node", "path", "reading", "values")

    def __init__(self, reading: Reading, file: str, node: yaml.Node | None, path: str, known: Collection[str]) -> None:
        self.reading, self.file, self.node, self.path = reading, file, node, path
        self.values: dict[str, yaml.Node] = {}
        self.keys: dict[str, yaml.Node] = {}
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, "", tell(node), "a mapping")
            return
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.wrong(key, "", f"{tell(key)} as a key", "a name")
            elif key.value in self.values:
                first = self.keys[key.value].start_mark.line + 1
                self.wrong(key, key.value, "a key that is there already", "each key once", f"first in line {first}")
            else:
                self.keys[key.value], self.values[key.value] = key, value
                if known and key.value not in known:
                    hint = nearest(key.value, known)
                    self.wrong(key, key.value, "an unknown key", f"one of {', '.join(known)}", hint)

    def wrong(self, node: yaml.Node | None, key: str, found: str, expected: str, hint: str = "") -> None:
        """Note a mistake at a node; without one, where the section begins."""
        at = node or self.node
        line, column = (at.start_mark.line + 1, at.start_mark.column + 1) if at is not None else (1, 1)
        path = f"{self.path}.{key}" if self.path and key else self.path or key
        self.reading.mistakes.append(Mistake(self.file, line, column, path, found, expected, hint))

    def section(self, key: str, known: Collection[str]) -> Section:
        path = f"{self.path}.{key}" if self.path else key
        node = self.values.get(key)
        if node is not None and isinstance(node, yaml.ScalarNode) and scalar(node) is None:
            node = None
        return Section(self.reading, self.file, node, path, known)

    def text(self, key: str, default: str | None = None, longest: int = 2000) -> Any:
        node = self.values.get(key)
        if node is None:
            return default
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, str) or not value:
            self.wrong(node, key, tell(node) if value != "" else "an empty string", "text")
            return default
        if len(value) > longest:
            self.wrong(node, key, f"{len(value)} characters", f"at most {longest}")
            return default
        return value

    def named(self, key: str) -> str | None:
        """A text, or `{env: NAME}`: what differs between instances that share their files."""
        at_hand = isinstance(self.values.get(key), yaml.MappingNode)
        return self.secret(key) if at_hand else self.text(key)

    def required(self, key: str, read: Callable[[str], Any]) -> Any:
        if key not in self.values:
            if self.node is None or isinstance(self.node, yaml.MappingNode):
                self.wrong(None, key, "nothing", f"the key {key}")
            return None
        return read(key)

    def choice(self, key: str, allowed: Sequence[str], default: Any) -> Any:
        node = self.values.get(key)
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode) or node.value not in allowed:
            hint = nearest(node.value, allowed) if isinstance(node, yaml.ScalarNode) else ""
            self.wrong(node, key, tell(node), f"one of {', '.join(allowed)}", hint)
            return default
        return node.value

    def flag(self, key: str, default: bool) -> bool:
        node = self.values.get(key)
        if node is None:
            return default
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, bool):
            self.wrong(node, key, tell(node), "true or false")
            return default
        return value

    def whole(self, key: str, default: Any, low: int = 1, high: int = 10_000_000) -> Any:
        node = self.values.get(key)
        if node is None:
            return default
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.wrong(node, key, tell(node), f"a whole number from {low} to {high}")
            return default
        return value

    def share(self, key: str, default: float) -> float:
        node = self.values.get(key)
        if node is None:
            return default
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            self.wrong(node, key, tell(node), "a number from 0 to 1")
            return default
        return float(value)

    def duration(self, key: str, default: Any, low: float = 0.001, high: float = 3650 * 86400.0) -> Any:
        node = self.values.get(key)
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode) or not _DURATION.fullmatch(node.value):
            self.wrong(node, key, tell(node), "a duration with its unit, such as 15s, 5m, 1h30m or 7d")
            return default
        value = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(node.value))
        if not low <= value <= high:
            self.wrong(node, key, tell(node), f"{low:g} s to {high:g} s")
            return default
        return value

    def size(self, key: str, default: int) -> int:
        node = self.values.get(key)
        if node is None:
            return default
        match = _SIZE.fullmatch(node.value) if isinstance(node, yaml.ScalarNode) else None
        if match is None or int(match[1]) == 0:
            self.wrong(node, key, tell(node), "a size with its unit, such as 64KiB or 1MiB")
            return default
        return int(match[1]) * _SIZES[match[2]]

    def texts(self, key: str, alone: bool = False) -> tuple[str, ...]:
        """A list of texts; `alone` lets one stand without a list."""
        node = self.values.get(key)
        if node is None:
            return ()
        if alone and isinstance(node, yaml.ScalarNode):
            one = self.text(key)
            return (one,) if one else ()
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.wrong(
                node,
                key,
                "an empty list" if isinstance(node.value, list) and not node.value else tell(node),
                "a list with at least one text",
            )
            return ()
        found = []
        for index, item in enumerate(node.value):
            value = scalar(item) if isinstance(item, yaml.ScalarNode) else None
            if isinstance(value, str) and value:
                found.append(value)
            else:
                self.wrong(item, f"{key}.{index}", "an empty string" if value == "" else tell(item), "text")
        return tuple(found)

    def secret(self, key: str) -> str | None:
        node = self.values.get(key)
        return None if node is None else self.secret_at(node, key)

    def secret_at(self, node: yaml.Node, key: str) -> str | None:
        """What `{env: NAME}` or `{file: PATH}` names. What stands there instead is never printed."""
        expected = "{env: NAME} or {file: PATH}"
        if not isinstance(node, yaml.MappingNode):
            literal = "a secret written out" if isinstance(node, yaml.ScalarNode) else "a list"
            self.wrong(node, key, literal, expected, "secrets do not belong in these files")
            return None
        pairs = [(k.value, v) for k, v in node.value]
        if len(pairs) != 1 or pairs[0][0] not in ("env", "file") or not isinstance(pairs[0][1], yaml.ScalarNode):
            self.wrong(node, key, "a mapping that is neither", expected)
            return None
        kind, at = pairs[0]
        name: str = at.value
        if kind == "env":
            value = self.reading.environ.get(name)
            if not value:
                # A secret pasted in place of the name must not be printed: only what looks like a name is.
                shown = name if re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name) else "(not shown)"
                self.wrong(at, f"{key}.env", f"environment variable {shown}, which is not set", "one that is set")
                return None
            return self._one_line(at, f"{key}.env", value)
        if name not in self.reading.files:
            try:
                self.reading.files[name] = (self.reading.directory / name).read_text("utf-8").strip() or None
            except (OSError, ValueError):
                self.reading.files[name] = None
        value = self.reading.files[name]
        if value is None:
            self.wrong(at, f"{key}.file", "a file that is missing, unreadable or empty", "a file that holds the secret")
            return None
        return self._one_line(at, f"{key}.file", value)

    def _one_line(self, node: yaml.Node, key: str, value: str) -> str | None:
        """Secrets become headers: a line break in one would end the header early."""
        if value.isprintable():
            return value
        self.wrong(node, key, "a secret with a line break or control character", "one line of text")
        return None


def plain(node: yaml.Node) -> Any:
    """A node as Python values: for filters, which judge themselves."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    return scalar(node)
