"""What is seen of the demo? What arrived, counted, and drawn: a live picture at a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lmshooks.listener import Received

_LAST = 10
"""Requests shown."""
_PLAIN_EVERY = 2.0


class Line(NamedTuple):
    """One request, as it is shown."""

    at: float
    listener: str
    account: str
    names: str
    events: int
    attempt: int
    status: int | None
    verified: bool | None


class Seen:
    """What arrived at the listeners."""

    def __init__(self) -> None:
        self.written = 0
        self.events = 0
        self.requests: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.recovered: Counter[str] = Counter()
        """Requests that were accepted at a later attempt."""
        self.unverified = 0
        self.lines: deque[Line] = deque(maxlen=_LAST)

    def taker(self, name: str) -> Callable[[Received], None]:
        """For `Listener(on_request=...)`."""

        def take(received: Received) -> None:
            account, events = received.payload()
            self.requests[name] += 1
            self.unverified += received.verified is False
            attempt = received.attempt or 1
            if received.status is not None and received.status < 300:
                self.events += len(events)
                self.taken[name] += len(events)
                self.recovered[name] += attempt > 1
            else:
                self.refused[name] += 1
            counted = Counter(str(event.get("eventName")) for event in events).most_common(2)
            names = ", ".join(f"{each} x{times}" if times > 1 else each for each, times in counted)
            self.lines.append(
                Line(received.at, name, account, names, len(events), attempt, received.status, received.verified)
            )

        return take


class View:
    """`with View(...)`, then `await draw()` now and then."""

    def __init__(self, seen: Seen, bootstrap: str, admin: str, log: Path) -> None:
        self._seen = seen
        self._bootstrap = bootstrap
        self._admin = admin
        self._log = log
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, screen=False) if sys.stdout.isatty() else None
        self._began = time.monotonic()
        self._status: dict[str, Any] | None = None
        self._asked = 0.0
        self._said = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        else:
            print(f"kafka {self._bootstrap}, {self._admin}/status, {self._admin}/metrics, log {self._log}", flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
            self._live.stop()
        seen = self._seen
        self._console.print(
            f"{seen.written} events written, {seen.events} delivered, {sum(seen.refused.values())} refusals, "
            f"{sum(seen.recovered.values())} deliveries that needed a retry; stopping ..."
        )

    async def draw(self) -> None:
        """Ask the daemon how it stands, and show it all."""
        now = time.monotonic()
        if now - self._asked > 1.0:
            self._asked = now
            self._status = await asyncio.to_thread(self._ask)
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
        elif now - self._said > _PLAIN_EVERY:
            self._said = now
            seen = self._seen
            each = ", ".join(f"{name} {seen.taken[name]}" for name in ("crm", "reports"))
            close = self._next_close()
            print(
                f"{now - self._began:5.0f} s  written {seen.written}  arrived: {each}  refused "
                f"{sum(seen.refused.values())}  recovered {sum(seen.recovered.values())}"
                + (f"  next window in {close:.0f} s" if close is not None else "")
                + ("" if self._partitions() else "  (the consumer group is forming)"),
                flush=True,
            )

    def _ask(self) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"{self._admin}/status", timeout=1) as answer:
                told: dict[str, Any] = orjson.loads(answer.read())
                return told
        except (OSError, ValueError):
            return None

    def _partitions(self) -> int:
        return len(self._status["partitions"]) if self._status else 0

    def _next_close(self) -> float | None:
        windows = (self._status or {}).get("windows") or []
        if not windows:
            return None
        return max(0.0, float(windows[0]["next_close_in"]) - (time.monotonic() - self._asked))

    def _picture(self) -> Group:
        seen, running = self._seen, time.monotonic() - self._began
        totals = Table.grid(padding=(0, 2), expand=True)
        totals.add_row(
            *(f"[bold cyan]{seen.written}[/] written to Kafka", f"[bold green]{seen.events}[/] delivered, signed"),
            f"[bold yellow]{sum(seen.refused.values())}[/] refused",
            f"[bold green]{sum(seen.recovered.values())}[/] retried with success",
            f"[bold {'red' if seen.unverified else 'green'}]{seen.unverified}[/] bad signatures",
        )
        listeners = Table(expand=True, box=None, header_style="dim")
        for title in ("listener", "cadence", "events", "requests", "refused", "retried with success"):
            listeners.add_column(title, justify="left" if title in ("listener", "cadence") else "right")
        for name, cadence in (("crm", "real-time"), ("reports", "at each window's close; fails now and then")):
            listeners.add_row(
                f"[bold]{name}[/]",
                cadence,
                *(str(count[name]) for count in (seen.taken, seen.requests, seen.refused, seen.recovered)),
            )
        return Group(
            Panel(totals, title=f"lmshooks demo, {running:.0f} s", subtitle=self._summary(), border_style="cyan"),
            listeners,
            self._window(),
            self._requests(),
            Text.from_markup(
                f"[dim]status[/] {self._admin}/status  [dim]metrics[/] {self._admin}/metrics  "
                f"[dim]kafka[/] {self._bootstrap}  [dim]log[/] {self._log}\n[dim]Ctrl-C ends it[/]"
            ),
        )

    def _summary(self) -> str:
        if self._status is None:
            return "the daemon is starting"
        if not self._partitions():
            return "the consumer group is forming: a few seconds"
        return str(self._status["summary"])[:100]

    def _window(self) -> Table:
        close = self._next_close()
        row = Table.grid(padding=(0, 1), expand=False)
        if close is None:
            row.add_row(" next window: not known yet")
        else:
            bar = ProgressBar(total=20.0, completed=max(0.0, 20.0 - close), width=40)
            row.add_row(f" next window closes in [bold]{close:4.1f} s[/]", bar)
        return row

    def _requests(self) -> Table:
        table = Table(expand=True, box=None, header_style="dim")
        for title in ("time", "to", "account", "events", "what", "attempt", "answer", "signature"):
            table.add_column(title, no_wrap=True, overflow="ellipsis")
        for line in reversed(self._seen.lines):
            good = line.status is not None and line.status < 300
            table.add_row(
                time.strftime("%H:%M:%S", time.localtime(line.at)),
                line.listener,
                line.account,
                str(line.events),
                Text(line.names),
                str(line.attempt) if line.attempt == 1 else f"[yellow]{line.attempt}[/]",
                f"[{'green' if good else 'red'}]{line.status}[/]",
                "[green]ok[/]" if line.verified else "[red]bad[/]",
            )
        return table
