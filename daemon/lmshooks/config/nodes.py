"""Which values stand where in a YAML file? PyYAML's nodes with their marks, scalars read as YAML 1.2's core does.

`no`, `on` and `22:30` stay strings: the YAML 1.1 rules that turn them into other types are not used.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from lmshooks.config.mistakes import Mistake

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml: slower, the same nodes
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_PREFIX = "tag:yaml.org,2002:"
_NUMERIC = frozenset("+-.0123456789")
_ANCHORS = re.compile(r"(?:^|[\s\[{,:-])[&*][^\s,\]}]", re.MULTILINE)


class _Loader(_Base):
    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return _PREFIX + ("map" if kind is yaml.MappingNode else "seq")
        if implicit[0]:
            if value in _NULL:
                return _PREFIX + "null"
            if value in _BOOL:
                return _PREFIX + "bool"
            if value[0] in _NUMERIC:
                if _INT.fullmatch(value):
                    return _PREFIX + "int"
                if _FLOAT.fullmatch(value):
                    return _PREFIX + "float"
        return _PREFIX + "str"


def compose(path: Path, name: str) -> tuple[yaml.Node | None, list[Mistake]]:
    """The root node of a file, or the mistakes that keep it from being YAML that we read."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return None, [Mistake(name, 1, 1, "", f"a file that cannot be read ({error.strerror})", "a readable file")]
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        return None, [Mistake(name, line, column, "", "bytes that are not UTF-8", "UTF-8 text")]
    try:
        if _ANCHORS.search(text):
            for event in yaml.parse(text, Loader=_Loader):
                if getattr(event, "anchor", None):
                    kind = "an alias" if isinstance(event, yaml.AliasEvent) else "an anchor"
                    mark = event.start_mark
                    assert mark is not None
                    wrong = Mistake(name, mark.line + 1, mark.column + 1, "", kind, "the value itself, written out")
                    return None, [wrong]
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        line, column = (at.line + 1, at.column + 1) if at else (1, 1)
        lines = text.split("\n")
        if line <= len(lines) and "\t" in lines[line - 1][: column + 1]:
            return None, [Mistake(name, line, column, "", "a tab", "spaces", "YAML does not indent with tabs")]
        return None, [Mistake(name, line, column, "", f"broken YAML ({error.problem})", "valid YAML")]
    except yaml.YAMLError:
        return None, [Mistake(name, 1, 1, "", "characters that YAML does not allow", "printable text")]
    if root is None:
        return None, [Mistake(name, 1, 1, "", "an empty file", "a mapping")]
    return root, []


def scalar(node: yaml.Node) -> Any:
    """The value of a scalar node."""
    value: str = node.value
    kind = node.tag.removeprefix(_PREFIX)
    if kind == "null":
        return None
    if kind == "bool":
        return _BOOL.get(value, value)
    try:
        if kind == "int":
            return int(value, 0) if value[:2] in ("0x", "0o") else int(value)
        if kind == "float":
            return float(value)
    except ValueError:
        return value
    return value


def tell(node: yaml.Node) -> str:
    """What a person would call what stands there."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    value = scalar(node)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {node.value}"
    return repr(value[:100])
