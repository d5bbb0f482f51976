"""What does a post through the Poster cost, against the same bytes by bare aiohttp? Prints ratios of one run.

    python -m tests.bench.post_cost [rounds]     the ratio, with and without a signature
    python -m tests.bench.post_cost --pieces     where the microseconds of each go

The listener runs in a process of its own, so that the CPU counted is the sender's. Bare aiohttp sends the same headers
without a signature; "and sign" adds the HMAC, which is no part of the poster's own cost. A piece's time is its own,
without what it calls of the others; what no piece is charged with is the event loop, its timers, aiohttp's coroutines.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median

import aiohttp
import uvloop

from lmshooks.adapters.egress import Guard, socket_factory
from lmshooks.adapters.http import Poster
from lmshooks.core.signing import Signer
from lmshooks.core.subscriptions import Endpoint, SignatureAuth
from tests.bench.listening import Listening
from tests.bench.stages import Stages, calibrate

POSTS = 3000
IN_FLIGHT = 64
SECRET = b"k" * 32
SIGNER = Signer((SECRET,))
STATIC = {"Content-Type": "application/json", "User-Agent": "bench", "lmshooks-attempt": "1"}

Pieces = dict[str, tuple[str, ...]]

OURS: Pieces = {
    "signature": ("core.signing:Signer.signature",),
    "head": ("adapters.http:Poster._begin",),
    "connection and deadline": ("adapters.http:_Exchange.start",),
    "writing": ("adapters.connections:Connection.request",),
    "reading the answer": ("adapters.connections:Connection.data_received",),
    "outcome": ("adapters.http:_Exchange.answered",),
}
AIOHTTP: Pieces = {
    "signature": ("core.signing:Signer.signature",),
    "request and head": ("aiohttp.client_reqrep:ClientRequest.__init__",),
    "writing": ("aiohttp.http_writer:StreamWriter._write", "aiohttp.http_writer:StreamWriter._writelines"),
    "reading the answer": ("aiohttp.client_proto:ResponseHandler.data_received",),
}
"""Pieces of a post, and the functions that are theirs; those of the package by their place in it."""

Post = Callable[[int], Awaitable[None]]


def signed_headers(number: int, body: bytes) -> dict[str, str]:
    """The headers that the poster adds, for aiohttp."""
    name, now = f"msg_{number}", int(time.time())
    signature = SIGNER.signature(name.encode(), now, body).decode()
    return {"webhook-id": name, "webhook-timestamp": str(now), "webhook-signature": signature}


async def cost(post: Post) -> float:
    """CPU seconds a post."""
    numbers = iter(range(POSTS))

    async def worker():
        for number in numbers:
            await post(number)

    started = time.process_time()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return (time.process_time() - started) / POSTS


async def measure(url: str, rounds: int) -> None:
    for size in (700, 60_000):
        body = b"x" * size
        connector = aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        timeout = aiohttp.ClientTimeout(total=15, sock_connect=10)

        async def send(headers, session=session, body=body, timeout=timeout):
            async with session.post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                await response.read()

        async def bare(number, send=send):
            await send({**STATIC, "webhook-id": f"msg_{number}", "webhook-timestamp": str(int(time.time()))})

        async def signed(number, send=send, body=body):
            await send({**STATIC, **signed_headers(number, body)})

        poster = Poster(socket_factory(Guard(["127.0.0.0/8"])), allow_http=True)
        plain, signing = Endpoint(url), Endpoint(url, SignatureAuth((SECRET,)))

        async def posted(number, poster=poster, endpoint=plain, body=body):
            assert (await poster.post(endpoint, f"msg_{number}", 1, body)).status == 200

        async def posted_signed(number, poster=poster, endpoint=signing, body=body):
            assert (await poster.post(endpoint, f"msg_{number}", 1, body)).status == 200

        kinds = {"bare": bare, "poster": posted, "bare and sign": signed, "poster signed": posted_signed}
        seen: dict[str, list[float]] = {kind: [] for kind in kinds}
        for post in kinds.values():
            await cost(post)  # connections and caches
        for _ in range(rounds):
            for kind, post in kinds.items():
                seen[kind].append(await cost(post))
        for ours, theirs in (("poster", "bare"), ("poster signed", "bare and sign")):
            ratios = [a / b for a, b in zip(seen[ours], seen[theirs], strict=True)]
            print(
                f"{size:>6} bytes  {ours:<13} {median(seen[ours]) * 1e6:6.1f} us  {theirs:<13} "
                f"{median(seen[theirs]) * 1e6:6.1f} us  ratio {median(ratios):.3f} "
                f"({min(ratios):.3f} to {max(ratios):.3f})"
            )
        await poster.close()
        await session.close()


@asynccontextmanager
async def by_aiohttp(url: str, body: bytes) -> AsyncIterator[Post]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=15, sock_connect=10)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post(number: int) -> None:
            headers = {**STATIC, **signed_headers(number, body)}
            async with session.post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                await response.read()

        yield post


@asynccontextmanager
async def by_poster(url: str, body: bytes) -> AsyncIterator[Post]:
    poster = Poster(socket_factory(Guard(["127.0.0.0/8"])), allow_http=True)
    endpoint = Endpoint(url, SignatureAuth((SECRET,)))

    async def post(number: int) -> None:
        await poster.post(endpoint, f"msg_{number}", 1, body)

    yield post
    await poster.close()


async def pieces(url: str, rounds: int = 15) -> None:
    """The least of the rounds, of each piece for itself; 700 bytes, signed."""
    body = b"x" * 700
    calibration = calibrate()
    for name, sender, functions in (("lmshooks", by_poster, OURS), ("aiohttp", by_aiohttp, AIOHTTP)):
        async with sender(url, body) as post:
            await cost(post)
            total = min([await cost(post) for _ in range(rounds)]) * 1e6
        least: dict[str, float] = {}
        with Stages(functions) as stages:
            assert not stages.gone, stages.gone
            async with sender(url, body) as post:  # anew: a loop keeps the methods it found as it connected
                await cost(post)
                for _ in range(rounds):
                    stages.clear()
                    await cost(post)
                    for piece, spent in stages.net(calibration).items():
                        least[piece] = min(spent / POSTS / 1e3, least.get(piece, spent))
        print(f"{name}: {total:.1f} us a post")
        for piece, spent in {**least, "everything else": total - sum(least.values())}.items():
            print(f"    {piece:<24} {spent:5.1f}")


def main() -> None:
    with Listening() as listening:
        url = f"{listening.url}/hook/"
        if "--pieces" in sys.argv:
            uvloop.run(pieces(url))
        else:
            uvloop.run(measure(url, int(sys.argv[1]) if len(sys.argv) > 1 else 7))


if __name__ == "__main__":
    main()
