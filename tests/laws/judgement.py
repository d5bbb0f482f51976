"""Was everything promised delivered? Law 1 at the end of a run, once all is quiet; and law 12, never both ways."""

from __future__ import annotations

from lmshooks.core.configuration import Configuration
from tests.laws.checker import Checker
from tests.laws.logs import Fact
from tests.laws.settings import wants
from tests.laws.violation import Violation


def judge(checker: Checker, final: Configuration) -> None:
    """Law 1, and never both live and windowed: everything owed is delivered or buried, once all is quiet."""
    for name, subscription in final.subscriptions.items():
        if not subscription.active:
            continue
        for fact in checker.facts.values():
            _delivered(checker, name, fact)
    for partition, offset, index in checker.malformed:
        floor = checker.letter_floor.get(partition)
        if any(start <= offset < end for start, end in checker.lost[None, partition]):
            continue
        if floor is not None and offset >= floor and (partition, offset, index, None) not in checker.letters:
            raise Violation("1", f"malformed {partition} {offset} {index} has no dead letter")


def _delivered(checker: Checker, name: str, fact: Fact) -> None:
    found: set[str] = set()
    for delivery in checker.delivered_as.get((name, fact.id), ()):
        found |= checker.kinds.get(delivery, set())
    if len(found) > 1:
        raise Violation("12", f"{name} was sent {fact} both live and windowed")
    if not all(wants(one, fact) for one in checker.used[name]):
        return
    if not checker.owes(name, fact) or (name, fact.id) in checker.accepted:
        return
    if fact.poison and (fact.partition, *fact.position, name) in checker.letters:
        return
    if checker.expired(fact):
        said_lost = checker.lost[name, fact.partition] + checker.lost[None, fact.partition]
        if any(start <= fact.position[0] < end for start, end in said_lost):
            return
        raise Violation("1", f"{name} was never sent {fact}, which expired without a word")
    raise Violation("1", f"{name} was never sent {fact}")
