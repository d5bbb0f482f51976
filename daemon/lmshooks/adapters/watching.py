"""Has the configuration changed on disk? Edits, renames, and the symlink swap by which a ConfigMap is updated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import awatch

DEBOUNCE = 400
"""Milliseconds of changes that become one."""


async def changes(directory: Path) -> AsyncIterator[None]:
    """Yields once for each burst of changes below the directory. Raises FileNotFoundError where there is none."""
    # No filter: an editor's temporary file costs a needless reload, a missed `..data` swap costs the change.
    async for _ in awatch(directory, watch_filter=None, debounce=DEBOUNCE, step=50, recursive=True):
        yield None
