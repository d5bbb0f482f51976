"""Who listens at NOTIFY_SOCKET? The supervisor's end of systemd's protocol, without a systemd."""

from __future__ import annotations

import asyncio
import contextlib
import socket


class Ear:
    """A datagram socket at `address`: a path, or an abstract name after a zero byte."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    async def hear(self, timeout: float = 60.0) -> str:
        """The next message. Raises TimeoutError after so many seconds."""
        async with asyncio.timeout(timeout):
            return (await asyncio.get_running_loop().sock_recv(self.socket, 4096)).decode()

    async def told(self, words: str) -> list[str]:
        """What comes, up to the first message that holds the words."""
        heard: list[str] = []
        while not heard or words not in heard[-1]:
            try:
                heard.append(await self.hear())
            except TimeoutError:
                raise AssertionError(f"not told {words!r} but {heard}") from None
        return heard

    def heard(self) -> list[str]:
        """What is there already."""
        messages: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(self.socket.recv(4096).decode())
        return messages

    def close(self) -> None:
        self.socket.close()
