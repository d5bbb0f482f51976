"""What is sent? Events -> the body of a request, and the delivery's id.

The body is ALM's envelope around the events' own bytes: nothing in it is encoded anew, so a retry is the same bytes.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b

from lmshooks.core.positions import Position


def body(account_json: bytes, raws: Iterable[bytes]) -> bytes:
    """`{"accountId": ..., "events": [...]}` of an account id and events that are JSON already."""
    return b'{"accountId":%b,"events":[%b]}' % (account_json, b",".join(raws))


def delivery_id(subscription_id: str, topic: str, partition: int, members: Iterable[tuple[Position, str]]) -> str:
    """The `webhook-id` of a delivery: the same over retries, restarts and instances.

    `members` are (position, event id) in order. 18 bytes of a hash: after `msg_`, 24 characters without padding.
    """
    # Every text is preceded by its length, so that no two lists of parts are written alike.
    head = f"{len(subscription_id)}:{subscription_id}{len(topic)}:{topic}{partition}"
    tail = [f",{offset}.{index}.{len(event_id)}:{event_id}" for (offset, index), event_id in members]
    digest = blake2b(f"{head}{''.join(tail)}".encode(), digest_size=18).digest()
    return "msg_" + urlsafe_b64encode(digest).decode()
