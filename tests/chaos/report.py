"""What is told of a run? docs/faults.md for people, faults.json for programs, two pictures."""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.chaos.checker import Checker
from tests.chaos.histories import Book, Faulted, Weighed
from tests.chaos.measures import delays, memory, quantile, real_time, recoveries
from tests.chaos.pictures import chart
from tests.chaos.verdicts import WHOSE, Cause, Wrong
from tests.kafka.jars import POM

CLAIMED = (
    Wrong.LOST, Wrong.DISORDERED, Wrong.EARLY, Wrong.ASTRAY, Wrong.ALTERED, Wrong.ID, Wrong.BODY, Wrong.REGROUPED,
    Wrong.OVERLAPPING, Wrong.COMMITTED, Wrong.MIXED, Wrong.RANGE, Wrong.TWO_OWNERS, Wrong.REPEATED, Wrong.LETTERED,
    Wrong.INVENTED, Wrong.UNSIGNED, Wrong.UNLOGGED,
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What cannot be read in the histories."""

    seed: int
    minutes: float
    rate: float
    command: str
    settled: float | None
    """Seconds from the end of the load until nothing was owed; None: it did not come to that."""
    exits: Mapping[str, int]
    """Why an instance ended by itself -> how often."""

    def save(self, folder: Path) -> None:
        """Beside the histories, so that they can be judged again."""
        # `asdict` makes a Counter anew, of its pairs.
        (folder / "run.json").write_text(json.dumps(asdict(replace(self, exits=dict(self.exits)))))

    @classmethod
    def load(cls, folder: Path) -> Run:
        """What `save` wrote."""
        return cls(**json.loads((folder / "run.json").read_text()))


def told(run: Run, checker: Checker, book: Book) -> dict[str, Any]:
    """Everything as numbers."""
    judgement = checker.judgement
    faults = list(book.ordered(Faulted))
    back, alone = recoveries(checker, faults)
    counts = Counter(fault.kind for fault in faults)
    return {
        "seed": run.seed, "minutes": run.minutes, "rate": run.rate, "command": run.command,
        "versions": versions(),
        "events": judgement.logged, "malformed": judgement.malformed, "requests": judgement.requests,
        "deliveries": judgement.delivered, "owed": judgement.owed, "takeovers": judgement.takeovers,
        "settled_seconds": run.settled, "ended_by_themselves": dict(run.exits),
        "wrong": {str(wrong): judgement.wrong[wrong] for wrong in CLAIMED},
        "examples": {str(wrong): examples for wrong, examples in judgement.examples.items()},
        "repeated": {str(cause): judgement.repeated[cause] for cause in Cause},
        "unanswered": dict(judgement.unanswered.most_common()),
        "changes_of_hands": {
            str(way): {
                "count": len(counts), "repeated": sum(counts), "p50": quantile(sorted(counts), 0.5), "max": max(counts)
            }
            for way, counts in sorted(judgement.changes.items())
        },
        "dead_letters": dict(judgement.letters),
        "faults": {
            kind: {
                "count": count,
                "recovery_p50": round(quantile(back.get(kind, []), 0.5), 2),
                "recovery_p99": round(quantile(back.get(kind, []), 0.99), 2),
                "recovery_max": round(max(back.get(kind, [0.0])), 2),
                "alone": {
                    "count": len(alone.get(kind, [])),
                    "p50": round(quantile(alone.get(kind, []), 0.5), 2),
                    "max": round(max(alone.get(kind, [0.0])), 2),
                },
            }
            for kind, count in sorted(counts.items())
        },
        "memory_mib": {
            name: {"first": round(line[0][1]), "most": round(max(one[1] for one in line)), "last": round(line[-1][1])}
            for name, line in memory(book.ordered(Weighed)).items()
        },
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Of what took part."""
    kafka = re.search(r"<kafka.version>([^<]+)", POM.read_text())
    packages = {name: version(name) for name in ("lmshooks", "aiokafka", "aiohttp", "uvloop")}
    return {"Python": platform.python_version(), "Apache Kafka": kafka[1] if kafka else "?", **packages}


REMARKS = "\n## What to make of it\n"
"""Where the part of the page begins that is written by hand."""


def written(run: Run, checker: Checker, book: Book, folder: Path) -> str:
    """Write the four files; returns the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = told(run, checker, book)
    faults = list(book.ordered(Faulted))
    found = delays(real_time(checker, "every"))
    pictures = {
        "faults-memory.svg": chart("Resident memory of the instances", "MiB", memory(book.ordered(Weighed)), faults),
        "faults-delay.svg": chart(
            "From the log to the listener of all accounts, real-time events",
            "s",
            {"p50": [(one.at, one.median) for one in found], "p99": [(one.at, one.p99) for one in found]},
            faults,
            log=True,
        ),
    }
    for name, text in pictures.items():
        (folder / name).write_text(text)
    (folder / "faults.json").write_text(json.dumps(numbers, indent=1) + "\n")
    text = "\n".join(lines(numbers)) + "\n"
    page = folder / "faults.md"
    page.write_text(text + remarks(page))
    return text


def remarks(page: Path) -> str:
    """What somebody wrote below an earlier report: it stays, to be looked at again."""
    _, heading, said = (page.read_text() if page.exists() else "").partition(REMARKS)
    return heading + said


def lines(numbers: dict[str, Any]) -> Iterator[str]:
    """The page."""
    repeated = sum(numbers["repeated"].values())
    own = sum(count for cause, count in numbers["repeated"].items() if WHOSE[Cause(cause)] == "the daemon's own")
    faults = sum(one["count"] for one in numbers["faults"].values())
    least = min((one["count"] for one in numbers["faults"].values()), default=0)
    settled = numbers["settled_seconds"]
    yield from (
        "# What lmshooks loses, repeats and disorders under faults",
        "",
        "Made by `tests/chaos` from the histories of one run: what a producer was acknowledged, what the logs hold,",
        "what listeners took, what the state topic and the group's offsets said. The checker asks nothing of the",
        "daemon; that it sees what it must is held by `tests/chaos/test_checker.py` and `make chaos-proof`.",
        "",
        f"    {numbers['command']}",
        "",
        f"Seed {numbers['seed']}, {numbers['minutes']:g} minutes, {numbers['rate']:g} events/s; three brokers "
        "(replication 3, min.insync.replicas 2),",
        "three instances (two with a stable instance id; nice, so that the brokers on the same cores come first), "
        "seven subscriptions. " + ", ".join(f"{name} {said}" for name, said in numbers["versions"].items()) + ".",
        "The seed decides what is done; when a process gets to run, and so the exact counts, differ from run to run.",
        "",
        "| | |",
        "|---|---|",
        f"| events in the log | {numbers['events']:,} and {numbers['malformed']:,} malformed records |",
        f"| deliveries (an event to a subscription) | {numbers['deliveries']:,} in {numbers['requests']:,} requests |",
        f"| faults | {faults:,} of {len(numbers['faults'])} kinds, each {least} times at least |",
        f"| times a partition was taken over | {numbers['takeovers']} |",
        f"| repeated deliveries | {repeated:,} ({_share(repeated, numbers)}); of these by the daemon's own doing "
        f"{own:,} ({_share(own, numbers)}) |",
        f"| dead letters | {', '.join(f'{n:,} {reason}' for reason, n in numbers['dead_letters'].items()) or 'none'} |",
        f"| nothing owed after the load ended | {'never' if settled is None else f'after {settled:.0f} s'} |",
        f"| lives of instances that ended by themselves | {sum(numbers['ended_by_themselves'].values())} |",
        *(f"| ... {why.replace('|', '/')} | {count} |" for why, count in numbers["ended_by_themselves"].items()),
        "",
        "## What went wrong",
        "",
        "| law broken | times |",
        "|---|---|",
    )
    for wrong, count in numbers["wrong"].items():
        yield f"| {wrong} | {count} |"
    for wrong, examples in numbers["examples"].items():
        yield from ("", f"{wrong}:", "", *(f"    {example}" for example in examples))
    yield from ("", "## What came twice, and why", "", "| whose | cause | deliveries | share |", "|---|---|---|---|")
    for cause, count in numbers["repeated"].items():
        yield f"| {WHOSE[Cause(cause)]} | {cause} | {count:,} | {_share(count, numbers)} |"
    yield from (
        "",
        "Inherent: the listener had taken the events, and its answer was lost, late or cut (the harness did that), so",
        "any sender that delivers at least once must repeat them, whatever it writes down. The daemon's own: the",
        "answer was there to be heard, and what it settled was not durable yet when the partition changed hands. Law 9",
        "allows what was settled since the third-last checkpoint; after an owner that stopped in order, nothing.",
        "The checker sees a checkpoint only where it wrote to the state topic, so it convicts what was settled before",
        "the fourth-last such write, unless the group had not committed past it.",
        "",
        "| inherent: what was done to the listener, or to its sender, within the time-out | deliveries | share |",
        "|---|---|---|",
    )
    for done, count in numbers["unanswered"].items():
        yield f"| {done} | {count:,} | {_share(count, numbers)} |"
    yield from (
        "",
        "| the daemon's own: how the partition was lost | times | repeated in all | p50 of a change | most |",
        "|---|---|---|---|---|",
    )
    for way, one in numbers["changes_of_hands"].items():
        yield f"| {way} | {one['count']:,} | {one['repeated']:,} | {one['p50']:,} | {one['max']:,} |"
    yield from (
        "",
        "## Faults, and how long until all was well",
        "",
        "Measured from a fault's end until no real-time event is older than 1 s and undelivered: to the listener that",
        "was hit, or, where something else was, to the one of all accounts (looked at four times a second). *Alone*",
        "are those after which no other fault that could delay this listener began or went on before it was well:",
        "their times are the fault's own. *All* has the overlapping ones, too, and with them the others' lengths.",
        "",
        "| fault | times | all: p50, s | p99, s | max, s | alone: times | p50, s | max, s |",
        "|---|---|---|---|---|---|---|---|",
    )
    for kind, one in numbers["faults"].items():
        alone = one["alone"]
        yield (
            f"| {kind} | {one['count']} | {one['recovery_p50']} | {one['recovery_p99']} | {one['recovery_max']} "
            f"| {alone['count']} | " + (f"{alone['p50']} | {alone['max']} |" if alone["count"] else "| |")
        )
    yield from (
        "",
        "## Memory and delay, with the faults",
        "",
        "The rows below each picture are when something was done: to instances (with their files, clocks and state",
        "topic), to brokers and the network before them, to listeners and theirs. Opened by itself, a mark tells what.",
        "",
        "![memory](faults-memory.svg)",
        "",
        "![delay](faults-delay.svg)",
        "",
        "| instance | memory at first, MiB | most | last |",
        "|---|---|---|---|",
    )
    for name, one in numbers["memory_mib"].items():
        yield f"| {name} | {one['first']} | {one['most']} | {one['last']} |"


def _share(count: int, numbers: Mapping[str, Any]) -> str:
    return f"{count / max(1, numbers['deliveries']):.3%}"
