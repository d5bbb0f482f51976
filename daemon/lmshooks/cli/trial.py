"""Does this endpoint take what would be sent to it? One real request, by the code of a real delivery."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import click

from lmshooks.cli import settings
from lmshooks.cli.amounts import many
from lmshooks.cli.completing import subscription_ids
from lmshooks.cli.subject import Subject, event_options, sample, subject_of
from lmshooks.cli.terminal import plain
from lmshooks.core.durations import spell

if TYPE_CHECKING:
    from lmshooks.adapters.phases import Phases
    from lmshooks.cli.request import Request
    from lmshooks.config import Loaded
    from lmshooks.core.events import Event
    from lmshooks.core.retrying import Outcome, Verdict
    from lmshooks.core.subscriptions import Subscription

DELIVERED, NOT_DELIVERED = 0, 1
_TRIES = 200
"""Samples that are made until one passes the subscription's filter."""

_LOOK = {
    "dns": "is the host of its url spelt right, and does this machine's resolver know it?",
    "connect": "does it run there, and may this machine reach it? `lmshooks listen` is a listener to try with",
    "tls": "does it speak TLS at that port, under this name? tls.ca_file names an authority of your own",
    "timeout": "it is slow, or it hangs; timeouts.total in its entry says how long it has",
    "401": "do both sides have the same secret? `lmshooks secret export` tells its owner all that verifying takes",
    "403": "do both sides have the same credentials?",
    "404": "is the path of its url spelt right?",
    "405": "does it take POST at that path?",
}
"""By why there was no answer, or by the answer's status."""


@click.command(
    epilog="""\b
Examples:
  lmshooks test crm-completions                       # a sample of the first event it wants
  lmshooks test crm-completions LEARNER_PROGRESS --set data.progressPercent=100
  lmshooks test crm-completions --at lms.events/3/1042
  lmshooks test crm-completions --json | jq .phases"""
)
@click.argument("subscription_id", metavar="SUBSCRIPTION_ID", shell_complete=subscription_ids)
@event_options
@settings.config_option
@click.option("--show-secrets", is_flag=True, help="Credentials as they are, not masked.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def test(
    subscription_id: str,
    directory: Path,
    name: str | None,
    account: str | None,
    changes: tuple[str, ...],
    file: IO[bytes] | None,
    at: str | None,
    show_secrets: bool,
    as_json: bool,
) -> None:
    """Send one event to a subscription's endpoint, and show the request, the answer, its timing, and the verdict.

    It really posts, through the egress guard, signed, as the daemon would; no daemon and no Kafka is needed, nothing is
    retried, and no position moves. The listener sees an event of its own id.

    Exit status: 0 delivered, 1 any other verdict, 2 usage.
    """
    loaded = settings.loaded(directory)
    one = settings.subscription(loaded.configuration, directory, subscription_id)
    if account is None:
        account = one.account if one.account != "*" else "1001"
    chosen = any(way is not None for way in (name, file, at))
    subject = subject_of(directory, name, account, changes, file, at) if chosen else _wanted(one, account)
    if subject.bad or len(subject.good) != 1:
        why = (
            subject.bad[0][2]
            if subject.bad
            else f"it has {many(len(subject.good), 'event')}, expected one (with --at, an index)"
        )
        raise click.ClickException(f"{subject.source} cannot be sent: {why}")
    event, parsed = subject.good[0]
    notes = _doubts(loaded, one, event, parsed)
    trial = _try(loaded, one, subject, event)
    if as_json:
        click.echo(json.dumps(trial.as_json(one, notes, show_secrets), indent=2))
    else:
        trial.show(one, notes, show_secrets)
    from lmshooks.core.retrying import Verdict

    sys.exit(DELIVERED if trial.verdict is Verdict.DELIVERED else NOT_DELIVERED)


def _doubts(loaded: Loaded, one: Subscription, event: Event, parsed: Mapping[str, Any]) -> list[str]:
    """Why the daemon would not send this event to this subscription, where it would not."""
    from lmshooks.core import explaining

    asked = explaining.explain(loaded.configuration, event, parsed, 0.0)
    mine = next((each for each in asked if each.subscription.id == one.id), None)
    if mine is None:
        return [f"the daemon would not send it: it is of account {event.account}, expected {one.account}"]
    return [] if mine.fate is explaining.Fate.SENT else [f"the daemon would not send it: {mine.why}"]


def _wanted(one: Subscription, account: str) -> Subject:
    """A sample of the first event in the catalogue that the subscription wants, and that passes its filter."""
    from lmshooks.core.catalogue import CATALOGUE
    from lmshooks.core.routing import is_glob, pattern_of

    exact = [name for name in one.events if not is_glob(name)]
    names = exact + [known for known in CATALOGUE if any(pattern_of(glob).match(known) for glob in one.events)]
    if not names:
        raise click.UsageError(f"no event of the catalogue is among {', '.join(one.events)}: name one")
    found: Subject | None = None
    for seed in range(_TRIES):
        for name in names:
            made = sample("lms.events", name, account, (), 1 << 30, None if found is None else seed)
            found = found or made
            if one.filter is None or all(one.filter(parsed) for _, parsed in made.good):
                return made
    assert found is not None
    return found


