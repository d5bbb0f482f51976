"""How is Kafka reached? The settings that every Kafka adapter shares, and what they become for aiokafka.

Four facts of aiokafka shape this file: a client that failed for good stays failed (so producers are held by something
that can make a new one), its calls may wait for ever (so every caller brings its own deadline), an outage makes it
write hundreds of lines a minute (so its loggers are filtered; why a broker was not reached is told there alone, so what
passes the filter is remembered), and it does not know what uvloop says of a closed connection (so it is told).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext, SSLError
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError
from aiokafka.helpers import create_ssl_context

from lmshooks.adapters.kafka_errors import describe, remember

FETCH_BYTES = 1024 * 1024
"""Of one fetch answer, at most, but for a batch that is larger: it is in memory three times while it is taken apart."""

SHORT_POLL, LONG_POLL = 0.05, 0.25
"""Seconds that a fetch may wait for records at its broker: of a consumer that gets some, and of one that is quiet."""
QUIET = 1.0
"""Seconds without records after which it is."""

_CUT = 1.0
"""Seconds that each part of a client may take to close whose stop() was given up: it takes some milliseconds."""

log = logging.getLogger(__name__)

__all__ = [
    "KafkaSettings", "Producing", "TopicMissing", "client_options", "closed", "connected_admin", "describe",
    "fetch_at_most", "poll_long_when_quiet", "quiet_aiokafka", "reading_options", "refuse_missing_topics",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where Kafka is, who we are to it, and which topics are ours. Durations in seconds."""

    bootstrap_servers: str
    group_id: str = "lmshooks"
    topics: tuple[str, ...] = ()
    topic_pattern: str | None = None
    """A regular expression; topics that appear later and match are taken too."""
    state_topic: str = "lmshooks.state"
    dead_letter_topic: str = "lmshooks.dead-letters"
    create_topics: bool = True
    """Whether the state and dead-letter topics may be created. Source topics never are."""
    instance_id: str | None = None
    """Static membership: a successor with the same id goes on at once."""
    session_timeout: float = 10.0
    request_timeout: float = 5.0
    """Also sets how long a broker that hangs can hold us up: about twice this."""
    start: str = "latest"
    """Where a group without commits begins: `latest`, `earliest`, or an ISO 8601 time."""
    replication_factor: int | None = None
    """Of the topics that we create; None is the broker's default."""
    retention_check: Literal["refuse", "warn"] = "refuse"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every aiokafka client is given: addresses, time-outs, TLS and SASL. Reads the certificate files.

    Raises OSError or ssl.SSLError where a file cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",") if server.strip()],
        "client_id": settings.instance_id or "lmshooks",
        "request_timeout_ms": int(settings.request_timeout * 1000),
        "security_protocol": settings.security_protocol,
        "metadata_max_age_ms": 30_000,
    }
    if settings.security_protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = _tls(settings)
    if settings.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism or "PLAIN"
        options["sasl_plain_username"] = settings.username
        options["sasl_plain_password"] = settings.password
    return options


def reading_options(settings: KafkaSettings) -> dict[str, Any]:
    """What our consumers have in common: no commits and no resets behind our back, short long polls, checked CRCs."""
    return client_options(settings) | {
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "check_crcs": True,
        "fetch_max_wait_ms": int(SHORT_POLL * 1000),
        "max_partition_fetch_bytes": FETCH_BYTES,
        "fetch_max_bytes": FETCH_BYTES,
    }


def poll_long_when_quiet(consumer: AIOKafkaConsumer) -> None:
    """From now on fetches of this consumer, which runs, wait for longer at their brokers while nothing comes.

    A fetch asks a broker for all of its partitions that have nothing on hand; one that comes to have nothing meanwhile
    waits until it is answered. So they are short while there is anything to read, and a quiet consumer, which has
    nothing on hand of any partition, loses nothing by long ones: the first record answers them.

    As with `fetch_at_most`, aiokafka's fetcher looks at its field whenever it makes a request; it makes the next one
    after the answer has gone through here.
    """
    fetcher = consumer._fetcher
    proceed = fetcher._proc_fetch_request
    came = time.monotonic()

    async def request(*given: Any) -> bool:
        nonlocal came
        some: bool = await proceed(*given)
        now = time.monotonic()
        if some:
            came = now
        fetcher._fetch_max_wait_ms = int((SHORT_POLL if now - came < QUIET else LONG_POLL) * 1000)
        return some

    fetcher._proc_fetch_request = request


