"""How does a run become docs/performance.md? What is made goes between markers; the text around them is kept by hand.

    <!-- bench: goals -->  ...  <!-- /bench -->      every goal, what was seen, met or not; why not, from `goals.py`
    <!-- bench: run -->    ...  <!-- /bench -->      every scenario: its command, its table, its picture
    <!-- bench: cpu -->    ...  <!-- /bench -->      the modules' shares of the CPU

The figures of several runs may stand beside one another: each scenario says when it was run, of which commit, and how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from statistics import median

from tests.bench import charts
from tests.bench.figures import QUIET, Figure, Measured, load, markdown, number, save, spread
from tests.bench.goals import WHY

PAGE, NUMBERS = "performance.md", "performance.json"
MODULES = 8
"""Of the profile, that are told."""

Says = Callable[[str], str]
"""What a scenario is about, by its name."""


def write(folder: Path, measured: Mapping[str, Measured], says: Says) -> None:
    """The numbers, the pictures, and the page, whose other text stays as it is; no figures: not measured."""
    save(folder / NUMBERS, {name: one for name, one in measured.items() if one.figures})
    pictures = {name: picture for name, draw in charts.CHARTS.items() if (picture := draw(measured))}
    for name, picture in pictures.items():
        (folder / f"bench-{name}.svg").write_text(picture)
    page = folder / PAGE
    text = page.read_text() if page.exists() else "".join(f"<!-- bench: {one} -->\n<!-- /bench -->\n" for one in MADE)
    page.write_text(filled(text, {name: make(measured, says) for name, make in MADE.items()}))


def filled(text: str, made: Mapping[str, str]) -> str:
    """The page with new text between its markers; one that is not there is a mistake in the page."""
    for name, part in made.items():
        start, end = f"<!-- bench: {name} -->\n", "<!-- /bench -->"
        before, found, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(
                f"no {start.strip()} ... {end} in the page; expected both, to put what was measured between"
            )
        text = f"{before}{start}{part}\n{end}{after}"
    return text


def goals(measured: Mapping[str, Measured], says: Says) -> str:
    """Every goal with what was seen, and why those that are not met are not."""
    rows, missed = ["| goal | | seen | |", "|---|---|---|---|"], []
    for name, one in measured.items():
        if not one.figures:
            rows.append(f"| {name} | | not measured | |")
        for figure in one.figures:
            if figure.met is None:
                continue
            met = "met" if figure.met else "**NOT MET**"
            loud = "; the machine was not quiet" if figure.others > QUIET else ""
            rows.append(f"| {name}: {figure.what} | {figure.goal} | {_seen(figure)} | {met}{loud} |")
            if not figure.met:
                why = WHY.get((name, figure.what), "No reason is written down yet in `tests/bench/goals.py`.")
                missed.append(
                    f"- **{name}: {figure.what}** ({_seen(figure)}; wanted {figure.goal}). {' '.join(why.split())}"
                )
    return "\n".join(rows) + ("\n\nWhat is not met, and why:\n\n" + "\n".join(missed) if missed else "")


def _seen(figure: Figure) -> str:
    """In the unit of the goal: a ratio where that is one."""
    if figure.goal.startswith("ratio"):
        ours, theirs = number(median(figure.ours)), number(median(figure.theirs))
        return f"{figure.ratio:.2f} times ({ours} to {theirs} {figure.unit})"
    return f"{spread(figure.ours)} {figure.unit}"


def run(measured: Mapping[str, Measured], says: Says) -> str:
    """Every scenario's table."""
    lines = []
    there = {name: one for name, one in measured.items() if one.figures}
    for name, one in there.items():
        told = one.conditions
        loads = sorted(figure.load for figure in one.figures)
        lines += [
            f"### {name}", "", says(name), "", markdown(one.figures), "",
            *(f"![{what}](bench-{what}.svg)\n" for what in charts.OF.get(name, ()) if charts.CHARTS[what](measured)),
            f"`{told['command']}`, {told['at']}, commit {told['commit']}, load {loads[0]:.1f} to {loads[-1]:.1f}.", "",
        ]  # fmt: skip
    machines = {_machine(one) for one in there.values()}
    return "\n".join([*sorted(machines), "", *lines]).rstrip()


def _machine(one: Measured) -> str:
    told = one.conditions
    libraries = ", ".join(f"{name} {number}" for name, number in told["libraries"].items())
    return (
        f"Python {told['python']}, {libraries}, {told['cores']} cores ({told['processor']}). Medians, and from where "
        f'to where the rounds lie; "others" is work on the machine that was not the benchmark\'s.'
    )


def cpu(measured: Mapping[str, Measured], says: Says) -> str:
    """The modules' shares, case beside case."""
    if "profile" not in measured:
        return "Not measured."
    cases: dict[str, list[tuple[str, float]]] = {}
    for figure in measured["profile"].figures:
        case, _, module = figure.what.partition(": ")
        cases.setdefault(case, []).append((module, figure.ours[0]))
    head = "".join(f"| [{case}](profile-{case}.svg) | share " for case in cases)
    lines = zip_longest(*(some[:MODULES] for some in cases.values()), fillvalue=("", 0.0))
    rows = ["".join(f"| `{module}` | {share:.0f} % " for module, share in line) + "|" for line in lines]
    return "\n".join([head + "|", "|---" * 2 * len(cases) + "|", *rows])


MADE: dict[str, Callable[[Mapping[str, Measured], Says], str]] = {"goals": goals, "run": run, "cpu": cpu}
"""What is made, by its marker."""


def render(path: Path, says: Says) -> str:
    """The Markdown of a saved run."""
    measured = load(path)
    return "\n\n".join(make(measured, says) for make in MADE.values())
