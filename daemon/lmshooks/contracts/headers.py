"""Which headers come with a delivery, and which with a dead letter?"""

from __future__ import annotations

from lmshooks.adapters.dead_letters import PREFIX
from lmshooks.contracts.shapes import Schema
from lmshooks.core.events import LetterReason

_REASONS = {
    LetterReason.MALFORMED: "is not one of the two shapes of a record",
    LetterReason.REJECTED: "was refused by the endpoint, alone, three times",
    LetterReason.EXPIRED: "was let go of by the log before it was delivered",
    LetterReason.OVERSIZED: "is larger than limits.event_bytes",
}
_ENTRY = "(v1,[A-Za-z0-9+/]{43}=|v1a,[A-Za-z0-9+/]{86}==)"


def webhook_headers() -> Schema:
    """The headers that every POST has, and those that a subscription's authentication adds."""
    return {
        "type": "object",
        "properties": {
            "content-type": {"const": "application/json"},
            "user-agent": {
                "type": "string",
                "description": "lmshooks and its version, unless a subscription says other.",
            },
            "webhook-id": {
                "type": "string",
                "pattern": "^msg_[A-Za-z0-9_-]{24}$",
                "description": "The delivery: the same over its retries.",
            },
            "webhook-timestamp": {
                "type": "string",
                "pattern": "^[0-9]+$",
                "description": "When this attempt was made, seconds since the epoch.",
            },
            "webhook-signature": {
                "type": "string",
                "pattern": f"^{_ENTRY}( {_ENTRY})*$",
                "description": (
                    "With signature authentication (Standard Webhooks): what was made of "
                    "`<webhook-id>.<webhook-timestamp>.<body>`, in base64: its HMAC-SHA256 under `v1`, its Ed25519 "
                    "signature under `v1a`. One entry a secret or private key, parted by spaces."
                ),
            },
            "authorization": {"type": "string", "description": "With basic or bearer authentication."},
            "lmshooks-attempt": {
                "type": "string",
                "pattern": "^[1-9][0-9]*$",
                "description": "Which attempt of this delivery it is, from 1.",
            },
        },
        "required": ["content-type", "user-agent", "webhook-id", "webhook-timestamp", "lmshooks-attempt"],
    }


def dead_letter_headers() -> Schema:
    """The headers of a dead letter: ours; those of the record stand beside them."""
    reasons = "; ".join(f"{reason}: it {what}" for reason, what in _REASONS.items())
    number = {"type": "string", "pattern": "^[0-9]+$"}
    ours: dict[str, Schema] = {
        "reason": {"type": "string", "enum": [str(reason) for reason in LetterReason], "description": reasons},
        "why": {"type": "string", "description": "For people: what was found, what was expected."},
        "topic": {"type": "string", "description": "Where it came from."},
        "partition": number,
        "offset": number,
        "index": {**number, "description": "Which event of the record, from 0."},
        "subscription": {"type": "string", "description": "Whom it was for; not there when it was for nobody yet."},
        "delivery": {"type": "string", "description": "The `webhook-id` under which it was refused."},
        "value": {"const": "left-out", "description": "It was too large for the topic: the value is empty."},
    }
    optional = ("subscription", "delivery", "value")
    return {
        "type": "object",
        "properties": {PREFIX + name: schema for name, schema in ours.items()},
        "required": [PREFIX + name for name in ours if name not in optional],
    }
