"""Would the harness see it? Daemons with a bug put in on purpose: `python -m tests.chaos.bugs NAME run --config DIR`.

A bug is put in by replacing a function before the program begins; the product has no switch for any of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from lmshooks.__main__ import main
from lmshooks.adapters import loop
from lmshooks.core import checkpoint, commits, sweeping
from lmshooks.core.commands import Entry, WriteState
from lmshooks.core.feeds import WindowFeed
from lmshooks.core.ledger import Accepted, Ledger
from lmshooks.core.ownership import Ownership, State
from lmshooks.core.positions import Partition
from lmshooks.core.records import WindowRecord

SLOW_WRITE = 0.3
"""Seconds by which a state write is late where it comes after the commit: what a busy broker does by itself."""


def commit_before_the_state_write() -> None:
    """The offset moves first, and what is owed is written down afterwards."""
    begin, written = checkpoint.begin, loop.Loop._write

    def eager(own: Ownership, now: float, final: bool = False) -> None:
        begin(own, now, final)
        flight = own.store.flight
        if flight is not None and flight.target > own.store.acknowledged:
            commits.commit(own, flight.target, now, now, 0)

    async def late(self: loop.Loop, write: WriteState) -> None:
        if isinstance(write.ticket, tuple):
            await asyncio.sleep(SLOW_WRITE)
        await written(self, write)

    checkpoint.begin = eager
    loop.Loop._write = late  # type: ignore[method-assign]


def no_tenure_check() -> None:
    """Another's claim ends nothing, and values of any tenure count."""
    seen = Ownership.claim_seen

    def claim_seen(self: Ownership, offset: int, nonce: str, now: float) -> bool:
        return self.state is State.CLAIMING and seen(self, offset, nonce, now)

    def accept(self: Ledger, partition: Partition, entry: Entry, stamp: tuple[int, int], dropped: bool) -> bool:
        assert entry.value is not None
        values = self.values.setdefault(partition, {})
        values[entry.key] = Accepted(*stamp, entry.value, dropped, entry.timestamp, entry.offset)
        return True

    Ownership.claim_seen = claim_seen  # type: ignore[method-assign]
    Ledger.accept = accept  # type: ignore[method-assign]


def window_end_not_written() -> None:
    """A window's range is sent as soon as it is known; its end is never durable."""
    close = sweeping.close

    def at_once(own: Ownership, window: WindowFeed, end: int, now: float) -> None:
        close(own, window, end, now)
        if window.closing is not None:
            window.to, window.closed_at = window.closing
            window.closing = None
            window.durable_close = window.closed_at
            sweeping.closed(own, window, now)

    encode = WindowRecord.encode
    sweeping.close = at_once
    WindowRecord.encode = lambda self: encode(self._replace(to=self.done))  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "commit-before-the-state-write": commit_before_the_state_write,
    "no-tenure-check": no_tenure_check,
    "window-end-not-written": window_end_not_written,
}

if __name__ == "__main__":
    BUGS[sys.argv[1]]()
    sys.argv = ["lmshooks", *sys.argv[2:]]
    main()
