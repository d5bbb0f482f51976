"""What is sent? Events -> the body of a request, and the delivery's id.

The body is ALM's envelope around the events' own bytes: nothing in it is encoded anew, so a retry is the same bytes.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from orjson import dumps

from lmshooks.core.positions import Position


def body(account_json: bytes, raws: Iterable[bytes]) -> bytes:
    """`{"accountId": ..., "events": [...]}` of an account id and events that are JSON already."""
    return b'{"accountId":%b,"events":[%b]}' % (account_json, b",".join(raws))


def delivery_id(subscription_id: str, topic: str, partition: int, members: Sequence[tuple[Position, str]]) -> str:
    """The `webhook-id` of a delivery: the same over retries, restarts and instances.

    `members` are (position, event id) in order. 18 bytes of a hash: after `msg_`, 24 characters without padding.
    """
    # JSON, so that no two lists of parts are written alike; orjson, since there may be a delivery an event.
    return _id(dumps((subscription_id, topic, partition, members)))


def cut_id(whole: str, kept: Sequence[Position]) -> str:
    """The `webhook-id` of what is left of a delivery of which the log has lost members."""
    return _id(dumps((whole, kept)))


def _id(parts: bytes) -> str:
    return "msg_" + urlsafe_b64encode(blake2b(parts, digest_size=18).digest()).decode()
