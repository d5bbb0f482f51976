"""What does it look like when it works? `make run`: a broker, two listeners, an LMS that writes events, and the daemon.

    events (made up) -> Kafka -> lmshooks run (a process of its own) -> crm: takes everything at once
                                                                     -> reports: windowed; fails now and then

The picture is drawn from what really arrived at the listeners, and from the daemon's own /status.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lmshooks import samples
from lmshooks.cli.demo_view import Seen, View
from lmshooks.listener import Answers, Listener, Received

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

TOPIC = "learning-events"
WINDOW = 20
"""Seconds between two closes: short, so that a person sees one."""
RATE = 12.0
"""Events a second."""
ACCOUNTS = (1010, 2020, 3030, 4040)


@click.command(
    epilog="""\b
Examples:
  lmshooks demo
  lmshooks demo --kafka localhost:9092
  lmshooks demo --seconds 30"""
)
@click.option("--kafka", metavar="HOST:PORT", help="A Kafka of yours instead of the embedded one.")
@click.option(
    "--seconds", metavar="SECONDS", type=click.FloatRange(1), help="End by itself; exit 1 if nothing arrived."
)
def demo(kafka: str | None, seconds: float | None) -> None:
    """Show it at work: a broker, listeners and events on this machine. Ctrl-C ends it.

    Exit status: 0 events arrived, 1 none did (the text says why), 2 usage.
    """
    from lmshooks.cli.embedded import BrokerError

    try:
        seen = asyncio.run(_demo(kafka, seconds))
    except BrokerError as error:
        raise click.ClickException(str(error)) from None
    except DemoFailed as failed:
        raise click.ClickException(str(failed)) from None
    if not seen.events:
        raise click.ClickException("nothing arrived")


class DemoFailed(Exception):
    """It cannot go on; the text says why."""


async def _demo(kafka: str | None, seconds: float | None) -> Seen:
    from lmshooks.cli.embedded import EmbeddedBroker, Port

    secret = secrets.token_bytes(32)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        bootstrap: str = kafka if kafka else await stack.enter_async_context(EmbeddedBroker())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lmshooks-demo-")))
        seen = Seen()
        crm = await stack.enter_async_context(Listener(secrets=[secret], on_request=seen.taker("crm")))
        reports = await stack.enter_async_context(
            Listener(secrets=[secret], on_request=seen.taker("reports"), answers=_now_and_then())
        )
        await _make_topic(bootstrap)
        admin = Port()
        stack.callback(admin.release)
        _write_configuration(folder, bootstrap, admin.number, {"crm": crm.url, "reports": reports.url})
        whsec = "whsec_" + b64encode(secret).decode()
        daemon = await _start_daemon(folder, whsec)
        stack.push_async_callback(_end, daemon)
        producing = asyncio.create_task(_produce(bootstrap, seen))
        stack.push_async_callback(_cancel, producing)
        view = stack.enter_context(View(seen, bootstrap, f"http://127.0.0.1:{admin.number}", folder / "daemon.log"))
        deadline = time.monotonic() + seconds if seconds else None
        while not stop.is_set() and (deadline is None or time.monotonic() < deadline):
            if daemon.returncode is not None:
                raise DemoFailed(f"the daemon ended: {(folder / 'daemon.log').read_text()[-2000:]}")
            if producing.done():
                raise DemoFailed(f"no events can be written to {bootstrap}: {producing.exception()}")
            await view.draw()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.25)
    return seen


def _now_and_then() -> Callable[[Received], Answers]:
    """Refuses every other delivery at its first attempt, so that retries are seen."""
    firsts = itertools.count()

    def answer(received: Received) -> Answers:
        return Answers(status=503 if received.attempt == 1 and next(firsts) % 2 == 0 else 200)

    return answer


async def _make_topic(bootstrap: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        # That it is there already is fine.
        await admin.create_topics([NewTopic(TOPIC, 2, 1)])
    except KafkaError as error:
        raise DemoFailed(f"no Kafka at {bootstrap}: {error}") from None
    finally:
        await admin.close()


def _write_configuration(folder: Path, bootstrap: str, port: int, urls: dict[str, str]) -> None:
    import yaml

    daemon = {
        # The embedded broker lets a group form only after half a session time-out: a short one, and patient requests.
        "kafka": {
            "bootstrap_servers": bootstrap, "topics": [TOPIC], "group_id": f"lmshooks-demo-{os.getpid()}",
            "state_topic": "lmshooks-demo.state", "dead_letter_topic": "lmshooks-demo.dead-letters",
            "replication_factor": 1, "retention_check": "warn", "session_timeout": "3s", "request_timeout": "10s",
            "start": "earliest",
        },
        "admin": {"host": "127.0.0.1", "port": port},
        "egress": {"allow_http": True, "allow_networks": ["127.0.0.0/8"]},
        "windows": {"default": {"every": f"{WINDOW}s"}},
        "drain_timeout": "5s",
    }  # fmt: skip
    auth, again = ({"signature": {"secrets": [{"env": "LMSHOOKS_DEMO_SECRET"}]}} for _ in range(2))
    retry = {"initial": "1s", "ceiling": "5s"}
    entries = [
        {
            "id": "crm", "account": "*", "name": "CRM: what learners do, at once", "url": urls["crm"], "auth": auth,
            "events": ["*_ENROLLMENT", "*_COMPLETED", "*_UNENROLLMENT"],
        },
        {
            "id": "reports", "account": "*", "name": "Reports: progress and bulk acts", "url": urls["reports"],
            "auth": again, "events": ["LEARNER_PROGRESS", "*_BATCH"], "window": "default", "retry": retry,
        },
    ]  # fmt: skip
    (folder / "subscriptions").mkdir()
    (folder / "daemon.yaml").write_text(yaml.safe_dump(daemon, sort_keys=False))
    (folder / "subscriptions" / "demo.yaml").write_text(yaml.safe_dump({"subscriptions": entries}, sort_keys=False))


async def _start_daemon(folder: Path, whsec: str) -> asyncio.subprocess.Process:
    with (folder / "daemon.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lmshooks", "run", "--config", str(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "LMSHOOKS_DEMO_SECRET": whsec},
            # The terminal's Ctrl-C is ours: we stop it in its turn.
            start_new_session=True,
        )


async def _end(daemon: asyncio.subprocess.Process) -> None:
    if daemon.returncode is not None:
        return
    daemon.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(daemon.wait(), 15)
    except TimeoutError:
        daemon.kill()
        await daemon.wait()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _produce(bootstrap: str, seen: Seen) -> None:
    from aiokafka import AIOKafkaProducer

    producer: AIOKafkaProducer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5)
    await producer.start()
    rng = random.Random()
    names, weights = list(samples.MIX), list(samples.MIX.values())
    try:
        while True:
            account, (name,) = rng.choice(ACCOUNTS), rng.choices(names, weights)
            event: dict[str, Any] = samples.make_event(name, account, rng.randrange(1, 500), time.time(), rng)
            value = json.dumps({"accountId": account, "events": [event]}).encode()
            await producer.send(TOPIC, value, key=str(account).encode())
            seen.written += 1
            await asyncio.sleep(rng.expovariate(RATE))
    finally:
        await producer.stop()
