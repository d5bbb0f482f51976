"""The table for people, from a real admin server's answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
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
def daemon(answer: Stats, health: Health | None = None) -> Iterator[str]:
    """An admin server in a loop of its own, as the command sees it: another process's."""
    loop = asyncio.new_event_loop()
    admin = Admin(
        "127.0.0.1",
        0,
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
    assert result.output.splitlines()[0] == "all is well: 3 subscriptions, 1 partitions"


def test_something_wrong_is_exit_code_1_and_the_first_line_says_what_to_do() -> None:
    gone = IDLE._replace(id="crm", state="suspended", suspended_for="gone", oldest_owed_at=NOW - 7200)
    with daemon(stats(IDLE, gone)) as url:
        result = run("--url", url)
    assert result.exit_code == 1
    first, *rest = result.output.splitlines()
    assert "crm: suspended" in first and "lmshooks resume crm" in first
    rows = [line for line in rest if line.startswith(("  crm", "  idle"))]
    assert [row.split()[0] for row in rows] == ["crm", "idle"]
    assert "2 h" in rows[0]


def test_a_failing_subscription_shows_its_last_answer_and_its_next_attempt() -> None:
    failing = IDLE._replace(failing=1, failing_since=NOW - 300, next_attempt=NOW + 150, last_status="503", queued=7)
    with daemon(stats(failing)) as url:
        result = run("--url", url)
    assert result.exit_code == 1
    row = next(line for line in result.output.splitlines() if line.startswith("  idle"))
    assert "failing for 5 min, last answer: 503" in row
    assert "in 2 min" in row


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
