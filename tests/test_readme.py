"""What the README claims, held against the code.

`python -m tests.test_readme` writes its tables anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from lmshooks.adapters.reporting import METRICS
from lmshooks.config import load, process
from lmshooks.config.entries import KEYS
from lmshooks.config.process import SECTIONS
from lmshooks.core.configuration import Limits
from lmshooks.core.subscriptions import Endpoint, Subscription

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def metrics_table() -> str:
    """The table of metrics, as the README has it."""
    rows = ["| metric | kind | labels | says |", "|---|---|---|---|"]
    for name, meaning in METRICS.items():
        labels = ", ".join(meaning.labels)
        rows.append(f"| `{name}` | {meaning.kind} | {labels} | {meaning.help} |")
    return "\n".join(rows)


def part(name: str) -> str:
    """What stands between the two marks of this name."""
    found = re.search(rf"<!-- {name}\b[^>]*-->\n(.*?)\n?<!-- /{name} -->", README.read_text(), re.DOTALL)
    assert found, f"README.md has no part {name}"
    return found[1]


def test_the_table_of_metrics_is_the_codes() -> None:
    assert part("metrics") == metrics_table()


def test_the_tables_of_settings_have_every_key_and_no_other() -> None:
    keys = {key for key in SECTIONS if key not in ("kafka", "admin", "egress", "limits", "logs")} | set(KEYS)
    keys |= {f"kafka.{key}" for key in process._KAFKA} | {"admin.host", "admin.port", "logs.level", "logs.format"}
    keys |= {"egress.allow_http", "egress.allow_networks"}
    bounds = (*process._COUNTS, *process._SIZES, *process._DURATIONS, *process._OURS)
    keys |= {f"limits.{key}" for key in bounds}
    named: list[str] = []
    for row in re.findall(r"^\| (`.*?) \|", part("settings"), re.MULTILINE):
        named += re.findall(r"`([^`]+)`", row)
    assert sorted(named) == sorted(keys)


def test_the_defaults_of_the_limits_are_the_codes() -> None:
    table = part("settings")
    limits, of_one = Limits(), Subscription("s", "1", ("*",), Endpoint("https://example.com"))
    for row in (
        f"| {limits.posts}, {limits.failing_posts} |",
        f"| {limits.memory // 2**20}MiB, {limits.event_bytes // 2**20}MiB |",
        f"| {limits.checkpoint_events}, {limits.checkpoint_records} |",
        f"| {limits.checkpoint_interval:g}s, {limits.checkpoint_pause * 1000:g}ms |",
        f"| {limits.write_timeout:g}s, {limits.compaction_lag / 3600:g}h |",
        f"| {limits.pending_letters} |",
        f"| {of_one.max_events}, {of_one.max_bytes // 2**20}MiB |",
        f"| {of_one.order}, {of_one.max_in_flight} |",
    ):
        assert row in table


def test_the_first_subscription_is_one(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "subscriptions").mkdir()
    (tmp_path / "subscriptions" / "crm.yaml").write_text(snippet)
    (tmp_path / "daemon.yaml").write_text("kafka: {bootstrap_servers: 'localhost:9092', topics: [lms.events]}\n")
    loaded = load(tmp_path, {"CRM_WEBHOOK_SECRET": "whsec_" + "A" * 40})
    (one,) = loaded.configuration.subscriptions.values()
    assert one.id == "crm-completions"
    assert one.filter is not None and one.filter({"data": {"hasPassed": True}})
    assert loaded.warnings == ()


def test_every_metric_that_the_text_names_is_there() -> None:
    named = set(re.findall(r"`(lmshooks_\w+)`", README.read_text()))
    assert named <= set(METRICS)


def test_every_file_that_the_walk_names_is_there() -> None:
    named = re.findall(r"`((?:core|adapters|config|cli)/\w+\.py)`", README.read_text())
    assert len(named) > 10
    assert [name for name in named if not (ROOT / "daemon" / "lmshooks" / name).is_file()] == []


def test_every_command_that_the_text_names_is_there() -> None:
    from lmshooks.cli import COMMANDS

    named = set(re.findall(r"(?:^    |`)lmshooks ([a-z][a-z-]+)", README.read_text(), re.MULTILINE))
    assert {"check", "emit", "status", "resume"} <= named
    assert named <= set(COMMANDS)


def test_every_link_into_the_repository_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", README.read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def write() -> None:
    """Put the tables of the code into the README."""
    text = README.read_text()
    pattern = re.compile(r"(<!-- metrics\b[^>]*-->\n).*?(<!-- /metrics -->)", re.DOTALL)
    README.write_text(pattern.sub(lambda found: f"{found[1]}{metrics_table()}\n{found[2]}", text))


if __name__ == "__main__":
    write()
