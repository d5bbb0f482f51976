"""Where would chance alone not get? A fuzzer that is guided by coverage (atheris) against what comes from outside.

    python -m tests.fuzz records --seconds 60     Kafka records        core.events, core.routing, core.filters
    python -m tests.fuzz state                    the state topic      core.records
    python -m tests.fuzz files                    YAML                 lmshooks.config
    python -m tests.fuzz retry-after              a header             core.retrying

What it breaks is kept as .cache/fuzz/<target>-crash-...: put it into tests/fuzz/corpus/<target>, where every test run
tries it. Inputs that reach new code go into .cache/fuzz/<target>, so that the next run begins where this one ended.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".cache" / "fuzz"
WORDS = {
    "records": ['"accountId"', '"events"', '"eventId"', '"eventName"', '"timestamp"', '"data"', '},{"eventId":', "}]}",
                "\\\\u0041", "\\\\ud800", "1e400", "null"],
    "files": ["kafka:", "subscriptions:", "- ", ": ", "{env: ", "windows:", "filter:", "&a ", "*a", "<<: ", "---"],
    "state": ['"t":4', '"s":2', '"h":[', '"z":[', '"o":[', '"p":[', '"dropped":true', "lane|", "part|", "-1", "1e9"],
    "retry-after": ["Wed, ", " GMT", "Jan", "-0000", "99999999999", ":", "Nov 94"],
}  # fmt: skip
"""Pieces that the fuzzer may put together, by target."""


def records(data: bytes) -> None:
    from tests.fuzz.records import check, route

    good, _ = check(data)
    route(good)


def state(data: bytes) -> None:
    from tests.fuzz.state import check

    check(data)


def files(data: bytes) -> None:
    from tests.fuzz.files import GOOD_DAEMON, GOOD_SUBSCRIPTIONS, check

    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        check(Path(folder), data, GOOD_SUBSCRIPTIONS)
        check(Path(folder), GOOD_DAEMON, data)


def retry_after(data: bytes) -> None:
    from tests.fuzz.retry_after import check

    check(data.decode("latin-1"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "records": records, "state": state, "files": files, "retry-after": retry_after,
}  # fmt: skip


def main() -> None:
    """Run one target for a time; the exit status is not 0 where it broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    import atheris  # only `make fuzz` has it

    with atheris.instrument_imports(include=["lmshooks.core", "lmshooks.config", "yaml"]):
        for module in ("events", "routing", "filters", "records", "ledger", "retrying"):
            importlib.import_module(f"lmshooks.core.{module}")
        importlib.import_module("lmshooks.config")
    kept = KEPT / asked.target
    kept.mkdir(parents=True, exist_ok=True)
    words = KEPT / f"{asked.target}.dict"
    words.write_text("".join('"' + word.replace('"', '\\"') + '"\n' for word in WORDS[asked.target]))
    folders = [str(kept)]
    if (HERE / "corpus" / asked.target).is_dir():
        folders.append(str(HERE / "corpus" / asked.target))
    options = [
        f"-max_total_time={asked.seconds}",
        f"-dict={words}",
        "-max_len=4096",
        "-timeout=20",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, "-timeout=20", *folders], TARGETS[asked.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
