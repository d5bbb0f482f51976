"""How does a port come and go under faults that overlap? A listening port that may be opened and closed at any time.

Starting to listen takes a few turns of the loop. Two faults that end together would both find the port shut, and the
second would fail to bind it; a fault that begins within those turns would be undone by the one that ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Gate:
    """One port of 127.0.0.1; connections that were accepted outlive its closing."""

    def __init__(self, port: int, serve: Serve, limit: int = 64 * 1024) -> None:
        """`limit`: bytes that a reader buffers."""
        self.port = port
        self._serve = serve
        self._limit = limit
        self._wanted = False
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()

    async def open(self) -> None:
        """Returns once the port is listened on, unless it was closed meanwhile."""
        self._wanted = True
        async with self._starting:
            if self._server is None and self._wanted:
                self._server = await asyncio.start_server(
                    self._serve, "127.0.0.1", self.port, reuse_address=True, limit=self._limit
                )
            if not self._wanted:
                self._close_server()

    def close(self) -> None:
        self._wanted = False
        self._close_server()

    def _close_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()  # not waited for: from 3.12 on that would wait for the connections, too
