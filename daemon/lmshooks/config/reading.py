"""What does one load know while it reads values, and what do the values share?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lmshooks.core.filters import Compiled

T = TypeVar("T")


@dataclass(slots=True)
class Reading:
    """One load. The kinds that are informed are given it."""

    environ: Mapping[str, str]
    directory: Path
    secrets: bool = True
    """Whether secrets are looked up. Where not, each reference stands for itself."""
    allow_http: bool = True
    windows: frozenset[str] | None = None
    """Names; None where they are not known."""
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What was read from files, or why it was not."""
    filters: dict[str, Compiled] = field(default_factory=dict)
    """By their JSON."""
    shared: dict[Any, Any] = field(default_factory=dict)

    def share(self, value: T) -> T:
        """The first value that was equal to this one: a hundred thousand entries have few different time-outs."""
        found: T = self.shared.setdefault(value, value)
        return found
