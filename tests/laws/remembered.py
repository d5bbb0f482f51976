"""What is remembered of an event, of a delivery, and of checkpoints, to judge what comes later?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import inf

from lmshooks.core.positions import Partition


@dataclass
class Settled:
    """An event of a subscription was settled in a tenure."""

    instance: str
    tenure: int
    at: float


@dataclass
class First:
    """A delivery's first attempt."""

    id: str
    members: frozenset[str]
    instance: str
    tenure: int
    at: float
    refused: bool = False


@dataclass
class Checkpoints:
    """The completed checkpoints of every tenure."""

    kept: int = 3
    """After so many that began later, something is durable (laws 6, 9): more where one has not room for all records."""
    _began: dict[tuple[str, Partition, int], list[float]] = field(default_factory=lambda: defaultdict(list))

    def completed(self, instance: str, partition: Partition, tenure: int, began: float) -> None:
        """One was completed."""
        self._began[instance, partition, tenure].append(began)

    def handed_over(self, instance: str, partition: Partition, tenure: int) -> None:
        """The tenure ended in order: with that all of it is durable."""
        self._began[instance, partition, tenure] += [inf] * self.kept

    def since(self, one: First | Settled, partition: Partition) -> int:
        """How many of its tenure began after it."""
        return sum(began > one.at for began in self._began.get((one.instance, partition, one.tenure), ()))

    def tell(self, one: First | Settled, partition: Partition) -> bool:
        """Whether they were enough for a later tenure to know of it."""
        return self.since(one, partition) >= self.kept
