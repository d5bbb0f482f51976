"""Which event is a command about? A name's sample, a file, standard input, or a place in Kafka."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from lmshooks.cli import settings
from lmshooks.cli.amounts import many
from lmshooks.cli.completing import event_names
from lmshooks.core.catalogue import CATALOGUE

if TYPE_CHECKING:
    from lmshooks.adapters.kafka_client import KafkaSettings
    from lmshooks.core.events import Bad, Good
    from lmshooks.core.positions import Partition

MISSPELT = 0.85
"""How like one of ALM's names (0 to 1) a name must be to be taken for a slip; a producer's own are not."""

F = TypeVar("F", bound=Callable[..., Any])


class Record(NamedTuple):
    """A record that is in no log."""

    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Place(NamedTuple):
    """topic/partition/offset, and perhaps the index of one event in the record."""

    topic: str
    number: int
    offset: int
    event: int | None
    """The index of one event in the record."""

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises click.BadParameter."""
        topic, *numbers = text.split("/")
        if not topic or len(numbers) not in (2, 3) or not all(one.isascii() and one.isdigit() for one in numbers):
            raise click.BadParameter(
                f"found {text!r}, expected TOPIC/PARTITION/OFFSET or TOPIC/PARTITION/OFFSET/INDEX", param_hint="--at"
            )
        return cls(topic, int(numbers[0]), int(numbers[1]), int(numbers[2]) if len(numbers) == 3 else None)


class Subject(NamedTuple):
    """The events of one record, good and bad, and where it lies (or would lie)."""

    partition: Partition
    good: Good
    bad: Bad
    source: str
    """For people."""
    in_log: bool


def event_options(command: F) -> F:
    """`[NAME]`, --account, --set, --file and --at: each of them one way to say which event is meant."""
    for option in (
        click.option("--at", metavar="TOPIC/PARTITION/OFFSET[/INDEX]", help="The events of a record in Kafka."),
        click.option(
            "--file", "file", type=click.File("rb"), help="One record as JSON: an event or an envelope; - stdin."
        ),
        click.option("--set", "changes", multiple=True, metavar="PATH=JSON", help="Change a sample. Repeatable."),
        click.option("--account", metavar="ID", help="Of a sample. [default: that of a subscription]"),
        click.argument("name", required=False, shell_complete=event_names),
    ):
        command = option(command)
    return command


def subject_of(
    directory: Path, name: str | None, account: str, changes: Sequence[str], file: IO[bytes] | None, at: str | None
) -> Subject:
    """The event that was chosen; ends the command where none was, or more than one way."""
    if (name is not None) + (file is not None) + (at is not None) != 1:
        raise click.UsageError("say which event, in one way: a NAME from the catalogue, --file, or --at")
    if changes and name is None:
        raise click.UsageError("--set changes a sample: name the event")
    loaded = settings.loaded(directory)
    limit = loaded.daemon.limits.event_bytes
    if at is not None:
        return _of_log(loaded.daemon.kafka, Place.parse(at), limit)
    topic = loaded.daemon.kafka.topics[0] if loaded.daemon.kafka.topics else "lms.events"
    if file is not None:
        name_of = getattr(file, "name", "-")
        where = "standard input" if name_of in ("-", "<stdin>", 0) else str(name_of)
        return _parsed(topic, 0, Record(0, int(time.time() * 1000), file.read().strip()), limit, where)
    assert name is not None
    return sample(topic, name, account, changes, limit)


def sample(topic: str, name: str, account: str, changes: Sequence[str], limit: int, seed: int | None = None) -> Subject:
    """A made-up event of this name, as `lmshooks emit` makes them."""
    from lmshooks import samples

    now = time.time()
    rng = random.Random(seed)
    identity: int | str = int(account) if account.isascii() and account.isdigit() else account
    made = samples.make_event(name, identity, rng.randrange(1, 500), now, rng)
    for change in changes:
        _change(made, change)
    value = json.dumps(samples.bare(identity, made), separators=(",", ":")).encode()
    known = "a sample"
    if name not in CATALOGUE:
        known += f"; the name is not in the catalogue{settings.nearest(name, CATALOGUE, MISSPELT)}"
    return _parsed(topic, 0, Record(0, int(now * 1000), value), limit, known)


def _change(event: dict[str, Any], change: str) -> None:
    """`data.hasPassed=false`: the value is JSON, or else text."""
    path, equals, text = change.partition("=")
    *parents, last = path.split(".")
    if not equals or not all((*parents, last)):
        raise click.BadParameter(
            f"found {change!r}, expected PATH=JSON such as data.hasPassed=false", param_hint="--set"
        )
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    at = event
    for key in parents:
        inner = at.setdefault(key, {})
        if not isinstance(inner, dict):
            raise click.BadParameter(f"{path}: {key} is no object in the sample", param_hint="--set")
        at = inner
    at[last] = value


def _parsed(topic: str, number: int, record: Any, limit: int, source: str, in_log: bool = False) -> Subject:
    from lmshooks.core.events import parse
    from lmshooks.core.positions import Partition

    good, bad = parse(record, limit)
    return Subject(Partition(topic, number), good, bad, source, in_log)


def _of_log(kafka: KafkaSettings, place: Place, limit: int) -> Subject:
    from lmshooks.cli.reading import NotThere, record_at

    try:
        record = asyncio.run(record_at(kafka, place.topic, place.number, place.offset))
    except NotThere as error:
        raise click.ClickException(str(error)) from None
    where = f"{place.topic}/{place.number}/{place.offset}"
    found = _parsed(place.topic, place.number, record, limit, where, in_log=True)
    if place.event is None:
        return found
    good = [pair for pair in found.good if pair[0].position[1] == place.event]
    bad = [one for one in found.bad if one[0] == place.event]
    if not good and not bad:
        held = many(len(found.good) + len(found.bad), "event")
        raise click.ClickException(f"the record at {where} has {held}: there is no index {place.event}")
    return found._replace(good=good, bad=bad, source=f"{where}/{place.event}")
