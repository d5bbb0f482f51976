"""An endpoint of all accounts takes nothing of one: a real Kafka, the daemon as a process that is killed meanwhile."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import count
from pathlib import Path
from typing import Any

from lmshooks.listener import Answers, Listener, Received
from tests.kafka.daemons import Daemon
from tests.kafka.events import enveloped, event, kafka_of, subscription, until_arrived
from tests.kafka.records import create_topic, produce

BAD = 3
OTHERS = (1, 2, 4)
QUEUE = 50
"""Events that a lane keeps in memory: fewer than are owed to the account that is refused."""
EACH = 120
"""Events of each account in a round."""


class Accounts:
    """Writes rounds of events of all accounts, and remembers which event is whose."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._numbers = count(1)
        self.of: dict[int, list[str]] = defaultdict(list)
        """Account -> ids of its events, in the order of the log."""

    async def write(self) -> None:
        values = []
        for _ in range(EACH):
            for account in (BAD, *OTHERS):
                number = next(self._numbers)
                self.of[account].append(f"e{number}")
                values.append(enveloped(account, event(number)))
        await produce(self._kafka, self._topic, values)

    def ids(self, *accounts: int) -> set[str]:
        return {each for account in accounts for each in self.of[account]}


def taken(requests: list[Received]) -> dict[int, list[str]]:
    """Account -> ids of the events that were taken, each once, as they first came."""
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for request in requests:
        if request.status == 200:
            body = json.loads(request.body)
            found[body["accountId"]] |= dict.fromkeys(each["eventId"] for each in body["events"])
    return {account: list(ids) for account, ids in found.items()}


async def test_an_account_that_is_refused_is_held_over_a_kill_and_then_caught_up_in_order(
    kafka: str, topic: Any, tmp_path: Path
) -> None:
    name = await create_topic(kafka, topic("events"))
    requests: list[Received] = []
    bad = {str(BAD)}

    def answers(request: Received) -> Answers:
        account, _ = request.payload()
        return Answers(status=500 if account in bad else 200)

    accounts = Accounts(kafka, name)
    async with Listener(answers=answers, on_request=requests.append) as listener:
        everybody = subscription(listener, retry={"initial": "200ms", "ceiling": "1s"})
        limits = {"queue_events": QUEUE}
        async with Daemon(tmp_path / "c", kafka_of(kafka, name), [everybody], limits=limits) as daemon:
            await accounts.write()
            await until_arrived(requests, accounts.ids(*OTHERS))
            held = await daemon.said("account.held")
            assert held["subscription_id"] == "all" and held["account"] == str(BAD)
            await daemon.until_told("/metrics", 200, 'lmshooks_held_accounts{subscription="all"} 1.0')
            await accounts.write()
            await until_arrived(requests, accounts.ids(*OTHERS))
            daemon.kill()
            await daemon.ended()
            await accounts.write()
            daemon.spawn()
            await daemon.ready()
            await until_arrived(requests, accounts.ids(*OTHERS))
            assert BAD not in taken(requests)
            told = json.loads(await daemon.until_told("/status", 200, '"held_accounts":["'))
            (each,) = told["subscriptions"]
            assert each["held_accounts"] == [str(BAD)]
            bad.clear()
            await until_arrived(requests, accounts.ids(BAD), 60)
            await daemon.said("account.caught_up")
            await daemon.until_told("/metrics", 200, 'lmshooks_held_accounts{subscription="all"} 0.0')
            await accounts.write()
            await until_arrived(requests, accounts.ids(BAD, *OTHERS))
    assert taken(requests) == accounts.of, "all of it, in the order of the log"
