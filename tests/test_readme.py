"""What the README claims, held against the code.

`python -m tests.test_readme` writes its tables anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from lmshooks.adapters.reporting import METRICS

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
