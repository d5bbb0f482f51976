"""The table for people, from a real admin server's answer."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lmshooks.adapters.admin import Admin, Health, Progress, Sources
from lmshooks.cli.status import status
from lmshooks.core.comparing import Outline
from lmshooks.core.positions import Partition
from lmshooks.core.stats import PartitionStats, Stats, SubscriptionStats, WindowStats

NOW = 10_000.0
IDLE = SubscriptionStats("idle", "1010", "active", None, 1, 0, 0, 0, 0, 0, None, None, None, "")
RUNNING = PartitionStats(Partition("lms.events", 0), "running", 5, 90, 80, 100, 0, 0, NOW - 1)


def stats(*subscriptions: SubscriptionStats) -> Stats:
    return Stats(subscriptions, (RUNNING,), (WindowStats("nightly", NOW + 600, NOW - 30, 1),), 3, "c0ffee", 2, 1, 4096)


@contextmanager
def daemon(answer: Stats, health: Health | None = None, port: int = 0) -> Iterator[str]:
    """An admin server in a loop of its own, as the command sees it: another process's."""
    loop = asyncio.new_event_loop()
    admin = Admin(
        "127.0.0.1",
        port,
        Sources(
            metrics=lambda: (b"", "text/plain"),
            health=lambda: health or Health({"intake": Progress(0.1, True)}),
            missing=tuple,
            stats=lambda now: answer,
            configuration=lambda: Outline("", {}, {}, {}),
            clock=lambda: NOW,
            instance="hooks-0",
            version="0.1.0",
        ),
    )
    loop.run_until_complete(admin.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{admin.port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(admin.stop())
        loop.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(status, arguments)


def test_all_well_is_exit_code_0_and_said_on_the_first_line() -> None:
    with daemon(stats(IDLE)) as url:
        result = run("--url", url)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == "all is well: 3 subscriptions, 1 partition"


def test_something_wrong_is_exit_code_1_and_comes_first_with_what_to_do() -> None:
    gone = IDLE._replace(
        id="crm", state="suspended", suspended_for="gone", suspended_at=NOW - 7200, oldest_owed_at=NOW - 7200, owed=31,
        unseen=12, host="crm.example", last_status="410", last_verdict="gone", last_detail="no such\x1b hook",
        settled_at=NOW - 7300,
    )  # fmt: skip
    with daemon(stats(IDLE, gone)) as url:
        result = run("--url", url)
    assert result.exit_code == 1
    first, _, _, title, *rest = result.output.splitlines()
    assert "crm: suspended 2 h ago" in first and "lmshooks resume crm" in first
    assert title == "What is wrong (1)"
    assert rest[:3] == [
        "  subscription crm: suspended 2 h ago, its endpoint answered 410 Gone",
        "      endpoint crm.example; last answer: 410, judged gone (no such? hook); last delivered 2 h ago; "
        "owed 31 events and what is its own of 12 records, the oldest 2 h old",
        "      do: when it is back: lmshooks resume crm; else remove the subscription",
    ]
    rows = [line.split() for line in rest if line.startswith(("  crm", "  idle"))]
    assert [row[0] for row in rows] == ["crm", "idle"]
    assert rows[0][1:5] == ["suspended", "31", "12", "0"]


def test_a_failing_subscription_shows_its_last_answer_and_its_next_attempt() -> None:
    failing = IDLE._replace(failing=1, failing_since=NOW - 300, next_attempt=NOW + 150, last_status="503", owed=7)
    with daemon(stats(failing)) as url:
        result = run("--url", url)
    assert result.exit_code == 1
    row = next(line for line in result.output.splitlines() if line.startswith("  idle"))
    assert "failing" in row and "in 2 min" in row
    assert "  subscription idle: failing for 5 min, last answer: 503" in result.output.splitlines()


def test_the_one_line_alone_is_for_scripts() -> None:
    with daemon(stats(IDLE)) as url:
        assert run("--url", url, "--short").output == "all is well: 3 subscriptions, 1 partition\n"
    with daemon(stats(IDLE._replace(failing_since=NOW - 300, last_status="500"))) as url:
        result = run("--url", url, "--short")
    assert result.exit_code == 1
    assert result.output == (
        "subscription idle: failing for 5 min, last answer: 500; look at its endpoint; retries go on by themselves\n"
    )


def test_who_is_in_no_row_is_counted() -> None:
    with daemon(stats(IDLE)) as url:
        assert "  2 subscriptions are idle: nothing owed, nothing out" in run("--url", url).output.splitlines()
    with daemon(stats()._replace(configured=1)) as url:
        said = run("--url", url).output
    assert "\nSubscriptions\n  1 subscription is idle: nothing owed, nothing out\n" in said
    with daemon(stats(IDLE._replace(state="orphaned"))._replace(configured=0)) as url:
        assert "idle:" not in run("--url", url).output


def test_lines_that_nobody_watches_end_where_their_text_does() -> None:
    with daemon(stats(IDLE)) as url:
        lines = run("--url", url).output.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line in lines if "partition " in line and " why" in line] == []


def test_long_tables_are_cut_and_say_so() -> None:
    many = [IDLE._replace(id=f"s{number}") for number in range(60)]
    with daemon(stats(*many)) as url:
        assert "  and 10 more" in run("--url", url).output.splitlines()


def test_windows_are_in_the_order_of_their_closes() -> None:
    windows = (WindowStats("nightly", NOW + 600, NOW - 30, 1), WindowStats("soon", NOW + 5, 0.0, 0))
    with daemon(stats(IDLE)._replace(windows=windows)) as url:
        said = run("--url", url).output
    assert said.index("  soon") < said.index("  nightly")


@contextmanager
def watching(*arguments: str, terminal: bool = False) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[str], str]]]:
    """`status --watch` as a process, and a function that reads on until a text has been seen."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "lmshooks", "status", "--watch", "--every", "0.1", *arguments],
        stdout=theirs, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm", "COLUMNS": "150", "LINES": "60"},
    )  # fmt: skip
    os.close(theirs)
    seen = bytearray()

    def until(text: str, timeout: float = 30.0) -> str:
        end = time.monotonic() + timeout
        while text.encode() not in seen:
            ready, _, _ = select.select([ours], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} did not come: {seen.decode(errors='replace')[-2000:]}"
            try:
                seen.extend(os.read(ours, 65536))
            except OSError:  # a terminal whose other end is closed
                break
        assert text.encode() in seen, seen.decode(errors="replace")[-2000:]
        place = seen.index(text.encode()) + len(text.encode())
        past = bytes(seen[:place])
        del seen[:place]
        return past.decode(errors="replace")

    try:
        yield process, until
    finally:
        process.kill()
        process.communicate()
        os.close(ours)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    return process.returncode, said.decode()


def test_watching_survives_that_the_daemon_goes_away_and_comes_back() -> None:
    with daemon(stats(IDLE)) as url:
        started = watching("--url", url)
        process, until = started.__enter__()
        until("all is well")
    try:
        until("no daemon answers")
        with daemon(stats(IDLE._replace(failing_since=NOW - 300)), port=int(url.rpartition(":")[2])):
            until("subscription idle: failing for 5 min")
            assert ended(process) == (1, "")
    finally:
        started.__exit__(None, None, None)


def test_on_a_terminal_it_takes_the_whole_screen_and_gives_it_back() -> None:
    with daemon(stats(IDLE)) as url, watching("--url", url, terminal=True) as (process, until):
        assert "\x1b[?1049h" in until("all is well")
        until("Partitions")
        process.send_signal(signal.SIGINT)
        assert "\x1b[?25h" in until("\x1b[?1049l")  # the cursor, too
        assert process.wait(30) == 0


def test_watching_a_daemon_that_never_answers_is_exit_code_2() -> None:
    with watching("--url", "http://127.0.0.1:1") as (process, until):
        until("no daemon answers at http://127.0.0.1:1/status")
        assert ended(process) == (2, "")


def test_watching_as_json_is_a_line_each_time() -> None:
    with daemon(stats(IDLE)) as url, watching("--url", url, "--json") as (process, until):
        lines = (until("\n"), until("\n"))
        assert [json.loads(line)["instance"] for line in lines] == ["hooks-0", "hooks-0"]
        assert ended(process)[0] == 0


def test_a_daemon_that_is_not_well_is_exit_code_1() -> None:
    with daemon(stats(), Health({"state": Progress(99, False)})) as url:
        result = run("--url", url)
    assert result.exit_code == 1
    assert "! state has made no progress for 99 s" in result.output


def test_json_is_what_the_daemon_answered() -> None:
    with daemon(stats(IDLE)) as url:
        told: dict[str, Any] = json.loads(run("--url", url + "/", "--json").output)
    assert told["instance"] == "hooks-0"
    assert told["subscriptions"][0]["id"] == "idle"


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_no_daemon_is_exit_code_2_and_says_where_it_looked(as_json: list[str]) -> None:
    result = run("--url", "http://127.0.0.1:1", *as_json)
    assert result.exit_code == 2
    assert "no daemon answers at http://127.0.0.1:1/status" in result.output


def test_an_address_may_be_given_without_its_scheme_and_no_other_is_taken() -> None:
    with daemon(stats(IDLE)) as url:
        assert run("--url", url.removeprefix("http://"), "--short").exit_code == 0
    result = run("--url", "ftp://hooks-0")
    assert result.exit_code == 2
    assert result.output == "Error: found ftp://hooks-0, expected an address such as http://hooks-0:9400\n"


def test_a_refused_connection_is_told_in_words_alone() -> None:
    assert "(Connection refused)" in run("--url", "http://127.0.0.1:1").output


def test_a_markup_like_id_is_shown_as_it_is() -> None:
    with daemon(stats(IDLE._replace(id="a[red]b"))) as url:
        result = run("--url", url)
    assert "a[red]b" in result.output


def test_the_address_is_the_configurations(tmp_path: Path) -> None:
    with daemon(stats(IDLE)) as url:
        port = url.rpartition(":")[2]
        (tmp_path / "daemon.yaml").write_text(
            f"kafka: {{bootstrap_servers: 'localhost:9092', topics: [t]}}\nadmin: {{host: 0.0.0.0, port: {port}}}\n"
        )
        (tmp_path / "subscriptions").mkdir()
        (tmp_path / "subscriptions" / "none.yaml").write_text("subscriptions: []\n")
        result = run("--config", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert result.output.startswith("all is well")


def test_a_mistake_in_the_configuration_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "daemon.yaml").write_text("kafka: {bootstrap_servers: 'localhost:9092', topics: [t]}\nadmn: {}\n")
    result = run("--config", str(tmp_path))
    assert result.exit_code == 1
    assert "daemon.yaml:2" in result.output
