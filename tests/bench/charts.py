"""What does a reader want to see of the figures? Pictures, drawn from them; one whose figures are missing is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from statistics import median

from tests.bench.figures import Figure, Measured
from tests.drawing import COLOURS, Axis, Plot

OURS, THEIRS = COLOURS[:2]
DASHES = {"median": "", "p99": "6 3"}
"""The percentiles that are drawn, and how."""

Measures = Mapping[str, Measured]


def latency(measured: Measures) -> str:
    """Percentiles by rate."""
    found = _by_number(measured, "latency", rf"([\d,]+)/s, ({'|'.join(map(re.escape, DASHES))})")
    if not found:
        return ""
    rates = sorted({rate for rate, _ in found})
    values = [value for one in found.values() for value in (*one.ours, *one.theirs)]
    low, high = min(0.5, *values), max(100.0, *values)
    across, up = Axis(rates[0] / 1.2, rates[-1] * 1.2, log=True), Axis(low, high, log=True)
    plot = Plot("From the producer's send to the listener's read, by rate", "ms", across, up)
    plot.below((rate, f"{rate:,.0f} events/s") for rate in rates)
    for share, dash in DASHES.items():
        some = [(rate, found[rate, share]) for rate in rates if (rate, share) in found]
        plot.line(f"lmshooks, {share}", [(at, median(one.ours)) for at, one in some], OURS, dash, dots=True)
        plot.line(f"naive, {share}", [(at, median(one.theirs)) for at, one in some], THEIRS, dash, dots=True)
    return plot.svg()


def cpu(measured: Measures) -> str:
    """Microseconds an event by events a POST."""
    found = _by_number(measured, "events-a-post", r"max_events (\d+), (CPU)")
    if not found:
        return ""
    counts = sorted(count for count, _ in found)
    lines = {
        name: [(count, median(values(found[count, "CPU"]))) for count in counts]
        for name, values in (("lmshooks", lambda one: one.ours), ("naive loop", lambda one: one.theirs))
    }
    most = max(value for line in lines.values() for _, value in line)
    across, up = Axis(counts[0] / 1.2, counts[-1] * 1.2, log=True), Axis(1.0, max(100.0, most), log=True)
    plot = Plot("CPU an event, by events a POST at most", "us", across, up)
    plot.below((count, f"{count:.0f} a POST") for count in counts)
    for name, line in lines.items():
        plot.line(name, line, dots=True)
    return plot.svg()


def owed(measured: Measures) -> str:
    """Resident memory over what is owed."""
    found = _by_number(measured, "owed", r"([\d,]+) events (owed), resident")
    if not found:
        return ""
    ((events, _), figure) = next(iter(found.items()))
    steps = [events * at / len(figure.series) for at in range(1, len(figure.series) + 1)]
    up = Axis(0.0, max(100.0, *figure.series) * 1.1)
    plot = Plot("Resident memory while events are owed to dead endpoints", "MiB", Axis(0.0, events), up)
    plot.below((at, f"{at / 1e6:.2g} million") for at in steps)
    plot.line("lmshooks", zip(steps, figure.series, strict=True), dots=True)
    return plot.svg()


CHARTS: dict[str, Callable[[Measures], str]] = {"latency": latency, "cpu": cpu, "owed": owed}
OF = {"latency": ("latency",), "events-a-post": ("cpu",), "owed": ("owed",)}
"""Which belong to a scenario."""


def _by_number(measured: Measures, scenario: str, form: str) -> dict[tuple[float, str], Figure]:
    """A scenario's figures whose name begins with this form, by the number and the word in it."""
    found = {}
    for one in measured[scenario].figures if scenario in measured else ():
        if named := re.match(form + r"(?:$|,)", one.what):
            found[float(named[1].replace(",", "")), named[2]] = one
    return found
