"""What does a Dockerfile do, step by step? Enough of its language to carry out ours without an engine."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """One instruction; a continued line is one."""

    word: str
    """FROM, RUN, COPY, ... in capitals"""
    rest: str

    def words(self) -> list[str]:
        """The operands, without options (--from=...)."""
        return [word for word in self.rest.split() if not word.startswith("--")]

    def array(self) -> list[str]:
        """The exec form of a CMD, ENTRYPOINT or HEALTHCHECK."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


def stages(file: Path) -> list[list[Step]]:
    """The steps of each stage, from its FROM on; what comes before the first FROM belongs to none."""
    text = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
    found: list[list[Step]] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        step = Step(word.upper(), rest.strip())
        if step.word == "FROM":
            found.append([])
        if found:
            found[-1].append(step)
    return found


def context(root: Path, ignore: Path, to: Path) -> None:
    """Copy the build context, as a .dockerignore of the allowing kind leaves it: `*`, then `!name`, then patterns."""
    lines = [line.strip() for line in ignore.read_text().splitlines()]
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "it begins by leaving everything out"
    refused = [rule.removeprefix("**/") for rule in rules[1:] if not rule.startswith("!")]
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        if (root / name).is_dir():
            shutil.copytree(root / name, to / name, ignore=shutil.ignore_patterns(*refused))
        else:
            assert not any(fnmatch.fnmatch(name, rule) for rule in refused)
            shutil.copy(root / name, to / name)


def environment(steps: list[Step]) -> Iterator[tuple[str, str]]:
    """What ENV sets."""
    for step in steps:
        if step.word == "ENV":
            yield from (tuple(pair.split("=", 1)) for pair in step.rest.split())  # type: ignore[misc]
