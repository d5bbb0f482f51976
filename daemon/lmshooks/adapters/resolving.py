"""Which addresses does a name have? Asked of the system's resolver, in threads where a slow name delays no other.

The system's resolver blocks a thread for as long as a name server is silent: ten seconds and more. The event loop's own
pool has four threads, or a few, so a handful of such names would stop all the others. Here every lookup has a thread of
its own, and a name that was slow once waits in a line of its own until it is quick again:

    name ──> slow last time? ──no──> at most QUICK at once ──┐
                    └──────────yes─> at most SLOW at once ───┴──> getaddrinfo in a thread

A POST that is given up does not end its lookup, and the threads are not waited for when the process ends. The answers
are kept by aiohttp (ten seconds), which also asks once where several POSTs want one name.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

QUICK = 64
"""Lookups at once of names that were quick, or are new."""
SLOW = 8
"""Lookups at once of names whose last lookup took longer than PATIENCE."""
PATIENCE = 1.0
"""Seconds."""
_REMEMBERED = 4096
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

Lookup = Callable[..., list[tuple[Any, Any, int, str, tuple[Any, ...]]]]
"""`socket.getaddrinfo`, or what answers like it."""


class Resolver(AbstractResolver):
    """For `aiohttp.TCPConnector(resolver=...)`. Make it inside the running loop."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._loop = asyncio.get_running_loop()
        self._quick = asyncio.Semaphore(QUICK)
        self._slow = asyncio.Semaphore(SLOW)
        self._were_slow: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name, in the system's order. Raises OSError (socket.gaierror) where it has none."""
        async with self._slow if host in self._were_slow else self._quick:
            began = time.monotonic()
            try:
                return await self._in_thread(host, port, family)
            finally:
                if time.monotonic() - began <= PATIENCE:
                    self._were_slow.discard(host)
                elif len(self._were_slow) < _REMEMBERED:
                    self._were_slow.add(host)

    async def close(self) -> None:
        """Nothing to close: a thread ends with its lookup."""

    async def _in_thread(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        answer: asyncio.Future[list[ResolveResult]] = self._loop.create_future()

        def tell(told: list[ResolveResult] | BaseException) -> None:
            if answer.done():  # cancelled meanwhile
                return
            if isinstance(told, BaseException):
                answer.set_exception(told)
            else:
                answer.set_result(told)

        def look_up() -> None:
            told: list[ResolveResult] | BaseException
            try:
                told = _results(host, self._lookup(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG))
            except BaseException as error:  # whatever it is, the one who asked is told
                told = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
                self._loop.call_soon_threadsafe(tell, told)

        threading.Thread(target=look_up, name=f"look up {host}", daemon=True).start()
        return await answer


def _results(host: str, infos: list[tuple[Any, Any, int, str, tuple[Any, ...]]]) -> list[ResolveResult]:
    """What aiohttp wants to know of each address."""
    results = []
    for family, _, protocol, _, address in infos:
        literal, port = address[:2]
        if family == socket.AF_INET6 and len(address) > 3 and address[3]:
            # A link-local address means nothing without the interface that it is on.
            literal = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
        results.append(
            ResolveResult(hostname=host, host=literal, port=port, family=family, proto=protocol, flags=_NUMERIC)
        )
    return results
