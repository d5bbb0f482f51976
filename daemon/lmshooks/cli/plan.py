"""What would these files do? The configuration in a folder, against the one that is in force."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lmshooks.cli import settings
from lmshooks.cli.asking import Unreachable, address, url_option
from lmshooks.core.durations import spell

if TYPE_CHECKING:
    from lmshooks.cli.applied import Applied
    from lmshooks.config import Loaded
    from lmshooks.core.comparing import Outline, Plan

NOTHING, MISTAKEN, CHANGES = 0, 1, 2


class _Mistaken(click.UsageError):
    exit_code = MISTAKEN


class _Command(click.Command):
    """Its exit status 2 means "there are changes": a wrong option must not say that."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as wrong:
            raise _Mistaken(wrong.format_message(), wrong.ctx) from None


@click.command(
    cls=_Command,
    epilog="""\b
Examples:
  lmshooks plan                              # the folder config, against the running daemon
  lmshooks plan --config new --json | jq .removed
  lmshooks plan --against deployed           # two folders; nothing needs to run
In CI, before a merge:
  lmshooks plan --config config --against base/config --without-secrets || [ $? -eq 2 ]""",
)
@settings.config_option
@url_option
@click.option("--state", is_flag=True, help="Against the state topic, not a daemon (so also if none answers).")
@click.option(
    "--against",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Against another folder: no daemon and no Kafka is asked.",
)
@settings.without_secrets_option
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def plan(
    directory: Path, url: str | None, state: bool, against: Path | None, without_secrets: bool, as_json: bool
) -> None:
    """Show what a change of configuration would do, before it is done.

    Which subscriptions are added, changed (and in which fields), removed, switched on or off, or moved to another
    window; which windows and cadences change; and what is owed to whatever goes. A running daemon applies a change by
    itself, as soon as the files are on its disk: plan a copy of them.

    Exit status: 0 nothing changes, 1 it cannot be told (mistakes in the files, nobody answers), 2 there are changes.
    """
    if (state, url is not None, against is not None).count(True) > 1:
        raise _Mistaken("one of --url, --state and --against at a time")
    if without_secrets and against is None:
        raise _Mistaken("--without-secrets needs --against: a daemon has secrets, and would differ in each")
    loaded = settings.loaded(directory, secrets=not without_secrets)
    try:
        if against is not None:
            applied = _of_folder(against, not without_secrets)
        else:
            applied = _applied(loaded, directory, url, state)
    except Unreachable as error:
        raise click.ClickException(str(error)) from None
    told = Told.of(loaded, applied)
    if as_json:
        click.echo(json.dumps(told.as_json(), indent=2))
    else:
        told.show()
    sys.exit(CHANGES if told.changes else NOTHING)


def _of_folder(against: Path, secrets: bool) -> Applied:
    from lmshooks.cli.applied import Applied
    from lmshooks.core.comparing import outline_of

    other = settings.loaded(against, secrets=secrets).configuration
    about = f"configuration {other.version}" if secrets else "secrets are compared by their references"
    return Applied(outline_of(other), None, f"{against} ({about})")


def _applied(loaded: Loaded, directory: Path, url: str | None, state: bool) -> Applied:
    from lmshooks.cli.applied import of_daemon, of_state

    if not state:
        try:
            return of_daemon(url or address(directory))
        except Unreachable as error:
            if url is not None:
                raise
            click.echo(f"note: {error} The state topic is read instead.", err=True)
    return of_state(loaded.daemon.kafka, time.time())


