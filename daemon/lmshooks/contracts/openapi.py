"""What does the admin port answer? OpenAPI 3.1 of /metrics, /healthz, /readyz, /status, /configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lmshooks import __version__
from lmshooks.adapters.admin import NOTE, OK, WRONG
from lmshooks.contracts.shapes import Schema
from lmshooks.core.ownership import State


def openapi() -> dict[str, Any]:
    """The document, as plain values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lmshooks: the admin port",
            "version": __version__,
            "description": (
                "For operators and their tools, at admin.host and admin.port. It has no authentication: keep the port "
                "inside. Each instance tells of the partitions that it owns."
            ),
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:9400", "description": "The defaults of admin.host and admin.port."}],
        "security": [],
        "paths": {
            "/metrics": _get(
                "metrics",
                "The metrics, for Prometheus.",
                {
                    "200": {
                        "description": "Their exposition; the README has the table of names.",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    }
                },
            ),
            "/healthz": _get(
                "health",
                "Whether the loops get on; what else is wrong stands in `reasons` and changes no status.",
                {"200": _json("It is alive.", "Health"), "503": _json("A loop hangs: a restart helps.", "Health")},
            ),
            "/readyz": _get(
                "ready",
                "Whether it takes part: the topics are checked, the state is read, the group is reached.",
                {"200": _json("It does.", "Ready"), "503": _json("Not yet, or not any more: see `missing`.", "Ready")},
            ),
            "/status": _get(
                "status",
                "How it stands, the worst first, and what to do about it. `lmshooks status` reads this.",
                {"200": _json("Always, whatever is wrong: `ok` tells.", "Status")},
            ),
            "/configuration": _get(
                "configuration",
                "What is applied, without its secrets. `lmshooks plan` compares it with the files.",
                {"200": _json("The configuration in effect.", "Configuration")},
            ),
        },
        "components": {
            "schemas": {
                "Health": _health(),
                "Ready": _object({"ready": _BOOL(""), "missing": _list(_TEXT("What is not there yet, in words."))}),
                "Status": _status(),
                "Subscription": _subscription(),
                "Partition": _partition(),
                "Window": _window(),
                "Configuration": _configuration(),
            }
        },
    }


def _get(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"operationId": name, "summary": summary, "responses": responses}}