class Trial(NamedTuple):
    """One attempt, and what it came to."""

    event: Event
    source: str
    request: Request
    outcome: Outcome
    phases: Phases
    verdict: Verdict

    def headers(self, show_secrets: bool) -> list[tuple[str, str]]:
        """What was really sent; before there was an answer, what was to be."""
        sent = self.phases.request_headers or self.request.headers
        return self.request._replace(headers=tuple(sent)).shown(show_secrets)

    def consequence(self, one: Subscription) -> str:
        """What the daemon would do now."""
        from lmshooks.core.retrying import REFUSALS, Verdict, refused, wait_before

        policy = one.retry
        wait = wait_before(2, policy, self.request.delivery_id, self.outcome.retry_after)
        match self.verdict:
            case Verdict.DELIVERED:
                return "settle it and go on with what comes next"
            case Verdict.GONE:
                return f"suspend the subscription and keep what it is owed, until: lmshooks resume {one.id}"
            case Verdict.WAIT:
                return f"hold everything for this subscription, and try again in {spell(wait)}"
            case _ if refused(self.outcome):
                return (
                    f"try it again in {spell(wait)}; refused {REFUSALS} times, it is a dead letter (rejected), and the "
                    "rest goes on"
                )
            case _:
                return (
                    f"try again in {spell(wait)}, then less and less often, at most {spell(policy.ceiling)} apart; "
                    f"after {spell(policy.horizon)} of nothing but failure, suspend the subscription"
                )

    def hint(self) -> str:
        """Where to look first, where that can be told from what came."""
        status = self.outcome.status
        if status is None:
            return _LOOK.get(str(self.outcome.failure), "")
        if 300 <= status < 400:
            return "redirects are not followed: the url is to be where it ends"
        return _LOOK.get(str(status), "")

    def show(self, one: Subscription, notes: Sequence[str], show_secrets: bool) -> None:
        """For people."""
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False, soft_wrap=True)
        outcome = self.outcome
        console.print(Text(f"{self.event.name} {self.event.id} ({self.source}) to {one.id}", "bold"))
        for note in notes:
            console.print(Text(f"note: {note}", "yellow"))
        lines = self.request._replace(headers=tuple(self.headers(True))).lines(show_secrets)
        for line in lines:
            print(f"  > {line}".rstrip())
        print()
        if outcome.status is not None:
            style = "green" if 200 <= outcome.status < 300 else "bold red"
            console.print(Text(f"  < {outcome.status} {self.phases.reason}".rstrip(), style))
            for name, value in self.phases.response_headers:
                print(f"  < {name}: {plain(value)}")
            print("  <")
            for line in outcome.detail.splitlines()[:20]:
                print(f"  < {plain(line)}")
        else:
            console.print(Text(f"  no answer ({outcome.failure}): {outcome.detail}", "bold red"))
        if hint := self.hint():
            console.print(Text(f"  look: {hint}", "bold"))
        print()
        spans = [f"{name} {_ms(span)}" for name, span in self.phases.spans().items()]
        to = f" to {self.phases.address}" if self.phases.address else ""
        console.print(Text(f"{', '.join([*spans, f'all of it {_ms(outcome.elapsed)}'])}{to}", "dim"))
        style = "green" if self.verdict == "delivered" else "bold red"
        console.print(
            Text(f"verdict: {self.verdict}", style).append(f". The daemon would {self.consequence(one)}.", "default")
        )

    def as_json(self, one: Subscription, notes: Sequence[str], show_secrets: bool) -> dict[str, Any]:
        """For programs; times in seconds."""
        outcome, phases = self.outcome, self.phases
        return {
            "subscription": one.id,
            "event": {"eventId": self.event.id, "eventName": self.event.name, "source": self.source},
            "notes": list(notes),
            "request": {
                "url": self.request.url,
                "headers": dict(self.headers(show_secrets)),
                "body": self.request.body.decode("utf-8", "replace"),
            },
            "answer": {
                "status": outcome.status,
                "headers": phases.response_headers,
                "body": outcome.detail if outcome.status is not None else None,
            },
            "failure": outcome.failure,
            "look": self.hint() or None,
            "why": outcome.detail if outcome.status is None else None,
            "address": phases.address,
            "phases": {name.replace(" ", "_"): round(span, 6) for name, span in phases.spans().items()},
            "seconds": round(outcome.elapsed, 6),
            "verdict": self.verdict,
            "next": self.consequence(one),
        }


def _try(loaded: Loaded, one: Subscription, subject: Subject, event: Event) -> Trial:
    from lmshooks.adapters.phases import Phases
    from lmshooks.app import poster_of
    from lmshooks.cli.request import request_of
    from lmshooks.core.retrying import judge

    phases = Phases()
    request = request_of(one, subject.partition, event)

    async def post() -> Outcome:
        poster = poster_of(loaded.daemon)
        try:
            return await poster.post(one.endpoint, request.delivery_id, 1, request.body, phases)
        finally:
            await poster.close()

    outcome = asyncio.run(post())
    return Trial(event, subject.source, request, outcome, phases, judge(outcome, 1, 0))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
