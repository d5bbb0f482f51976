"""What can be wrong with a run, and what is said of one that was judged?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Wrong(StrEnum):
    """Every kind of violation."""

    LOST = "lost"
    """Neither delivered nor given up for a reason that the histories show."""
    UNLOGGED = "acknowledged, and not in the log"
    """Kafka's own loss."""
    DISORDERED = "disordered"
    """A first delivery that came out of its key's order."""
    ASTRAY = "delivered to the wrong subscription"
    INVENTED = "never written"
    ALTERED = "altered"
    """Not what the log holds."""
    EARLY = "early"
    """Windowed, and sent before a range that holds it was durable."""
    RANGE = "window range changed"
    """Other than by a later close."""
    ID = "id changed on retry"
    BODY = "body changed on retry"
    REGROUPED = "grouped anew"
    """Other than by a refusal, or by a crash soon after (law 6)."""
    OVERLAPPING = "two in flight for one key"
    COMMITTED = "committed past something owed"
    MIXED = "live and windowed together"
    REPEATED = "repeated without a cause"
    """Or, after a take-over, from before what law 9 allows."""
    TWO_OWNERS = "two owners"
    """Sent by an instance that had lost the partition longer ago than its session."""
    UNSIGNED = "signature refused"
    LETTERED = "given up wrongly"
    """A dead letter without its reason, or a reason without its dead letter."""


class Cause(StrEnum):
    """Why was an event taken twice?"""

    UNANSWERED = "the answer was lost, late or cut"
    """Any sender that delivers at least once must repeat it, also where the partition changed hands meanwhile."""
    UNHEARD = "answered in time, and not heard in time"
    """Tried again after the time-out although nothing was done to the answer: the machine was too busy to hear it, or
    had held the request up, so that it came when its sender had given it up."""
    TAKEN_OVER = "the partition changed hands"
    """The answer was there to be heard, and what it settled was not durable yet: the daemon's own."""
    UNKNOWN = "unknown"


WHOSE = {
    Cause.UNANSWERED: "inherent", Cause.UNHEARD: "a busy machine's", Cause.TAKEN_OVER: "the daemon's own",
    Cause.UNKNOWN: "the daemon's own",
}  # fmt: skip


class Way(StrEnum):
    """How did an instance lose a partition?"""

    KILLED = "kill -9 of the owner"
    ASLEEP = "owner asleep past its session"
    ALONE = "owner cut off from brokers"
    STOPPED_ALONE = "owner stopped in order while brokers were away"
    BROKERS = "brokers away"
    STOPPED = "owner stopped in order"
    HANDED = "handed over, as another came or went or a partition was added"
    NOTHING = "nothing was done: the instances' first joining, or the group by itself"


@dataclass
class Judgement:
    """What came out."""

    wrong: Counter[Wrong] = field(default_factory=Counter)
    examples: dict[Wrong, list[str]] = field(default_factory=dict)
    """A few of each, as one would look for them."""
    logged: int = 0
    malformed: int = 0
    owed: int = 0
    """Times an event had to reach a subscription."""
    requests: int = 0
    delivered: int = 0
    """First deliveries: an event to a subscription counts one."""
    letters: Counter[str] = field(default_factory=Counter)
    repeated: Counter[Cause] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    """What was done to the listener, or its sender, when an answer was lost, late or cut -> what came again for it."""
    changes: dict[Way, list[int]] = field(default_factory=dict)
    """How a partition was lost -> for each time, how many deliveries were repeated that had been answered."""
    repeated_by: Counter[str] = field(default_factory=Counter)
    """What was repeated by another life than took it first, by that life."""
    takeovers: int = 0

    EXAMPLES = 8

    def convict(self, wrong: Wrong, what: str) -> None:
        """Count a violation."""
        self.wrong[wrong] += 1
        known = self.examples.setdefault(wrong, [])
        if len(known) < self.EXAMPLES:
            known.append(what)

    @property
    def duplicates(self) -> int:
        return sum(self.repeated.values())

    def lines(self) -> list[str]:
        """For people."""
        share = self.duplicates / max(1, self.delivered)
        said = [
            f"{self.logged} events in the log, {self.malformed} malformed records, {self.requests} requests",
            f"{self.delivered} first deliveries, {self.owed} owed; dead letters {dict(self.letters)}",
            f"{self.duplicates} repeated ({share:.3%}): "
            + ", ".join(f"{cause}: {count}" for cause, count in self.repeated.most_common()),
            f"{self.takeovers} take-overs; repeated after: "
            + ", ".join(f"{way} {sum(counts)} in {len(counts)}" for way, counts in sorted(self.changes.items())),
        ]
        if not self.wrong:
            return [*said, "nothing wrong"]
        for wrong, count in self.wrong.most_common():
            said.append(f"WRONG {wrong}: {count}")
            said += [f"    {what}" for what in self.examples[wrong]]
        return said