def _json(description: str, schema: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _object(properties: dict[str, Schema]) -> Schema:
    """An object that has all of these; others may come with a later version."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _of(kind: str | list[str], **more: Any) -> Callable[[str], Schema]:
    def made(description: str) -> Schema:
        return {"type": kind, **more, **({"description": description} if description else {})}

    return made


_TEXT, _BOOL = _of("string"), _of("boolean")
_COUNT, _WHOLE = _of("integer", minimum=0), _of("integer")
_AGE = _of("number", minimum=0)
_SECONDS = _of("number")
_MAYBE_AGE = _of(["number", "null"], minimum=0)


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_of(values: Sequence[str], description: str) -> Schema:
    return {"type": "string", "enum": list(values), "description": description}


def _listed(schema: str) -> Schema:
    return _list({"$ref": f"#/components/schemas/{schema}"})


_SEVERITY = _one_of((WRONG, NOTE, OK), "How bad it is: to be mended, worth knowing, well.")


def _health() -> Schema:
    loop = _object({"age": _AGE("Seconds since it last got round."), "ok": _BOOL("Whether that is soon enough.")})
    return _object(
        {
            "alive": _BOOL("Whether every loop gets on."),
            "loops": {"type": "object", "additionalProperties": loop, "description": "By name; none while starting."},
            "reasons": _list(_TEXT("What is wrong, one sentence each.")),
        }
    )


def _status() -> Schema:
    return _object(
        {
            "instance": _TEXT("Which process answers."),
            "version": _TEXT("Of lmshooks."),
            "ok": _BOOL("Whether nothing is wrong."),
            "summary": _TEXT("One line: the worst thing and what to do about it, or that all is well."),
            "health": _list(_TEXT("What /healthz complains of.")),
            "configuration": _TEXT("The digest of the configuration in effect."),
            "configured": _COUNT("Subscriptions in it."),
            "posts": _COUNT("Requests in flight."),
            "failing_posts": _COUNT("Of them, those to failing endpoints."),
            "memory": _COUNT("Bytes of events held."),
            "lag": _COUNT("Records between the live feeds and the ends of their logs."),
            "subscriptions": {
                **_listed("Subscription"),
                "description": "Those with something to tell (not active and idle ones), the worst first.",
            },
            "partitions": {**_listed("Partition"), "description": "Those of this instance, the worst first."},
            "windows": _listed("Window"),
        }
    )


def _subscription() -> Schema:
    return _object(
        {
            "name": _TEXT("As the summary names it."),
            "id": _TEXT("Its id in the files."),
            "account": _TEXT("Its account, `*` for every one; empty when it is in no file."),
            "state": _one_of(
                ("active", "inactive", "suspended", "orphaned"),
                "Inactive: switched off in its file; suspended: stopped by the daemon; orphaned: in no file.",
            ),
            "severity": _SEVERITY,
            "why": _TEXT("What is the matter, in words; empty when nothing is."),
            "advice": _TEXT("What to do about it; empty when nothing is to be done."),
            "lanes": _object(
                {
                    "attached": _COUNT("That follow their feed."),
                    "detached": _COUNT("That are behind and catch up."),
                    "failing": _COUNT("Whose last attempt failed."),
                }
            ),
            "in_flight": _COUNT("Deliveries that are out."),
            "owed": _COUNT("Events known to be owed: in memory, or by their positions."),
            "unseen": _COUNT("Log records not yet looked at for it: what is its own of them is owed on top."),
            "queued": _COUNT("Events in memory that are not acknowledged."),
            "behind": _COUNT("Log records between its lanes and their feeds: an upper bound of what more is owed."),
            "oldest_owed_age": _MAYBE_AGE("Seconds since the oldest event known to be owed was written."),
            "held_accounts": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Accounts whose deliveries fail while others' go; what they are owed waits in the log.",
            },
            "failing_for": _MAYBE_AGE("Seconds for which every attempt has failed."),
            "next_attempt_in": _MAYBE_AGE("Seconds until the next attempt of a failing lane."),
            "last_status": _TEXT("The last failing attempt's status or failure; empty after a success."),
            "last_verdict": _TEXT("How that attempt was judged."),
            "last_detail": _TEXT("What it said: the beginning of the answer's body, or what went wrong."),
            "host": _TEXT("Of its endpoint; empty when it is in no file. Its URL may be a secret."),
            "suspended_for": _MAYBE_AGE("Seconds since the daemon stopped it."),
            "suspended_reason": {"type": ["string", "null"], "description": "Why: `gone` (410), or `horizon`."},
            "settled_age": _MAYBE_AGE("Seconds since something was last delivered or given up, as far as is known."),
        }
    )


def _partition() -> Schema:
    states = sorted({*map(str, State), "starting", "held", "full", "stuck"})
    return _object(
        {
            "name": _TEXT("`topic/number`."),
            "topic": _TEXT(""),
            "number": _COUNT(""),
            "state": _one_of(
                states,
                "Held: Kafka confirms nothing; stuck: its feed does not move; lost: the state topic lost what it held.",
            ),
            "severity": _SEVERITY,
            "why": _TEXT("What is the matter, in words; empty when nothing is."),
            "advice": _TEXT("What to do about it; empty when nothing is to be done."),
            "tenure": _WHOLE("The number of this ownership."),
            "read": _WHOLE("Offset up to which the live feed has read."),
            "committed": _WHOLE("Offset that is committed."),
            "log_end": _WHOLE("Offset of the log's end."),
            "lag": _COUNT("Records from `read` to `log_end`."),
            "sweeps": _COUNT("Sweeps under way: readings of the log for who is behind."),
            "pending_letters": _COUNT("Dead letters that are not written yet."),
            "checkpoint_age": _AGE("Seconds since the last confirmed checkpoint."),
        }
    )


def _window() -> Schema:
    return _object(
        {
            "name": _TEXT("Its name in daemon.yaml."),
            "next_close_in": _SECONDS("Seconds until it closes."),
            "last_close_age": _AGE("Seconds since it closed; since 1970 when it has not."),
            "open_ranges": _COUNT("Partitions whose closed range is not sent yet."),
        }
    )


def _configuration() -> Schema:
    names = {"type": "object", "additionalProperties": {"type": "string"}}
    fields = {"type": "object", "description": "Its fields and its endpoint's, as text; secrets as fingerprints."}
    return _object(
        {
            "version": _TEXT("The digest that /status tells as `configuration`."),
            "subscriptions": {"type": "object", "additionalProperties": fields, "description": "By id."},
            "windows": {**names, "description": "Schedules, by the window's name."},
            "cadences": {**names, "description": "Overrides, by event name or glob."},
        }
    )
