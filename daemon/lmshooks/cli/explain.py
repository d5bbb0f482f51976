"""Who gets this event, who does not, and why? And what exactly would be sent?"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from lmshooks.cli import settings
from lmshooks.cli.completing import subscription_ids
from lmshooks.cli.subject import Subject, event_options, subject_of
from lmshooks.core.durations import spell

if TYPE_CHECKING:
    from lmshooks.cli.request import Request
    from lmshooks.core.configuration import Configuration
    from lmshooks.core.events import Event
    from lmshooks.core.explaining import Explanation

GOT, NOBODY = 0, 1

_SIGNS = {"sent": ("yes", "green"), "held": ("held", "yellow"), "skipped": ("no", "red"), "unnamed": ("no", "red")}


@click.command(
    epilog="""\b
Examples:
  lmshooks explain COURSE_COMPLETED --account 1010
  lmshooks explain COURSE_COMPLETED --set data.hasPassed=false
  lmshooks explain --at lms.events/3/1042          # of an event that did not arrive
  kcat -C -c 1 ... | lmshooks explain --file -
  lmshooks explain COURSE_COMPLETED --only crm --curl | sh"""
)
@settings.config_option
@event_options
@click.option("--only", shell_complete=subscription_ids, metavar="ID", help="Of this subscription alone.")
@click.option("--curl", is_flag=True, help="The requests as commands to paste; the rest as comments.")
@click.option("--show-secrets", is_flag=True, help="Credentials as they are, not masked.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def explain(
    directory: Path,
    name: str | None,
    account: str | None,
    changes: tuple[str, ...],
    file: IO[bytes] | None,
    at: str | None,
    only: str | None,
    curl: bool,
    show_secrets: bool,
    as_json: bool,
) -> None:
    """Explain who gets an event: every subscription of its account and of "*", why or why not, when, and the request.

    NAME takes a sample of that event; --file a record as its producer wrote it; --at a record in Kafka. A request is
    what would be sent if the event went alone, signed now; under load several events share one.

    Exit status: 0 somebody gets it, 1 nobody does (or it is malformed), 2 usage.
    """
    configuration = settings.loaded(directory).configuration
    asked = [settings.subscription(configuration, directory, only)] if only else configuration.subscriptions.values()
    if account is None:
        account = next((one.account for one in asked if one.account != "*"), "1001")
    subject = subject_of(directory, name, account, changes, file, at)
    told = _explained(configuration, subject, only)
    if as_json:
        click.echo(json.dumps(_as_json(subject, told, show_secrets), indent=2))
    else:
        _show(configuration, subject, told, curl, show_secrets)
    sys.exit(GOT if any(one.wanted for _, explanations in told for one, _ in explanations) else NOBODY)


Told = list[tuple["Event", list[tuple["Explanation", "Request | None"]]]]


def _explained(configuration: Configuration, subject: Subject, only: str | None) -> Told:
    from lmshooks.cli.request import request_of
    from lmshooks.core import explaining

    told: Told = []
    for event, parsed in subject.good:
        found = explaining.explain(configuration, event, parsed, time.time())
        kept = [one for one in found if only in (None, one.subscription.id)]
        pairs = [(one, request_of(one.subscription, subject.partition, event) if one.wanted else None) for one in kept]
        told.append((event, pairs))
    return told


def _show(configuration: Configuration, subject: Subject, told: Told, curl: bool, show_secrets: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    margin = "# " if curl else ""
    for index, reason, why in subject.bad:
        console.print(Text(f"{margin}event {index} of {subject.source}: {reason}, a dead letter: {why}", "bold red"))
    for event, pairs in told:
        about = f"{event.name} {event.id} of account {event.account} ({subject.source}, {len(event.raw)} bytes)"
        console.print(Text(f"{margin}{about}", "bold"))
        wide = max((len(one.subscription.id) for one, _ in pairs), default=0)
        for one, _ in pairs:
            sign, style = _SIGNS.get(one.fate, ("no", "red"))
            line = Text(f"{margin}  {sign:<4}  ", style).append(f"{one.subscription.id:<{wide}}  ", "bold")
            console.print(line.append(one.why + _close(one), "default"))
        wanted = sum(one.wanted for one, _ in pairs)
        others = sum(one.account not in (event.account, "*") for one in configuration.subscriptions.values())
        rest = f" ({others} of other accounts are not asked)" if others else ""
        console.print(Text(f"{margin}{wanted} of {len(pairs)} get it{rest}", "bold"))
        for one, request in pairs:
            if request is None:
                continue
            console.print()
            if curl:
                if request.masks(show_secrets):
                    click.echo(
                        f"note: {one.subscription.id}: a credential is masked, --show-secrets shows it", err=True
                    )
                print(f"# {one.subscription.id}")
                print(request.curl(show_secrets))
            else:
                console.print(Text(f"to {one.subscription.id}:", "bold"))
                for line_ in request.lines(show_secrets):
                    print(f"  {line_}" if line_ else "")


def _close(one: Explanation) -> str:
    if one.closes_at is None:
        return ""
    at = datetime.fromtimestamp(one.closes_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f" (in {spell(max(0.0, one.closes_at - time.time()))}, {at})"


def _as_json(subject: Subject, told: Told, show_secrets: bool) -> dict[str, Any]:
    return {
        "source": subject.source,
        "malformed": [{"index": index, "reason": str(reason), "why": why} for index, reason, why in subject.bad],
        "events": [
            {
                "eventId": event.id,
                "eventName": event.name,
                "accountId": event.account,
                "subscriptions": [
                    {
                        "id": one.subscription.id,
                        "fate": str(one.fate),
                        "wanted": one.wanted,
                        "why": one.why,
                        "window": one.subscription.window if one.closes_at is not None else None,
                        "closes_at": one.closes_at,
                        "request": request
                        and {
                            "url": request.url,
                            "headers": dict(request.shown(show_secrets)),
                            "body": request.body.decode("utf-8", "replace"),
                        },
                    }
                    for one, request in pairs
                ],
            }
            for event, pairs in told
        ],
    }
