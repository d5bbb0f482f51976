"""What may any test ask for? Brokers, and topic names that nobody else has.

`embedded` and `kafka` are the bootstrap "host:port" of a broker shared by the session; `broker` runs a test against
both. Whoever kills or freezes a broker takes one of its own: `own_embedded`, `own_kafka`. `make test` gives the tests
of a file to one worker, and each worker starts the brokers that its files ask for, once.
"""

from __future__ import annotations

import logging
import signal
import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.kafka.brokers import ApacheKafka, EmbeddedBroker
from tests.kafka.jars import NoKafka, required

KAFKA_FIXTURES = {"kafka", "own_kafka"}
EMBEDDED_FIXTURES = {"embedded", "own_embedded"}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # The background job of a script ignores it, and so would the programs that the tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by the brokers that they ask for, so that `-m "not kafka"` is right without anybody's care."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        callspec = getattr(item, "callspec", None)
        if callspec is not None and "broker" in callspec.params:
            asked.add(callspec.params["broker"])
        if asked & KAFKA_FIXTURES:
            item.add_marker(pytest.mark.kafka)
        elif asked & EMBEDDED_FIXTURES:
            item.add_marker(pytest.mark.embedded)


def _apache_kafka() -> ApacheKafka:
    try:
        return ApacheKafka().start()
    except NoKafka as why:
        (pytest.fail if required() else pytest.skip)(f"no Apache Kafka: {why}")


@pytest.fixture(autouse=True)
def aiokafka_may_speak() -> None:
    """A command silences aiokafka for its process, which here is the process of the tests that come after it."""
    logging.getLogger("aiokafka").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    broker = EmbeddedBroker().start()
    yield broker.bootstrap
    broker.close()


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    broker = _apache_kafka()
    yield broker.bootstrap
    broker.close()


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> str:
    bootstrap: str = request.getfixturevalue(request.param)
    return bootstrap


@pytest.fixture
def own_embedded() -> Iterator[EmbeddedBroker]:
    """An embedded broker of this test alone."""
    broker = EmbeddedBroker().start()
    yield broker
    broker.close()


@pytest.fixture
def own_kafka() -> Iterator[ApacheKafka]:
    """An Apache Kafka of this test alone, to kill, restart, pause and resume."""
    broker = _apache_kafka()
    yield broker
    broker.close()


@pytest.fixture
def topic() -> Callable[..., str]:
    """`topic()` is a name that no other test has; `topic("state")` begins with the word."""

    def name(word: str = "topic") -> str:
        return f"{word}-{uuid.uuid4().hex[:12]}"

    return name
