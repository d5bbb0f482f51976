"""Dead letters as the daemon writes them, read back by the commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lmshooks.adapters.dead_letters import DeadLetters
from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.cli.dead_letters import dead_letters
from lmshooks.core.commands import Bury
from lmshooks.core.events import LetterReason
from lmshooks.core.positions import Partition
from tests.kafka.records import create_topic

PLACE = Partition("lms.events", 3)


def letter(offset: int, reason: LetterReason, **changes: Any) -> Bury:
    values: dict[str, Any] = {
        "ticket": None, "partition": PLACE, "offset": offset, "index": 0, "reason": reason, "why": f"because {offset}",
        "subscription_id": None, "delivery_id": None, "value": b'{"n":%d}' % offset, "headers": (),
    }  # fmt: skip
    return Bury(**(values | changes))


LETTERS = (
    letter(1, LetterReason.MALFORMED, value=b"\xff\x1b[2J", headers=(("trace", b"abc"),)),
    letter(2, LetterReason.REJECTED, subscription_id="crm", delivery_id="msg_1"),
    letter(3, LetterReason.REJECTED, subscription_id="lrs"),
    letter(4, LetterReason.EXPIRED, value=None),
)


@pytest.fixture
async def folder(broker: str, topic: Callable[..., str], tmp_path: Path) -> Path:
    name = await create_topic(broker, topic("dead"), 1)
    writer = DeadLetters(KafkaSettings(broker, dead_letter_topic=name))
    try:
        for each in LETTERS:
            assert await writer.write(each)
    finally:
        await writer.stop()
    return configured(tmp_path, broker, name)


def configured(folder: Path, bootstrap: str, name: str) -> Path:
    (folder / "daemon.yaml").write_text(
        f"kafka: {{bootstrap_servers: '{bootstrap}', topics: [t], dead_letter_topic: {name}, request_timeout: 3s}}\n"
    )
    (folder / "subscriptions").mkdir()
    (folder / "subscriptions" / "none.yaml").write_text("subscriptions: []\n")
    return folder


async def run(*arguments: str | Path) -> Result:
    """In a thread: the command has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, dead_letters, list(map(str, arguments)))


async def test_the_newest_come_last_and_say_why_and_from_where(folder: Path) -> None:
    result = await run("list", "--config", folder)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines() if line.startswith("  0/")]
    assert [row[0] for row in rows] == ["0/0", "0/1", "0/2", "0/3"]
    assert rows[1][2:] == ["rejected", "lms.events/3/2/0", "crm", "because", "2"]


async def test_they_can_be_narrowed(folder: Path) -> None:
    async def places(*arguments: str) -> list[str]:
        said = (await run("list", "--config", folder, "--json", *arguments)).output
        return [json.loads(line)["offset"] for line in said.splitlines()]

    assert await places() == ["1", "2", "3", "4"]
    assert await places("--reason", "rejected") == ["2", "3"]
    assert await places("--subscription", "lrs") == ["3"]
    assert await places("--count", "2") == ["3", "4"]
    assert await places("--since", "1h") == ["1", "2", "3", "4"]
    none = await run("list", "--config", folder, "--since", "0s")
    assert none.exit_code == 1 and "no such dead letter in" in none.output
    assert (await run("list", "--config", folder, "--since", "soon")).exit_code == 2


async def test_one_is_shown_whole_and_cannot_steer_the_terminal(folder: Path) -> None:
    said = (await run("show", "0/0", "--config", folder)).output
    for part in ("reason:       malformed", "why:          because 1", "offset:       1", "header trace: abc", "?[2J"):
        assert part in said
    assert "\x1b" not in said
    assert "msg_1" in (await run("show", "0/1", "--config", folder)).output
    assert "(the log no longer had its bytes)" in (await run("show", "0/3", "--config", folder)).output


async def test_its_bytes_come_out_exactly_as_they_were(folder: Path) -> None:
    result = await run("show", "0/0", "--config", folder, "--raw")
    assert result.stdout_bytes == b"\xff\x1b[2J"
    told = json.loads((await run("show", "0/1", "--config", folder, "--json")).output)
    assert (told["reason"], told["subscription"], told["value"]) == ("rejected", "crm", '{"n":2}')


async def test_one_that_is_not_there_is_told_with_those_that_are(folder: Path) -> None:
    result = await run("show", "0/9", "--config", folder)
    assert result.exit_code == 1 and "/0 holds offsets 0 to 3: 9 is not among them" in result.output
    assert (await run("show", "nine", "--config", folder)).exit_code == 2


async def test_a_topic_that_is_not_there_is_not_made(embedded: str, topic: Callable[..., str], tmp_path: Path) -> None:
    folder = configured(tmp_path, embedded, topic("dead"))
    for _ in range(2):
        result = await run("list", "--config", folder)
        assert result.exit_code == 1 and "there is no topic dead-" in result.output


async def test_a_long_topic_is_read_from_its_end(
    embedded: str, topic: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one step back is needed for the only letter of a kind, and none for the newest ones."""
    from lmshooks.cli import reading

    monkeypatch.setattr(reading, "_STEP", 4)
    name = await create_topic(embedded, topic("dead"), 1)
    writer = DeadLetters(KafkaSettings(embedded, dead_letter_topic=name))
    for offset in range(15):
        assert await writer.write(letter(offset, LetterReason.REJECTED if offset == 1 else LetterReason.MALFORMED))
    await writer.stop()
    folder = configured(tmp_path, embedded, name)
    only = await run("list", "--config", folder, "--reason", "rejected", "--json")
    assert [json.loads(line)["offset"] for line in only.output.splitlines()] == ["1"]
    last = await run("list", "--config", folder, "--count", "6", "--json")
    assert [json.loads(line)["offset"] for line in last.output.splitlines()] == ["9", "10", "11", "12", "13", "14"]


@pytest.mark.parametrize("command", ["list", "show"])
async def test_the_help_teaches_by_example(command: str) -> None:
    assert f"lmshooks dead-letters {command}" in (await run(command, "--help")).output
