"""How do events get into Kafka without an LMS? Made-up ones, or those of a file, written as a producer should.

Keyed by account, so that an account's events share a partition and keep their order. `--check` writes nothing: it says
what the daemon would make of a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import click
from click.core import ParameterSource

from lmshooks import samples
from lmshooks.cli import settings
from lmshooks.cli.amounts import many, size
from lmshooks.cli.completing import event_names

WRONG, UNREACHABLE = 1, 2

Record = tuple[bytes, bytes, int]
"""Key, value, and how many events are in it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written, and how fast."""

    names: tuple[str, ...]
    weights: tuple[int, ...]
    count: int
    """Events; 0 goes on for ever."""
    accounts: tuple[int, ...]
    learners: int
    enveloped: bool
    events_per_record: int


@dataclass(slots=True)
class Written:
    """What Kafka has acknowledged so far."""

    records: int = 0
    events: int = 0
    bytes: int = 0


class BadLine(Exception):
    """A line of the file is no record of ours."""


def records(plan: Plan, rng: random.Random, clock: Callable[[], float]) -> Iterator[Record]:
    """Made-up records. Those of one account follow one another in time."""
    made_so_far = 0
    while plan.count == 0 or made_so_far < plan.count:
        account = rng.choice(plan.accounts)
        size = plan.events_per_record if plan.count == 0 else min(plan.count - made_so_far, plan.events_per_record)
        made_so_far += size
        names = rng.choices(plan.names, plan.weights, k=size)
        now = clock()
        made = [
            samples.make_event(name, account, account * 1000 + rng.randrange(plan.learners), now, rng) for name in names
        ]
        value = samples.envelope(account, made) if plan.enveloped else samples.bare(account, made[0])
        yield str(account).encode(), json.dumps(value, separators=(",", ":")).encode(), size


def records_of(lines: IO[bytes]) -> Iterator[Record]:
    """The records of a JSONL file, byte for byte as written, keyed by their account. Raises BadLine."""
    for number, line in enumerate(lines, 1):
        value = line.strip()
        if not value:
            continue
        try:
            record = json.loads(value)
        except ValueError as error:
            raise BadLine(f"line {number}: not JSON ({error})") from error
        if not isinstance(record, dict) or "accountId" not in record:
            raise BadLine(f"line {number}: expected an object with accountId (an envelope, or one event)")
        events = record.get("events")
        yield str(record["accountId"]).encode(), value, len(events) if isinstance(events, list) else 1


async def write(
    client: Mapping[str, Any],
    topic: str,
    source: Iterator[Record],
    rate: float | None,
    tell: Callable[[Written], None],
) -> None:
    """Write every record and tell, a few times a second, what is acknowledged; `rate` is events a second.

    Raises KafkaError where Kafka is away or has not the topic, and for the first record that it did not acknowledge.
    """
    from aiokafka import AIOKafkaProducer

    await _look_for(client, topic)
    producer = AIOKafkaProducer(**client, acks="all", linger_ms=0 if rate else 5, max_batch_size=256 * 1024)
    written, out = Written(), Written()
    waiting: list[asyncio.Future[Any]] = []

    async def settle() -> None:
        await asyncio.gather(*waiting)
        waiting.clear()
        written.records, written.events, written.bytes = out.records, out.events, out.bytes
        tell(written)

    try:
        await producer.start()
        began = told = time.monotonic()
        for key, value, events in source:
            if rate and (early := out.events / rate - (time.monotonic() - began)) > 0:
                await asyncio.sleep(early)
            waiting.append(await producer.send(topic, value, key=key))
            out.records, out.events, out.bytes = out.records + 1, out.events + events, out.bytes + len(value)
            if len(waiting) >= 2000 or time.monotonic() - told > 0.1:
                await settle()
                told = time.monotonic()
        await settle()
    finally:
        with contextlib.suppress(Exception):
            await producer.stop()


async def _look_for(client: Mapping[str, Any], topic: str) -> None:
    """Raises UnknownTopicOrPartitionError: a broker that makes topics by itself would make one of a misspelt name."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import UnknownTopicOrPartitionError

    admin = AIOKafkaAdminClient(**client)
    try:
        await admin.start()
        if topic not in await admin.list_topics():
            raise UnknownTopicOrPartitionError(topic)
    finally:
        with contextlib.suppress(Exception):
            await admin.close()


