"""Which addresses does a name have? Asked of the system's resolver, in threads where a slow name delays no other.

The system's resolver blocks a thread for as long as a name server is silent: ten seconds and more. The event loop's own
pool has four threads, or a few, so a handful of such names would stop all the others. Here every lookup has a thread of
its own, and a name that was slow once waits in a line of its own until it is quick again:

    name ──> an address already? known for less than KEPT? asked for by another? ──yes──> that
               │ no
               └─> slow last time? ──no──> at most QUICK at once ──┐
                         └──────────yes─> at most SLOW at once ───┴──> getaddrinfo in a thread

A POST that is given up does not end its lookup, and the threads are not waited for when the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from aiohappyeyeballs import AddrInfoType

KEPT = 10.0
"""Seconds for which an answer holds."""
QUICK = 64
"""Lookups at once of names that were quick, or are new."""
SLOW = 8
"""Lookups at once of names whose last lookup took longer than PATIENCE."""
PATIENCE = 1.0
"""Seconds."""
_REMEMBERED = 4096

Lookup = Callable[..., Sequence[AddrInfoType]]
"""`socket.getaddrinfo`, or what answers like it."""
_Name = tuple[str, int]


class Resolver:
    """Looks names up. Make it inside the running loop."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._loop = asyncio.get_running_loop()
        self._quick = asyncio.Semaphore(QUICK)
        self._slow = asyncio.Semaphore(SLOW)
        self._were_slow: set[str] = set()
        self._known: dict[_Name, tuple[float, Sequence[AddrInfoType]]] = {}
        self._asked: dict[_Name, asyncio.Task[Sequence[AddrInfoType]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """Where a host is, in the system's order. Raises OSError (socket.gaierror) where it has no address."""
        if is_address(host):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        name = (host, port)
        until, found = self._known.get(name, (0.0, ()))
        if time.monotonic() < until:
            return found
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = self._loop.create_task(self._ask(name))
            asked.add_done_callback(lambda task: task.cancelled() or task.exception())  # all who asked may be gone
        # The time-out of one who asks must not end the lookup for the others.
        return await asyncio.shield(asked)

    async def _ask(self, name: _Name) -> Sequence[AddrInfoType]:
        host = name[0]
        try:
            async with self._slow if host in self._were_slow else self._quick:
                began = time.monotonic()
                try:
                    found = await self._in_thread(name)
                finally:
                    if time.monotonic() - began <= PATIENCE:
                        self._were_slow.discard(host)
                    elif len(self._were_slow) < _REMEMBERED:
                        self._were_slow.add(host)
        finally:
            del self._asked[name]
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[name] = (time.monotonic() + KEPT, found)
        return found

    async def _in_thread(self, name: _Name) -> Sequence[AddrInfoType]:
        answer: asyncio.Future[Sequence[AddrInfoType]] = self._loop.create_future()

        def tell(told: Sequence[AddrInfoType] | BaseException) -> None:
            if answer.done():  # cancelled meanwhile
                return
            if isinstance(told, BaseException):
                answer.set_exception(told)
            else:
                answer.set_result(told)

        def look_up() -> None:
            told: Any
            try:
                told = self._lookup(*name, 0, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
            except BaseException as error:  # whatever it is, the one who asked is told
                told = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
                self._loop.call_soon_threadsafe(tell, told)

        threading.Thread(target=look_up, name=f"look up {name[0]}", daemon=True).start()
        return await answer


def is_address(host: str) -> bool:
    """Whether a host is written as an address, IPv4 or IPv6, and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
