"""Where does the time go inside one process? Functions are wrapped, and every moment is charged to the innermost one.

    outer ──┐          ┌── outer        a stage's time is its own: what it calls of other stages is theirs
            └─ inner ──┘

The clock is the thread's own CPU: what else the machine does is not in it. The wrapping costs something itself;
`calibrate` measures that on functions that do nothing, and `net` takes it off.
A function that was renamed is told in `gone`, and its time falls to whoever calls it.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections import Counter
from collections.abc import Callable
from time import thread_time_ns
from typing import Any

MACHINE = {
    "parse": ("core.events:parse_onto",),
    "hand out": ("core.live:take",),
    "form": ("core.posting:Posting.send",),
    "encode": ("core.deliveries:Delivery.body",),
    "sign": ("core.signing:Signer.signature",),
    "settle": ("core.posting:Posting.attempted",),
    "checkpoint": (
        "core.checkpoint:look", "core.dispatcher:Dispatcher.followed", "core.dispatcher:Dispatcher.committed",
    ),
    "sweep": ("core.sweeping:board", "core.sweeping:read", "core.sweeping:pump"),
    "report": ("adapters.reporting:Reporter.report",),
}  # fmt: skip
"""Stage -> the functions that are its own; those of the package by their place in it."""


class Stages:
    """Wraps the functions of the stages while it is entered; `spent` is nanoseconds by stage, `calls` how often."""

    def __init__(self, functions: dict[str, tuple[str, ...]] = MACHINE) -> None:
        self.functions = functions
        self.spent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.inner: Counter[str] = Counter()
        """How many wrapped calls each stage made."""
        self.gone: list[str] = []
        self._stack: list[str] = []
        self._since = 0
        self._undo: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Stages:
        for stage, names in self.functions.items():
            for name in names:
                try:
                    self._wrap(stage, name)
                except (ImportError, AttributeError):
                    self.gone.append(name)
        return self

    def __exit__(self, *_: object) -> None:
        for holder, name, original in reversed(self._undo):
            setattr(holder, name, original)
        self._undo.clear()

    def clear(self) -> None:
        """Begin a round: everything counted so far is forgotten."""
        self.spent.clear()
        self.calls.clear()
        self.inner.clear()

    def _wrap(self, stage: str, name: str) -> None:
        module, _, path = name.partition(":")
        ours = module.startswith(("core.", "adapters."))
        holder: Any = importlib.import_module(f"lmshooks.{module}" if ours else module)
        *owners, last = path.split(".")
        for owner in owners:
            holder = getattr(holder, owner)
        original = getattr(holder, last)
        wrapped = self.charging(stage, original)
        holders = [holder]
        if not owners:  # who imported the function by name has it too
            holders = [
                one for key, one in sys.modules.items() if key.startswith(("lmshooks.", "tests.bench.", "__main__"))
            ]
        for one in holders:
            for attribute, value in list(vars(one).items()):
                if value is original:
                    self._undo.append((one, attribute, original))
                    setattr(one, attribute, wrapped)

    def charging(self, stage: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time charged to the stage."""
        spent, calls, inner, stack = self.spent, self.calls, self.inner, self._stack

        @functools.wraps(original)
        def charged(*args: Any, **kwargs: Any) -> Any:
            now = thread_time_ns()
            caller = stack[-1] if stack else ""
            spent[caller] += now - self._since
            inner[caller] += 1
            stack.append(stage)
            calls[stage] += 1
            self._since = now
            try:
                return original(*args, **kwargs)
            finally:
                now = thread_time_ns()
                spent[stack.pop()] += now - self._since
                self._since = now

        return charged

    def net(self, calibration: tuple[float, float]) -> dict[str, float]:
        """Nanoseconds by stage without what the wrapping charged."""
        own, outer = calibration
        return {
            stage: max(0.0, self.spent[stage] - self.calls[stage] * own - self.inner[stage] * outer)
            for stage in self.functions
        }


def calibrate(calls: int = 5000, rounds: int = 9) -> tuple[float, float]:
    """Nanoseconds that a wrapped call of nothing charges to its own stage, and to its caller's, at the least."""
    own, outer = [], []
    for _ in range(rounds):
        probe = Stages({})
        nothing = probe.charging("nothing", lambda *_: None)

        def many(nothing: Callable[..., Any] = nothing) -> None:
            for _ in range(calls):
                nothing(None, None)

        probe.charging("many", many)()
        own.append(probe.spent["nothing"] / calls)
        outer.append(probe.spent["many"] / calls)
    return min(own), min(outer)