class TopicMissing(KafkaError):  # type: ignore[misc]
    """The topic of a commit is not there (any more)."""


def refuse_missing_topics(consumer: AIOKafkaConsumer) -> None:
    """From now on a commit of this consumer, which runs, fails where its topic is not there.

    aiokafka makes it again and again, and the others of the same request with it, until somebody's time is up.
    """
    coordinator = consumer._coordinator
    make = coordinator._do_commit_offsets

    async def once(assignment: object, offsets: object) -> None:
        try:
            await make(assignment, offsets)
        except UnknownTopicOrPartitionError as error:
            raise TopicMissing("one of the topics is not there: was it deleted?") from error

    coordinator._do_commit_offsets = once


def fetch_at_most(consumer: AIOKafkaConsumer, size: int) -> None:
    """From now on a fetch of this consumer, which runs, asks for so many bytes, FETCH_BYTES at most.

    aiokafka has no setting for that; its fetcher looks at these fields whenever it makes a request.
    """
    fetcher = consumer._fetcher
    fetcher._max_partition_fetch_bytes = fetcher._fetch_max_bytes = min(size, FETCH_BYTES)


def _tls(settings: KafkaSettings) -> SSLContext:
    """The TLS context of the settings. Raises OSError that names the file, which OpenSSL's own errors do not."""
    files = {"ca_file": settings.ca_file, "cert_file": settings.cert_file, "key_file": settings.key_file}
    named = ", ".join(f"kafka.security.{name} {path}" for name, path in files.items() if path is not None)
    try:
        for path in filter(None, files.values()):
            Path(path).read_bytes()
        context: SSLContext = create_ssl_context(
            cafile=settings.ca_file, certfile=settings.cert_file, keyfile=settings.key_file
        )
    except SSLError as error:
        raise OSError(f"{named}: {error.reason or error}, expected PEM files, a key beside its certificate") from error
    except OSError as error:
        raise OSError(f"{named}: {error.filename or 'one of them'}: {error.strerror or error}") from error
    return context


class Producing:
    """Holds one producer: started when first needed, made anew after it failed for good."""

    def __init__(self, settings: KafkaSettings, **options: Any) -> None:
        self._settings = settings
        self._options = options
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._failures = 0
        self._closing: set[asyncio.Task[None]] = set()

    async def get(self) -> AIOKafkaProducer:
        """The producer, started. Raises KafkaError where no broker answers."""
        async with self._starting:
            if self._producer is None:
                # Not idempotent: an idempotent producer waits for ever in an outage, can get stuck on
                # OutOfOrderSequence, and the embedded broker has none. Ours are safe to repeat.
                producer = AIOKafkaProducer(
                    **client_options(self._settings), acks="all", enable_idempotence=False, **self._options
                )
                try:
                    await producer.start()
                except BaseException:
                    await closed(producer)
                    raise
                self._producer = producer
            return self._producer

    def succeeded(self) -> None:
        """Something was written."""
        self._failures = 0

    def failed(self, error: BaseException) -> None:
        """Something was not: after an error that no retry heals, or three in a row, the next `get` makes a new one."""
        self._failures += 1
        hopeless = not (isinstance(error, TimeoutError) or (isinstance(error, KafkaError) and error.retriable))
        if self._producer is not None and (hopeless or self._failures >= 3):
            old, self._producer, self._failures = self._producer, None, 0
            task = asyncio.create_task(closed(old, self._settings.request_timeout))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def stop(self) -> None:
        """Sends what is queued, within one request time-out."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await closed(producer, self._settings.request_timeout)
        if self._closing:
            await asyncio.wait(self._closing)


async def closed(client: AIOKafkaConsumer | AIOKafkaProducer, timeout: float = 5.0) -> None:
    """Stops a client, within `timeout` seconds, whatever state it is in. Raises nothing of the client's.

    A stop() that is given up, or breaks off, has not come to what aiokafka closes last: the tasks that fetch, and the
    connections, which would stay for good. Those are closed then; nothing of that waits for a broker.
    """
    if await _ended(client.stop(), timeout):
        return
    if isinstance(client, AIOKafkaConsumer):
        _give_up_helpers(client)
        parts = (client._fetcher, client._client)
    else:
        parts = (client._sender, client.client)
    for part in parts:
        if part is not None:
            await _ended(part.close(), _CUT)


async def _ended(work: Coroutine[Any, Any, None], timeout: float) -> bool:
    """Whether it came to its end within so many seconds; it is cancelled where it did not.

    In a task of its own: aiokafka's stop() cancels its helpers and awaits them, and their CancelledError comes out of
    it as if we had been cancelled.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=timeout)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=_CUT)
        return False
    if task.cancelled():
        return False
    if (error := task.exception()) is not None:
        log.debug("client not stopped cleanly: %s", describe(error))
    return error is None


