"""What was seen of a run? Lines of what every party did, written while it happens and read when all is over.

Each kind of line is a file of its own. Times are seconds since the epoch by the one clock of the machine. Nothing here
is known from inside the daemon, but for the name that it gives itself in its claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, TypeVar

import orjson

Line = TypeVar("Line", bound="tuple[Any, ...]")


class Acknowledged(NamedTuple):
    """The producer was told that an event is in the log."""

    at: float
    number: int
    partition: int
    offset: int
    sent: float


class Logged(NamedTuple):
    """An event as the log holds it: read when all is over."""

    partition: int
    offset: int
    place: int
    """Of the event within its record."""
    number: int
    """-1: malformed on purpose."""
    account: int
    name: str
    learner: int
    level: int
    poison: bool
    at: float
    """When it was written."""
    digest: int
    """Of what it says (`digest_of`)."""


class Taken(NamedTuple):
    """A listener dealt with a request."""

    at: float
    """When it had all of it and decided."""
    ended: float
    """When it was done with it, or saw that the other side had gone."""
    subscription: str
    id: str
    attempt: int
    status: int
    """What it decided to answer; 0: nothing. A 2xx: it has taken the events, whatever becomes of the answer."""
    told: bool
    """Whether the whole answer was written before the other side went."""
    sender: str
    """The instance and its life, as its own configuration says."""
    digest: str
    """Of the body."""
    numbers: tuple[int, ...]
    content: str
    """Of the events' digests, one after the other."""
    verified: bool


class Recorded(NamedTuple):
    """An entry of the state topic."""

    seen: float
    offset: int
    at: float
    key: str
    value: str | None


class Sampled(NamedTuple):
    """The group's committed offsets, and then the state topic's end."""

    at: float
    committed: dict[str, int]
    state_end: int


class Lettered(NamedTuple):
    """A dead letter."""

    at: float
    reason: str
    partition: int
    offset: int
    place: int
    subscription: str


class Lived(NamedTuple):
    """A life of an instance began: `claims` is what its claims call it."""

    at: float
    sender: str
    claims: str


class Versioned(NamedTuple):
    """The files say something else from now on."""

    at: float
    said: dict[str, Any]
    """A `Version`, as `asdict` gives it."""


class Faulted(NamedTuple):
    """A fault: from when to when, and what it hit."""

    began: float
    ended: float
    kind: str
    target: str


class Weighed(NamedTuple):
    """Resident memory of an instance, in bytes."""

    at: float
    sender: str
    resident: int


KINDS: dict[type[tuple[Any, ...]], str] = {
    Acknowledged: "acknowledged", Logged: "logged", Taken: "taken", Recorded: "recorded", Sampled: "sampled",
    Lettered: "lettered", Lived: "lived", Versioned: "versioned", Faulted: "faulted", Weighed: "weighed",
}  # fmt: skip


def digest_of(event: Any) -> int:
    """Six bytes that tell one event's content from another's."""
    return int.from_bytes(blake2b(orjson.dumps(event), digest_size=6).digest())


def content_of(digests: Iterable[int]) -> str:
    """The digest of several events in their order."""
    return blake2b(b"".join(one.to_bytes(6) for one in digests), digest_size=6).hexdigest()


class Histories(NamedTuple):
    """Everything the checker is told."""

    versioned: Sequence[Versioned]
    acknowledged: Iterable[Acknowledged]
    logged: Iterable[Logged]
    taken: Iterable[Taken]
    """In the order of `at`."""
    recorded: Iterable[Recorded]
    sampled: Sequence[Sampled] = ()
    lettered: Sequence[Lettered] = ()
    lived: Sequence[Lived] = ()
    faulted: Sequence[Faulted] = ()


class Book:
    """The histories of one run, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[type, IO[bytes]] = {}

    def write(self, line: tuple[Any, ...]) -> None:
        """Append a line of whatever kind it is."""
        kind = type(line)
        file = self._files.get(kind)
        if file is None:
            file = self._files[kind] = self._path(kind).open("ab")
        file.write(orjson.dumps(tuple(line)) + b"\n")

    def read(self, kind: type[Line]) -> Iterator[Line]:
        """The lines of a kind, in the order in which they were written."""
        file = self._files.get(kind)
        if file is not None:
            file.flush()
        path = self._path(kind)
        if not path.exists():
            return
        with path.open("rb") as lines:
            for line in lines:
                yield kind(*orjson.loads(line))

    def ordered(self, kind: type[Line]) -> Iterator[Line]:
        """The lines of a kind, in the order of their first field; what is kept meanwhile are the lines' bytes."""
        file = self._files.get(kind)
        if file is not None:
            file.flush()
        path = self._path(kind)
        lines = path.read_bytes().splitlines() if path.exists() else []
        lines.sort(key=lambda line: float(line[1 : line.index(b",")]))
        for line in lines:
            yield kind(*orjson.loads(line))

    def histories(self) -> Histories:
        """Everything, as the checker takes it."""
        return Histories(
            list(self.read(Versioned)), self.read(Acknowledged), self.read(Logged), self.ordered(Taken),
            self.read(Recorded), list(self.ordered(Sampled)), list(self.read(Lettered)), list(self.ordered(Lived)),
            list(self.ordered(Faulted)),
        )  # fmt: skip

    def close(self) -> None:
        """Write out what is in memory."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _path(self, kind: type) -> Path:
        return self.folder / f"{KINDS[kind]}.jsonl"
