"""What is really being sent? `lmshooks listen`: a local listener that verifies deliveries and prints their events."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import orjson

from lmshooks.cli.amounts import many
from lmshooks.cli.terminal import plain
from lmshooks.core.keys import BadSecret, PublicKey, VerifyingKey, parse_verifying_key
from lmshooks.listener import Answers, Listener, Received

if TYPE_CHECKING:
    from rich.console import Console


class Line(NamedTuple):
    """One printed event; the fields of `--json` under the same names."""

    at: str
    eventName: str  # noqa: N815  # the payload's own word
    account: str
    eventId: str  # noqa: N815
    webhookId: str  # noqa: N815
    attempt: int | None
    verified: bool | None
    status: int | None
    problem: str | None


def lines(received: Received) -> list[Line]:
    """One line an event; a request that holds none, or cannot be read, is one line with its problem."""
    at = datetime.fromtimestamp(received.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    rest = (received.delivery_id, received.attempt, received.verified, received.status)
    try:
        account, events = received.payload()
    except ValueError as error:
        return [Line(at, "", "", "", *rest, received.problem or f"{received.method} {received.path}: {error}")]
    if not events:
        return [Line(at, "", account, "", *rest, received.problem or "the envelope holds no event")]
    return [
        Line(at, str(event.get("eventName", "")), account, str(event.get("eventId", "")), *rest, received.problem)
        for event in events
    ]


def _json(received: Received) -> None:
    out = sys.stdout
    for line in lines(received):
        out.write(orjson.dumps(line._asdict()).decode() + "\n")
    out.flush()


def _pretty(console: Console) -> Callable[[Received], None]:
    from rich.text import Text  # a second of import that `--json` and `--help` do not need

    def show(received: Received) -> None:
        for line in lines(received):
            text = Text(overflow="ignore", no_wrap=True)
            local = datetime.fromtimestamp(received.at).astimezone()
            text.append(local.strftime("%H:%M:%S.%f")[:-3], "dim")
            text.append(f"  {plain(line.eventName) or '-':<32}", "bold")
            text.append(f"  {plain(line.account) or '-':<10}", "cyan")
            text.append(f"  {plain(line.eventId) or '-':<36}")
            text.append(f"  {plain(line.webhookId)[-8:] or '-':<8}", "dim")
            attempt = "-" if line.attempt is None else f"#{line.attempt}"
            text.append(f"  {attempt:<4}", "yellow" if (line.attempt or 1) > 1 else "dim")
            text.append("  ")
            text.append(*_verdict(line))
            console.print(text, soft_wrap=True)

    return show


def _verdict(line: Line) -> tuple[str, str]:
    if line.status is None:
        return "no answer", "magenta"
    said = {True: "verified", False: "NOT VERIFIED", None: "unsigned ok"}[line.verified]
    problem = f": {plain(line.problem)}" if line.problem else ""
    good = 200 <= line.status < 300
    return f"{line.status} {said}{problem}", "green" if good and line.verified is not False else "red"


def _keys(names: tuple[str, ...], files: tuple[Path, ...]) -> tuple[VerifyingKey, ...]:
    found: list[VerifyingKey] = []
    for name in names:
        if not os.environ.get(name):
            raise click.BadParameter(
                f"environment variable {name} is not set, expected whsec_... or whpk_...", param_hint="--secret-env"
            )
        found.append(_key(os.environ[name], f"environment variable {name}", "--secret-env"))
    for file in files:
        texts = [text for text in file.read_text().splitlines() if text.strip()]
        if not texts:
            raise click.BadParameter(f"{file} is empty, expected whsec_... or whpk_...", param_hint="--secret-file")
        found.extend(_key(text, str(file), "--secret-file") for text in texts)
    return tuple(found)


def _key(text: str, where: str, hint: str) -> VerifyingKey:
    try:
        return parse_verifying_key(text.strip())
    except BadSecret as error:
        raise click.BadParameter(f"{where}: {error}", param_hint=hint) from None


def _counted(keys: tuple[VerifyingKey, ...]) -> str:
    public = sum(isinstance(key, PublicKey) for key in keys)
    counts = {"secret": len(keys) - public, "public key": public}
    return " and ".join(many(count, kind) for kind, count in counts.items() if count)


async def _serve(listener: Listener, started: Callable[[], Any]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await listener.start()
    try:
        started()
        await stop.wait()
    finally:
        await listener.close()


@click.command(short_help="Run a local listener that verifies deliveries and prints their events.")
@click.option(
    "--port", default=8099, show_default=True, metavar="N", type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--secret-env",
    "names",
    multiple=True,
    metavar="NAME",
    help="A variable with a whsec_ secret or a whpk_ public key; repeatable.",
)
@click.option(
    "--secret-file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with one of them a line; repeatable.",
)
@click.option(
    "--status",
    default=200,
    show_default=True,
    metavar="N",
    type=click.IntRange(200, 599),
    help="What a good answer says.",
)
@click.option("--delay", default=0.0, type=click.FloatRange(0), metavar="SECONDS", help="Wait before each answer.")
@click.option("--fail-rate", default=0.0, type=click.FloatRange(0, 1), metavar="SHARE", help="Answer this share badly.")
@click.option(
    "--fail-status",
    default=500,
    show_default=True,
    metavar="N",
    type=click.IntRange(200, 599),
    help="What a bad one says.",
)
@click.option("--retry-after", metavar="SECONDS|DATE", help="Send Retry-After with every answer that is not 2xx.")
@click.option("--hang", is_flag=True, help="Take requests and never answer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event, for jq and scripts.")
def listen(
    port: int,
    host: str,
    names: tuple[str, ...],
    files: tuple[Path, ...],
    status: int,
    delay: float,
    fail_rate: float,
    fail_status: int,
    retry_after: str | None,
    hang: bool,
    as_json: bool,
) -> None:
    """Run a local listener: it verifies deliveries and prints one line an event.

    Each line tells the time, event name, account, eventId, the end of the webhook-id (the same over the attempts of a
    delivery), the attempt, and how it was answered. With a secret or a public key, a request whose signature does not
    hold is answered with 401. Ctrl-C stops it.

    \b
    Watch signed deliveries arrive:
      export WEBHOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
      lmshooks listen --secret-env WEBHOOK_SECRET
      lmshooks listen --secret-file config/secrets/crm.pub    the public half of a key pair

    \b
    See what lmshooks does with an endpoint that fails:
      lmshooks listen --fail-rate 0.2            a fifth of the answers is a 500
      lmshooks listen --status 429 --retry-after 30
      lmshooks listen --hang                     time-outs

    \b
    Count events by name:
      lmshooks listen --json | jq -r .eventName | sort | uniq -c

    The subscription's url is http://127.0.0.1:8099/; plain http and this address must be allowed in daemon.yaml:
    egress.allow_http and egress.allow_networks.

    Exit status: 0 stopped by Ctrl-C, 1 it cannot listen there, 2 usage.
    """
    keys = _keys(names, files)
    answers = Answers(status, delay, fail_rate, fail_status, retry_after, hang)
    show: Callable[[Received], None] = _json
    if not as_json:
        from rich.console import Console

        show = _pretty(Console(highlight=False))

    async def main() -> Listener:
        listener = Listener(host, port, secrets=keys, answers=answers, on_request=show)
        checking = "not verifying signatures (no secret given)"
        if keys:
            checking = f"verifying with {_counted(keys)}"
        await _serve(listener, lambda: click.echo(f"listening on {listener.url}, {checking}; Ctrl-C stops", err=True))
        return listener

    try:
        counts = _run(main).counts
    except OSError as error:
        raise click.ClickException(f"{host}:{port}: {error.strerror or error}; choose another with --port") from None
    answered = ", ".join(f"{number} x {status}" for status, number in sorted(counts.statuses.items())) or "nothing"
    came = many(counts.requests, "request")
    click.echo(f"stopped; {came}, {counts.unverified} not verified; answered {answered}", err=True)


def _run(main: Callable[[], Any]) -> Listener:
    try:
        import uvloop  # not on every platform
    except ImportError:
        return asyncio.run(main())  # type: ignore[no-any-return]
    return uvloop.run(main())  # type: ignore[no-any-return]