def _give_up_helpers(consumer: AIOKafkaConsumer) -> None:
    """Cancels the tasks that would go on asking, and open connections again that are closed."""
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")
    helpers = [getattr(consumer._coordinator, name, None) for name in names]
    for helper in (*helpers, *getattr(consumer._fetcher, "_pending_tasks", ())):
        if helper is not None:
            helper.cancel()


class _OutageFilter(logging.Filter):
    """Lets each of aiokafka's messages through once a minute, none below WARNING, and none as more than that.

    What it could not do is tried again, by it or by us; where that does not help, our own lines say so.
    """

    def __init__(self, every: float = 60.0) -> None:
        super().__init__()
        self._every = every
        self._seen: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        remember(record)
        if record.levelno < logging.WARNING:
            return False
        # By the template, not by the text: the text names nodes, offsets and correlation ids.
        key = (record.name, str(record.msg))
        now = time.monotonic()
        if now - self._seen.get(key, -self._every) < self._every:
            return False
        if len(self._seen) >= 1000:
            self._seen.clear()
        self._seen[key] = now
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        return True


_send = AIOKafkaConnection.send


def _send_or_fail(connection: AIOKafkaConnection, *arguments: Any, **options: Any) -> Any:
    """aiokafka's `send`, for which a connection that has just been closed is an error of the connection.

    asyncio's transports take a write then, uvloop's raise RuntimeError, and aiokafka expects OSError. Its task that
    asks for the brokers would end unseen, and the consumer never find its group again.
    """
    try:
        return _send(connection, *arguments, **options)
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
        raise KafkaConnectionError(f"Connection at {connection.host}:{connection.port} broken: {error}") from error


AIOKafkaConnection.send = _send_or_fail


class _AbandonedFilter(logging.Filter):
    """Drops what asyncio says of aiokafka's requests that failed when nobody waited for them any more."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, KafkaError) and "never retrieved" in record.getMessage())


_abandoned = _AbandonedFilter()


def quiet_aiokafka(every: float = 60.0) -> None:
    """Tames aiokafka's loggers: each message once in `every` seconds. May be called more than once.

    Its loggers are module loggers below `aiokafka`; a filter of the parent does not see its children's records, so
    the filter is put on each.
    """
    logging.getLogger("asyncio").addFilter(_abandoned)
    quiet = _OutageFilter(every)
    names = [name for name in logging.root.manager.loggerDict if name == "aiokafka" or name.startswith("aiokafka.")]
    for name in names:
        logger = logging.getLogger(name)
        for old in [known for known in logger.filters if isinstance(known, _OutageFilter)]:
            logger.removeFilter(old)
        logger.addFilter(quiet)


async def connected_admin(settings: KafkaSettings) -> AIOKafkaAdminClient:
    """An admin client that has connected; closed again where it has not."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
    except BaseException:
        with contextlib.suppress(Exception):
            await admin.close()
        raise
    return admin
