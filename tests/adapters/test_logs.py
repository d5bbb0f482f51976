"""What is written to stderr, line by line."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from lmshooks.adapters import logs


@pytest.fixture(autouse=True)
def left_as_found() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger(logs.OURS).setLevel(logging.NOTSET)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(capture: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capture.readouterr().err.splitlines()]


def test_an_event_is_one_json_line_with_its_name_its_time_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.get_logger().info("delivery.attempted", status=202, why="line\nbreak")
    (line,) = lines(capsys)
    assert line["event"] == "delivery.attempted"
    assert line["status"] == 202
    assert line["level"] == "info"
    assert str(line["timestamp"]).endswith("Z")
    assert line["why"] == "line\nbreak"


@pytest.mark.parametrize("odd", ["caf\udce9.yaml", 1 << 70])
def test_what_is_odd_is_said_all_the_same(odd: object, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.get_logger().info("configuration.refused", why=odd)
    assert json.loads(capsys.readouterr().err)["why"] == odd


def test_what_is_below_the_level_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", "json")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_a_library_is_heard_from_warning_up_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "json")
    logging.getLogger("watchfiles.main").info("chatter")
    logging.getLogger("watchfiles.main").error("cannot watch %s", "config")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"], line["said"]) == ("library.said", "watchfiles.main", "cannot watch config")
    assert line["level"] == "error"


def test_a_library_that_repeats_itself_is_heard_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    for number in range(50):
        logging.getLogger("watchfiles.main").error("no such file: %s", number)
    assert len(lines(capsys)) == 1


def test_a_sentence_held_back_is_counted_when_it_is_said_again() -> None:
    said = logs.NotAgain()

    def record(at: float) -> logging.LogRecord:
        made = logging.LogRecord("aiokafka", logging.ERROR, __file__, 1, "no broker", None, None)
        made.created = at
        return made

    assert [said.filter(record(at)) for at in (0.0, 1.0, 9.9)] == [True, False, False]
    again = record(10.0)
    assert said.filter(again)
    assert again.__dict__["held_back"] == 2


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger().exception("loop.died")
        logging.getLogger("aiohttp.server").exception("handler")
    ours, theirs = lines(capsys)
    assert "RuntimeError: broken" in str(ours["exception"])
    assert "RuntimeError: broken" in str(theirs["exception"])


def test_configuring_twice_does_not_say_everything_twice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logs.configure("info", "json")
    logging.getLogger("aiohttp").warning("once")
    assert len(lines(capsys)) == 1


def test_the_console_form_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "console")
    structlog.get_logger().info("partition.claimed", tenure=7)
    said = capsys.readouterr().err
    assert "partition.claimed" in said and "tenure" in said and not said.startswith("{")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_does_not_show_what_variables_hold(form: logs.Format, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", form)
    headers = {"Authorization": "Bearer " + "sesame"[::-1]}
    try:
        raise RuntimeError(f"broken with {len(headers)} headers")
    except RuntimeError as error:
        structlog.get_logger().error("daemon.broken", exc_info=error)
        logging.getLogger("aiohttp.server").error("handler", exc_info=error)
    said = capsys.readouterr().err
    assert said.count("RuntimeError: broken with 1 headers") == 2
    assert "emases" not in said


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="log level 'loud': expected one of debug, info, warning, error"):
        logs.configure("loud", "json")


def test_a_module_of_ours_is_heard_at_our_level_by_its_events_name(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    for _ in range(2):
        logging.getLogger("lmshooks.adapters.state").info("state.follower_restarts why=%s", "no broker")
    logging.getLogger("lmshooks.adapters.state").debug("state.detail")
    first, second = lines(capsys)
    assert first["event"] == second["event"] == "state.follower_restarts"
    assert first["said"] == "why=no broker"


async def test_the_lines_of_a_turn_of_the_loop_go_in_one_write(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.get_logger().info("one")
    structlog.get_logger().info("two")
    assert lines(capsys) == []
    await asyncio.sleep(0)
    assert [line["event"] for line in lines(capsys)] == ["one", "two"]
    structlog.get_logger().info("last")
    logs.flush()
    assert [line["event"] for line in lines(capsys)] == ["last"]


async def test_a_thread_beside_the_loop_says_its_line_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    await asyncio.to_thread(lambda: structlog.get_logger().info("beside"))
    assert [line["event"] for line in lines(capsys)] == ["beside"]


async def test_lines_that_wait_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    for _ in range(3):
        structlog.get_logger().info("long", text="x" * logs.Lines.MOST)
    assert len(lines(capsys)) >= 2
    logs.flush()


TALKING = """
import asyncio, sys
import structlog
from lmshooks.adapters import logs

async def talk():
    logs.configure("info", "json")
    log, library = structlog.get_logger(), logging.getLogger("aiokafka")
    for number in range(20_000):
        log.info("said", number=number, filling="x" * 100)
        if number % 1000 == 0:
            library.error(f"sentence {number}")
            await asyncio.sleep(0)
    print("still turning", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    log.info("heard")

import logging
import sys
asyncio.run(talk())
"""


async def test_a_reader_that_stalls_stalls_nothing_and_what_was_left_out_is_counted() -> None:
    talking = await asyncio.create_subprocess_exec(
        sys.executable, "-c", TALKING, stdin=-1, stdout=-1, stderr=-1, limit=64 * 1024 * 1024
    )
    assert talking.stdin and talking.stdout and talking.stderr
    talking.stderr._transport.pause_reading()  # type: ignore[attr-defined]  # nobody reads it
    async with asyncio.timeout(60):
        assert await talking.stdout.readline() == b"still turning\n"
        talking.stderr._transport.resume_reading()  # type: ignore[attr-defined]
        talking.stdin.write(b"\n")
        said = [json.loads(line) for line in (await talking.stderr.read()).splitlines()]
        assert await talking.wait() == 0
    numbers = [line["number"] for line in said if line["event"] == "said"]
    assert numbers == sorted(numbers)
    assert 1000 < len(numbers) < 20_000
    left_out = sum(line["lines"] for line in said if line["event"] == "logs.left_out")
    libraries = sum(line["event"] == "library.said" for line in said)
    heard = sum(line["event"] == "heard" for line in said)
    assert len(numbers) + libraries + heard + left_out == 20_000 + 20 + 1