@click.command(
    epilog="""\b
Examples:
  lmshooks emit --count 1000 --rate 200
  lmshooks emit --event COURSE_COMPLETED --event LEARNER_PROGRESS --account 1010
  lmshooks emit --envelope --events-per-record 20 --count 100000 --json
  lmshooks emit --file captured.jsonl --topic lms.events --bootstrap localhost:9092
  lmshooks emit --check captured.jsonl               # would they arrive?
  lmshooks emit --check event.json --config config   # and with whom?"""
)
@settings.config_option
@click.option(
    "--event",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=event_names,
    help="Only this event. Repeatable. [default: a mix]",
)
@click.option("--force", is_flag=True, help="Write event names that are not in the catalogue, too.")
@click.option(
    "--count", default=100, show_default=True, metavar="N", type=click.IntRange(0), help="Events; 0: until Ctrl-C."
)
@click.option(
    "--rate",
    metavar="N",
    type=click.FloatRange(0, min_open=True),
    help="Events a second. [default: as fast as it goes]",
)
@click.option(
    "--accounts",
    default=3,
    show_default=True,
    metavar="N",
    type=click.IntRange(1),
    help="How many accounts, from 1001 on.",
)
@click.option("--account", "ids", multiple=True, type=int, metavar="ID", help="This account instead. Repeatable.")
@click.option(
    "--learners", default=50, show_default=True, metavar="N", type=click.IntRange(1), help="Learners in each account."
)
@click.option("--envelope/--bare", "enveloped", default=False, help="ALM's envelope, or one event a record. [bare]")
@click.option("--events-per-record", metavar="N", type=click.IntRange(1), help="Events in one envelope. [default: 1]")
@click.option(
    "--file", "file", type=click.File("rb"), help="Write the records of this JSONL file (- is stdin) instead."
)
@click.option(
    "--check",
    "checked",
    type=click.File("rb"),
    help="Write nothing: say what the daemon would make of this file's records (one a line, or one in all; - is "
    "stdin), and with --config who would get them.",
)
@click.option("--topic", help="[default: the first of kafka.topics]")
@click.option("--bootstrap", metavar="HOST:PORT", help="[default: kafka.bootstrap_servers]")
@click.option("--seed", type=int, help="The same seed makes the same events (but for their times).")
@click.option("--json", "as_json", is_flag=True, help="One JSON line at the end instead of a progress bar.")
def emit(
    directory: Path,
    names: tuple[str, ...],
    force: bool,
    count: int,
    rate: float | None,
    accounts: int,
    ids: tuple[int, ...],
    learners: int,
    enveloped: bool,
    events_per_record: int | None,
    file: IO[bytes] | None,
    checked: IO[bytes] | None,
    topic: str | None,
    bootstrap: str | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Write events to the source topic, as an LMS would: keyed by account, realistic, at a rate of your choice.

    Exit status: 0 everything was acknowledged, 1 it was not all right (a bad line, no such topic), 2 Kafka is away.
    Of --check: 0 every record would arrive, 1 some would be dead letters.
    """
    if checked is not None:
        sys.exit(_check(checked, directory, as_json))
    for name in names:
        if name not in samples.MIX and not force:
            raise click.UsageError(
                f"{name} is not in the catalogue{settings.nearest(name, samples.MIX)}; --force writes it anyway"
            )
    if events_per_record is not None and events_per_record > 1 and not enveloped:
        raise click.UsageError("--events-per-record needs --envelope: a bare record holds one event")
    plan = Plan(
        names or tuple(samples.MIX),
        (1,) * len(names) or tuple(samples.MIX.values()),
        count,
        ids or tuple(range(1001, 1001 + accounts)),
        learners,
        enveloped,
        events_per_record or 1,
    )
    client, topic = settings.source(directory, bootstrap, topic)
    settings.quiet()
    source = records_of(file) if file else records(plan, random.Random(seed), time.time)
    total = None if file or count == 0 else count
    done, began = Written(), time.monotonic()

    code, error = 0, ""
    with _shown(total, quiet=as_json) as show:

        def tell(written: Written) -> None:
            done.records, done.events, done.bytes = written.records, written.events, written.bytes
            show(done)

        try:
            asyncio.run(write(client, topic, source, rate, tell))
        except KeyboardInterrupt:
            pass
        except BadLine as bad:
            code, error = WRONG, str(bad)
        except Exception as failed:
            code, error = settings.judge(failed, topic, client)
    took = time.monotonic() - began
    per_second = done.events / took if took else 0.0
    if as_json:
        told = {"topic": topic, **asdict(done), "seconds": round(took, 3), "events_per_second": round(per_second, 1)}
        click.echo(json.dumps(told | ({"error": error} if error else {})))
    elif done.events or not error:
        click.echo(
            f"{many(done.events, 'event')} in {many(done.records, 'record')} ({size(done.bytes)}) to {topic}: "
            f"{took:.1f} s, {per_second:.0f} events/s"
        )
    if error:
        click.echo(f"Error: {error}", err=True)
    sys.exit(code)


def _check(file: IO[bytes], directory: Path, as_json: bool) -> int:
    """Look at every record; the exit code."""
    from lmshooks.cli import checking

    context = click.get_current_context()
    said = [
        f"--{name}"
        for name in ("event", "file", "topic", "bootstrap")
        if context.params["names" if name == "event" else name]
    ]
    if said:
        raise click.UsageError(f"--check writes nothing: take {', '.join(said)} away")
    routed = context.get_parameter_source("directory") is not ParameterSource.DEFAULT
    check, totals = checking.Check(settings.loaded(directory, secrets=False) if routed else None), checking.Totals()
    findings: list[checking.Finding] = []
    for line, value in checking.values_of(file.read()):
        found = check.look(line, value)
        totals.add(found)
        findings += found
    if not findings:
        raise click.ClickException(f"no record in {file.name}: expected JSON, one record a line or one in all")
    if as_json:
        click.echo(json.dumps(vars(totals) | {"found": [each.as_json() for each in findings]}))
    else:
        checking.show(findings, routed)
        click.echo(totals.line(routed))
    return WRONG if totals.dead_letters else 0


@contextlib.contextmanager
def _shown(total: int | None, quiet: bool) -> Iterator[Callable[[Written], None]]:
    """A progress bar for people who watch; nothing for those who do not."""
    if quiet or not sys.stderr.isatty():
        yield lambda written: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.0f} events/s"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("emit", total=total, speed=0.0)
        yield lambda written: bar.update(
            task, completed=written.events, speed=written.events / max(0.001, time.monotonic() - began)
        )
