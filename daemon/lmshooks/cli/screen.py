"""How is a daemon's status shown to people? What is wrong first, and what to do; who is owed what; the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from lmshooks.cli.amounts import many
from lmshooks.cli.tables import WIDE, table
from lmshooks.cli.terminal import plain
from lmshooks.core.durations import spell

STYLE = {"wrong": "bold red", "note": "yellow", "ok": "green"}
NARROW = 110
"""Columns below which tables leave out what is told above them, or matters seldom."""
_NUMBERS = ("owed", "unseen", "out", "oldest", "lag", "uncommitted", "sweeps", "letters")


def picture(told: dict[str, Any], rows: int, width: int = WIDE) -> RenderableType:
    """The whole screen, with at most `rows` rows of each table; in a narrow one, without what can be missed."""
    parts: list[RenderableType] = [Text(told["summary"], STYLE["ok" if told["ok"] else "wrong"]), _about(told)]
    parts += [Text(f"! {complaint}", STYLE["wrong"]) for complaint in told["health"]]
    wrong = [each for each in (*told["partitions"], *told["subscriptions"]) if each["severity"] == "wrong"]
    if wrong:
        parts += [Text(), Text(f"What is wrong ({len(wrong)})", "bold")]
        for each in wrong[:rows]:
            parts += _trouble(each)
        parts += _more(wrong, rows)
    for rows_of, shown in (
        (told["subscriptions"], _subscriptions),
        (told["windows"], _windows),
        (told["partitions"], _partitions),
    ):
        if rows_of:
            parts += [Text(), shown(rows_of[:rows], width < NARROW), *_more(rows_of, rows)]
        if shown is _subscriptions:
            parts += _idle(told)
    return Group(*parts)


def _idle(told: dict[str, Any]) -> Iterator[RenderableType]:
    """Those that are in no row: the daemon tells of a subscription only where there is something to tell."""
    listed = [each for each in told["subscriptions"] if each["state"] != "orphaned"]
    if rest := told["configured"] - len(listed):
        if not told["subscriptions"]:
            yield from (Text(), Text("Subscriptions", "bold"))
        yield Text(
            f"  {many(rest, 'subscription')} {'is' if rest == 1 else 'are'} idle: nothing owed, nothing out", "dim"
        )


def _about(told: dict[str, Any]) -> Text:
    return Text(
        f"{told['instance']}, version {told['version']}, configuration {told['configuration'][:12]}: "
        f"{many(told['posts'], 'request')} out ({told['failing_posts']} to failing endpoints), "
        f"{told['memory'] / 1024 / 1024:.1f} MiB of events, {many(told['lag'], 'record')} of lag",
        "dim",
    )


def _trouble(each: dict[str, Any]) -> Iterator[RenderableType]:
    """One thing that is wrong: what, since when and why; what was last said; what to do."""
    yield _indented(Text(f"{each['name']}: {each['why']}", STYLE["wrong"]), 2)
    if "id" in each:
        facts = [f"endpoint {plain(each['host'])}"] if each["host"] else []
        if each["last_verdict"]:
            said = f" ({plain(each['last_detail'])})" if each["last_detail"] else ""
            answered = "last answer" if each["last_status"].isdecimal() else "no answer"
            facts.append(f"{answered}: {each['last_status']}, judged {each['last_verdict']}{said}")
        if each["next_attempt_in"] is not None:
            facts.append(f"next attempt in {spell(each['next_attempt_in'])}")
        if each["settled_age"] is not None:
            facts.append(f"last delivered {spell(each['settled_age'])} ago")
        facts.append(_owed(each))
        yield _indented(Text("; ".join(facts)), 6)
    if each["advice"]:
        yield _indented(Text(f"do: {each['advice']}", "bold"), 6)


def _indented(text: Text, by: int) -> Padding:
    return Padding(text, (0, 0, 0, by), expand=False)


def _owed(each: dict[str, Any]) -> str:
    oldest = "" if each["oldest_owed_age"] is None else f", the oldest {spell(each['oldest_owed_age'])} old"
    unseen = f" and what is its own of {many(each['unseen'], 'record')}" if each["unseen"] else ""
    if not (each["owed"] or unseen):
        return "owed nothing"
    return f"owed {many(each['owed'], 'event')}{unseen}{oldest}"


def _more(rows: list[Any], shown: int) -> list[RenderableType]:
    return [Text(f"  and {len(rows) - shown} more", "dim")] if len(rows) > shown else []


def _table(title: str, rows: list[dict[str, str | Text]], left_out: tuple[str, ...]) -> RenderableType:
    """A table of rows that all have the same columns."""
    columns = [column for column in rows[0] if column not in left_out]
    if not any(str(row.get("why", "")) for row in rows):
        columns = [column for column in columns if column != "why"]
    cells = [[row[column] for column in columns] for row in rows]
    return table(columns, cells, title=title, numbers=_NUMBERS, fold=False)


def _subscriptions(rows: list[dict[str, Any]], narrow: bool) -> RenderableType:
    shown: list[dict[str, str | Text]] = []
    for row in rows:
        style = STYLE[row["severity"]]
        failing = row["state"] == "active" and row["failing_for"] is not None
        shown.append({
            "id": Text(row["id"]),
            "state": Text("failing" if failing else row["state"], style),
            "owed": str(row["owed"]),
            "unseen": str(row["unseen"]),
            "out": str(row["in_flight"]),
            "oldest": _age(row["oldest_owed_age"]),
            "next attempt": "" if row["next_attempt_in"] is None else f"in {spell(row['next_attempt_in'])}",
            "endpoint": Text(plain(row["host"])),
            "why": Text("" if row["severity"] == "wrong" else row["why"], style),
        })  # fmt: skip
    return _table("Subscriptions", shown, ("unseen", "endpoint", "why") if narrow else ())


def _windows(rows: list[dict[str, Any]], narrow: bool) -> RenderableType:
    ordered = sorted(rows, key=lambda each: float(each["next_close_in"]))
    shown: list[dict[str, str | Text]] = [
        {
            "window": Text(row["name"]),
            "closes in": spell(max(0.0, row["next_close_in"])),
            "closed": f"{_age(row['last_close_age'])} ago" if row["last_close_age"] is not None else "",
            "still sending": many(row["open_ranges"], "partition") if row["open_ranges"] else "",
        }
        for row in ordered
    ]
    return _table("Windows", shown, ())


def _partitions(rows: list[dict[str, Any]], narrow: bool) -> RenderableType:
    shown: list[dict[str, str | Text]] = [
        {
            "partition": Text(row["name"]),
            "state": Text(row["state"], STYLE[row["severity"]]),
            "lag": str(row["lag"]),
            "uncommitted": str(max(0, row["read"] - row["committed"])),
            "sweeps": str(row["sweeps"]),
            "letters": str(row["pending_letters"]),
            "last checkpoint": f"{_age(row['checkpoint_age'])} ago",
            "why": Text("" if row["severity"] == "wrong" else row["why"], STYLE[row["severity"]]),
        }
        for row in rows
    ]
    return _table("Partitions", shown, ("uncommitted", "sweeps", "letters", "why") if narrow else ())


def _age(seconds: float | None) -> str:
    return "" if seconds is None else spell(seconds)
