"""What the README claims, held against the code.

`python -m tests.test_readme` writes its tables anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lmshooks.adapters.metrics import METRICS
from lmshooks.config import load
from lmshooks.config.daemon import Daemon
from lmshooks.config.outline import Section, all_settings
from lmshooks.config.subscriptions import Subscriptions

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "deploy" / "README.md"]


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


def settings_table(model: type[Section], within: str = "") -> str:
    """The table of a file's settings, as the README has it."""
    rows = ["| setting | default | says |", "|---|---|---|"]
    for setting in all_settings(model):
        default = "required" if setting.required else json.dumps(setting.written).strip('"')
        name = setting.dotted.removeprefix(within).replace("*", "NAME")
        rows.append(f"| `{name}` | {'' if default == 'null' else default} | {setting.says} |")
    return "\n".join(rows)


def test_the_table_of_daemon_yaml_is_the_models() -> None:
    assert part("daemon.yaml") == settings_table(Daemon)


def test_the_table_of_subscriptions_is_the_models() -> None:
    assert part("subscriptions") == settings_table(Subscriptions, "subscriptions.*.")


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
    assert named == set(COMMANDS)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_the_repository_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def write() -> None:
    """Put the tables of the code into the README."""
    text = README.read_text()
    tables = {
        "metrics": metrics_table(),
        "daemon.yaml": settings_table(Daemon),
        "subscriptions": settings_table(Subscriptions, "subscriptions.*."),
    }
    for name, table in tables.items():
        old = part(name)
        text = text.replace(
            f"-->\n{old}\n<!-- /{name} -->" if old else f"-->\n<!-- /{name} -->", f"-->\n{table}\n<!-- /{name} -->"
        )
    README.write_text(text)


if __name__ == "__main__":
    write()
