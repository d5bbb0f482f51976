"""What does a post through the Poster cost, against the same bytes by bare aiohttp? Prints ratios of one run.

    python -m tests.bench.post_cost [rounds]

The listener runs in a process of its own, so that the CPU counted is the sender's. Bare aiohttp sends the same headers
without a signature; "and sign" adds the HMAC, which is no part of the poster's own cost.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median

import aiohttp
import uvloop

from lmshooks.adapters.egress import Guard, socket_factory
from lmshooks.adapters.http import Poster
from lmshooks.core.signing import sign
from lmshooks.core.subscriptions import Endpoint, SignatureAuth
from tests.bench.listening import Listening

POSTS = 3000
IN_FLIGHT = 64
SECRET = b"k" * 32
STATIC = {"Content-Type": "application/json", "User-Agent": "bench", "lmshooks-attempt": "1"}

Post = Callable[[int], Awaitable[None]]


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
            await send({**STATIC, **sign((SECRET,), f"msg_{number}", int(time.time()), body)})

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


def main() -> None:
    with Listening() as listening:
        uvloop.run(measure(f"{listening.url}/hook/", int(sys.argv[1]) if len(sys.argv) > 1 else 7))


if __name__ == "__main__":
    main()
