"""Is every way in which a configuration changes on disk seen?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lmshooks.adapters.watching import changes


def edit(folder: Path) -> None:
    (folder / "daemon.yaml").write_text("b")


def rename(folder: Path) -> None:
    (folder / "new").write_text("b")
    (folder / "new").rename(folder / "daemon.yaml")


def swap(folder: Path) -> None:
    (folder / "..2").mkdir()
    (folder / "..next").symlink_to("..2")
    (folder / "..next").rename(folder / "..data")


@pytest.mark.parametrize("change", [edit, rename, swap])
async def test_a_change_is_seen(change: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "..1").mkdir()
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "daemon.yaml").write_text("a")
    watch = changes(tmp_path)
    seen = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.3)  # the watch has no sign that it stands
    assert not seen.done()
    change(tmp_path)
    await asyncio.wait_for(seen, 10)
    await watch.aclose()  # type: ignore[attr-defined]
