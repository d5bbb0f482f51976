"""Does a commit pass anything that is neither settled nor covered? Law 4, at every commit.

What counts as owed is the checker's; what is covered is read from the state topic as a new reader would read it: a
lane's record that owes the position, or a window's record that has not passed it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from lmshooks.core.catalogue import Cadence
from lmshooks.core.positions import Partition
from lmshooks.core.records import Kind, LaneRecord, lane_key, window_key
from tests.laws.logs import Fact, StateLog
from tests.laws.settings import wants

if TYPE_CHECKING:
    from tests.laws.checker import Checker


class Coverage:
    """The events of each subscription that are not settled yet, as far as the log goes."""

    def __init__(self, checker: Checker, state: StateLog) -> None:
        self.checker = checker
        self.state = state
        self.known = 0
        self.open: dict[tuple[str, Partition], list[Fact]] = defaultdict(list)

    def passed(self, partition: Partition, offset: int) -> str | None:
        """What a commit of this offset passes that it may not pass; None where all is well."""
        self._take_in()
        for (name, where), facts in self.open.items():
            if where != partition:
                continue
            left = []
            for place, fact in enumerate(facts):
                if fact.position[0] >= offset:
                    left += facts[place:]
                    break
                if self._settled(name, fact) or self.checker.expired(fact):
                    continue
                left.append(fact)
                if self._wanted(name, fact) and self.checker.owes(name, fact) and not self._covered(name, fact):
                    return f"{name} is owed {fact}, which no record covers"
            facts[:] = left
        return None

    def _take_in(self) -> None:
        fresh = list(self.checker.facts.values())[self.known :]
        self.known += len(fresh)
        for fact in fresh:
            for name in self.checker.used:
                if self._wanted(name, fact):
                    self.open[name, fact.partition].append(fact)

    def _wanted(self, name: str, fact: Fact) -> bool:
        return all(wants(one, fact) for one in self.checker.used[name])

    def _settled(self, name: str, fact: Fact) -> bool:
        checker = self.checker
        return (name, fact.id) in checker.ever_settled or (fact.partition, *fact.position, name) in checker.letters

    def _covered(self, name: str, fact: Fact) -> bool:
        cadence = self.checker.cadence_of(fact)
        if cadence is None:
            return True  # it was changed: which of the two feeds is to send it is not known here
        kind = Kind.WINDOWED if cadence == Cadence.WINDOWED else Kind.REAL_TIME
        value = self.state.view.value(lane_key(fact.partition, kind, name))
        if value is not None:
            return owes(LaneRecord.decode(value), fact)
        if kind is Kind.REAL_TIME:
            return False
        windows = {one.window for one in self.checker.used[name]}
        records = [self.state.view.value(window_key(fact.partition, window)) for window in windows]
        return any(record is not None and record["d"] <= fact.position[0] for record in records)


def owes(record: LaneRecord, fact: Fact) -> bool:
    """Whether a lane that goes on from this record sends the event: from the horizon on, or from where its account is
    held."""
    position = fact.position
    if position >= dict(record.held).get(fact.account, record.horizon):
        return True
    return position in record.owed or any(position in one.members for one in record.pending)