class Told(NamedTuple):
    """A plan and what it is about."""

    plan: Plan
    applied: Applied
    new: Outline
    grace: float

    @classmethod
    def of(cls, loaded: Loaded, applied: Applied) -> Told:
        """Compare: the code that decides what a daemon's reload logs."""
        from dataclasses import replace

        from lmshooks.core.comparing import compare, outline_of

        new = outline_of(loaded.configuration)
        old = applied.outline
        if not old.version:  # the state topic knows no schedules
            old = replace(old, windows=new.windows)
        return cls(compare(old, new), applied._replace(outline=old), new, loaded.configuration.orphan_grace)

    @property
    def hidden(self) -> bool:
        """Whether something differs that outlines do not show: a secret that looks alike, or orphan_grace."""
        old = self.applied.outline.version
        return self.plan.empty and old != "" and old != self.new.version

    @property
    def changes(self) -> bool:
        """Whether anything would be done."""
        return self.hidden or not self.plan.empty

    def owed(self, name: str) -> str:
        """What is owed to one, in words."""
        if self.applied.owed is None:
            return ""
        from lmshooks.cli.applied import Owed

        return str(self.applied.owed.get(name, Owed(0, 0, None)))

    def lines(self) -> Iterator[tuple[str, str, str, str]]:
        """(sign, what, who, consequence) of everything that changes."""
        plan, before, after = self.plan, self.applied.outline.subscriptions, self.new.subscriptions
        for name in plan.removed:
            kept = f"kept for {spell(self.grace)}, then forgotten"
            yield "-", "removed", name, "; ".join(part for part in (self.owed(name), kept) if part)
        for name in plan.retired:
            fate = "given up, counted and logged" if name in plan.given_up else "held until it is switched on again"
            yield "!", "switched off", name, "; ".join(part for part in (self.owed(name), fate) if part)
        for name in plan.activated:
            yield (
                "+",
                "switched on",
                name,
                "goes on where it stood" if _held(before[name]) else "begins at the live position",
            )
        for name in plan.added:
            events = ", ".join(after[name]["events"])
            where = "begins at the live position" if after[name]["active"] else "is switched off"
            yield "+", "added", name, f"account {after[name]['account']}: {events}; {where}"
        for moved in plan.moved:
            yield "~", "moved", moved.name, f"window {moved.old} -> {moved.new}; it takes its position along"
        for changed in plan.changed:
            shown = [field for field in changed.fields if field not in ("active", "resume", "window")]
            if not shown and changed.fields:
                continue
            what = "endpoint only" if changed.endpoint_only else "changed"
            old, new = before[changed.id], after[changed.id]
            yield (
                "~",
                what,
                changed.id,
                "; ".join(f"{field}: {_text(old[field])} -> {_text(new[field])}" for field in shown),
            )
        for window in plan.windows:
            yield "~", "window", window.name, f"{window.old or 'none'} -> {window.new or 'none'}"
        for cadence in plan.cadences:
            yield (
                "~",
                "cadence",
                cadence.name,
                (
                    f"{cadence.old or 'as the catalogue says'} -> {cadence.new or 'as the catalogue says'}, "
                    "for what is written from now on"
                ),
            )
        if self.hidden:
            yield "~", "changed", "(unnamed)", "the digests differ: a secret, or orphan_grace"

    def show(self) -> None:
        """For people."""
        from rich.console import Console
        from rich.text import Text

        styles = {"+": "green", "-": "bold red", "!": "bold red", "~": "yellow"}
        console = Console(highlight=False, soft_wrap=True)
        console.print(Text(f"against {self.applied.source}", style="dim"))
        rows = list(self.lines())
        wide = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        for sign, what, who, consequence in rows:
            line = Text(f"  {sign} {what:<{wide[1]}}  ", styles[sign])
            console.print(line.append(f"{who:<{wide[2]}}  ", "bold").append(consequence, "default"))
        goes = self.plan.removed or self.plan.retired
        if self.applied.note and (goes or not self.applied.outline.version):
            console.print(Text(f"note: {self.applied.note}", style="dim"))
        console.print(Text(self.summary(), style="bold"))

    def summary(self) -> str:
        """The last line."""
        if not self.changes:
            whole = bool(self.applied.outline.version)
            return "plan: nothing changes" + ("" if whole else ", as far as the state topic can tell")
        plan = self.plan
        counts = {
            "added": plan.added, "changed": plan.changed, "removed": plan.removed, "switched on": plan.activated,
            "switched off": plan.retired, "moved": plan.moved, "windows": plan.windows, "cadences": plan.cadences,
        }  # fmt: skip
        told = ", ".join(f"{len(which)} {what}" for what, which in counts.items() if which)
        return f"plan: {told or 'a change that cannot be named'}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        plan = self.plan
        gone = (*plan.removed, *plan.retired)
        known = self.applied.owed or {}
        owed = {name: known[name]._asdict() for name in gone if name in known}
        return {
            "changes": self.changes,
            "against": self.applied.source,
            "note": self.applied.note,
            **plan._asdict(),
            "changed": [
                {"id": each.id, "fields": each.fields, "endpoint_only": each.endpoint_only} for each in plan.changed
            ],
            **{name: [each._asdict() for each in getattr(plan, name)] for name in ("moved", "windows", "cadences")},
            "unnamed": self.hidden,
            "owed": owed,
        }


def _held(outlined: Mapping[str, Any]) -> bool:
    return outlined.get("resume") != "now"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value or "none"
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
