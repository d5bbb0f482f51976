"""What do YAML's texts become? Values as JSON has them, one entry at a time, the same with and without libyaml."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml

from lmshooks.config import documents
from lmshooks.config.daemon import Daemon
from lmshooks.config.documents import Node, Unreadable, compose
from lmshooks.config.places import File, Tree
from lmshooks.config.subscriptions import Subscriptions

GOOD = Path(__file__).parent / "good"


def value(text: str) -> Any:
    return Tree(File("a.yaml", text, Subscriptions), compose(text)).value([])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True), ("false", False), ("null", None), ("~", None), ("''", ""), ("0", 0), ("-17", -17),
        ("1.50", 1.5), ("1e3", 1000.0), ("'1'", "1"), ('"true"', "true"), ("no", "no"), ("on", "on"),
        ("Yes", "Yes"), ("True", "True"),
        ("22:30", "22:30"), ("1:30", "1:30"), ("0x10", "0x10"), ("0o7", "0o7"), ("010", "010"), ("+1", "+1"),
        (".5", ".5"), (".inf", ".inf"), ("2025-01-31", "2025-01-31"), ("=", "="), ("-", [None]), ("1_000", "1_000"),
        ("1" * 40, int("1" * 40)),
        ("1" * 5000, "1" * 5000), ("a #b", "a"), ("|\n  a\n  b", "a\nb"), ("[1, [], {}]", [1, [], {}]),
    ],
)  # fmt: skip
def test_a_scalar_is_what_json_has_or_text(text: str, expected: Any) -> None:
    found = value(f"a: {text}" if text != "-" else "a:\n  -")["a"]
    assert (found, type(found)) == (expected, type(expected))


def test_a_list_is_handed_out_item_by_item_and_not_kept() -> None:
    items: list[tuple[int, str]] = []

    def take(number: int, node: Node) -> None:
        items.append((number, node.value))

    root = compose("other: [1]\nlisted: [a, b]\nnested: {listed: [c]}\n", take, "listed")
    assert items == [(0, "a"), (1, "b")]
    assert Tree(File("a.yaml", "", Subscriptions), root).value([]) == {
        "other": [1],
        "listed": [],
        "nested": {"listed": ["c"]},
    }


def test_a_long_file_costs_the_memory_of_one_entry() -> None:
    entry = (
        "  - {id: a, account: '1', events: [COURSE_COMPLETED], url: 'https://example.com/', filter: {a: {gte: 1}}}\n"
    )

    def peak(entries: int) -> int:
        text = "subscriptions:\n" + entry * entries
        tracemalloc.start()
        compose(text, lambda _, node: None, "subscriptions")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most - 4 * len(text)

    assert peak(3000) < peak(100) + 200_000


@pytest.mark.parametrize("path", sorted(GOOD.glob("*.yaml")), ids=lambda path: path.stem)
def test_python_alone_reads_what_libyaml_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text()
    fast = value(text)
    monkeypatch.setattr(documents, "_Loader", yaml.SafeLoader)
    assert value(text) == fast


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: 1", "a: &x 1", "a: *x", "a: !t 1", "--- 1\n--- 2", "", "a: \x07"]
)
def test_python_alone_refuses_what_libyaml_refuses(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreadable):
        compose(text)
    monkeypatch.setattr(documents, "_Loader", yaml.SafeLoader)
    with pytest.raises(Unreadable):
        compose(text)


def test_each_setting_of_the_models_has_a_kind_and_words() -> None:
    from lmshooks.config.kinds import Kind, Listed
    from lmshooks.config.outline import all_settings

    for model in (Daemon, Subscriptions):
        for setting in all_settings(model):
            assert isinstance(setting.form.said, Kind | Listed), setting.dotted
            assert len(setting.says) > 8, setting.dotted
