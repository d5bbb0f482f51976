"""Has the configuration changed on disk? Edits, renames, and the symlink swap by which a ConfigMap is updated.

The system tells what happens to the folder that a watch began with, and not that another has taken its place: a renamed
or copied one, or another target of a symlink. So a watch looks now and then whether its folder is still the one, and
where it is not, another watch begins. What happened before a watch stood nobody saw, so each says first that it stands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from watchfiles import Change, awatch

DEBOUNCE = 400
"""Milliseconds of changes that become one."""
LOOK = 250
"""Milliseconds without a change after which a watch looks whether its folder is still the one."""

MARGIN = 2.0
"""Seconds by which the clock of the files may be behind ours, and a time of theirs be coarse."""


async def changes(directory: Path) -> AsyncIterator[None]:
    """Yields when a watch stands, for what changed before it, and then once for each burst of changes below the folder.

    Raises FileNotFoundError where there is none, or none any more, which it yields for first.
    """
    while True:
        folder, stands = _identity(directory), False
        # No filter: an editor's temporary file costs a needless reload, a missed `..data` swap costs the change.
        watch = awatch(
            directory, watch_filter=None, debounce=DEBOUNCE, step=50, recursive=True,
            rust_timeout=LOOK, yield_on_timeout=True,
        )  # fmt: skip
        async with aclosing(watch) as bursts:
            async for burst in bursts:
                here = _identity(directory)
                moved = here != folder or any(_moves(change, directory) for change in burst)
                if moved and stands and here is not None:
                    break  # the next watch says it, when it sees all that comes after
                if burst or moved or not stands:
                    stands = True
                    yield None
                if moved:
                    break


def touched_since(directory: Path, moment: float) -> bool:
    """Whether anything of the folder changed at that moment (seconds since the epoch) or later, or may have."""
    try:
        paths = [directory, *directory.rglob("*")]
        return any(max(one.st_ctime, one.st_mtime) > moment - MARGIN for one in map(Path.lstat, paths))
    except OSError:  # something that went while it was looked at
        return True


def _identity(directory: Path) -> tuple[int, int] | None:
    """Which folder is there, whatever its name and however it is linked to; None where there is none."""
    try:
        found = directory.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _moves(change: tuple[Change, str], directory: Path) -> bool:
    """Whether it may have put another folder in the place of one that is watched.

    The folder itself, where a new one got the number of the old; or a symlink below it that leads to another now.
    """
    how, path = change[0], Path(change[1])
    return how is not Change.modified and (path == directory.absolute() or path.is_symlink())
