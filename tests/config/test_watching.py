"""Is every way in which a configuration changes on disk seen?"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from lmshooks.adapters.watching import LOOK, MARGIN, changes, touched_since


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
    async with aclosing(changes(tmp_path)) as watch, asyncio.timeout(10):  # type: ignore[type-var]
        await anext(watch)  # it stands
        change(tmp_path)
        await anext(watch)


async def test_nothing_is_said_while_nothing_changes(tmp_path: Path) -> None:
    async with aclosing(changes(tmp_path)) as watch:  # type: ignore[type-var]
        await asyncio.wait_for(anext(watch), 10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 4 * LOOK / 1000)


async def test_no_folder_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await anext(changes(tmp_path / "none"))


async def test_a_folder_that_goes_is_a_change_and_then_an_error(tmp_path: Path) -> None:
    folder = made(tmp_path / "config", "a")
    there: list[bool] = []

    async def look() -> None:
        async for _ in changes(folder):
            there.append(folder.exists())
            if len(there) == 1:
                shutil.rmtree(folder)

    with pytest.raises(FileNotFoundError):
        await asyncio.wait_for(look(), 10)
    assert there[0] and not there[-1]


def made(folder: Path, text: str) -> Path:
    (folder / "subscriptions").mkdir(parents=True)
    (folder / "subscriptions" / "all.yaml").write_text(text)
    return folder


def renamed(folder: Path) -> None:
    made(folder.with_name("new"), "b")
    folder.rename(folder.with_name("old"))
    folder.with_name("new").rename(folder)


def copied(folder: Path) -> None:
    shutil.rmtree(folder)
    made(folder, "b")


def linked(folder: Path) -> None:
    made(folder.with_name("new"), "b")
    folder.with_name("link").symlink_to("new")
    folder.with_name("link").rename(folder)


def linked_below(folder: Path) -> None:
    target = made(folder.with_name("new"), "b") / "subscriptions"
    folder.with_name("link").symlink_to(target)
    (folder / "subscriptions").rename(folder / "old")
    folder.with_name("link").rename(folder / "subscriptions")


@pytest.mark.parametrize(
    ("replaced", "link"), [(renamed, False), (copied, False), (linked, True), (linked_below, False)]
)
async def test_what_takes_the_folders_place_is_watched_in_its_stead(
    replaced: Callable[[Path], None], link: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    if link:
        made(tmp_path / "first", "a")
        folder.symlink_to("first")
    else:
        made(folder, "a")
    file = folder / "subscriptions" / "all.yaml"
    read: asyncio.Queue[str] = asyncio.Queue()

    async def look() -> None:
        async for _ in changes(folder):
            read.put_nowait(file.read_text())

    looking = asyncio.create_task(look())
    try:
        async with asyncio.timeout(15):
            assert await read.get() == "a"
            replaced(folder)
            while await read.get() != "b":
                pass
            file.write_text("c")
            while await read.get() != "c":
                pass
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def test_what_was_touched_is_told_from_what_was_not(tmp_path: Path) -> None:
    below = tmp_path / "subscriptions"
    below.mkdir()
    file = below / "a.yaml"
    file.write_text("subscriptions: []\n")
    written = max(one.stat().st_ctime for one in (tmp_path, below, file))
    assert touched_since(tmp_path, written)
    assert not touched_since(tmp_path, written + 2 * MARGIN)
    assert touched_since(tmp_path / "gone", written), "who cannot tell takes it for touched"
