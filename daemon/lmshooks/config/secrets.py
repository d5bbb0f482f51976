"""Where do secrets come from? From the environment or from files that the configuration names, never from its lines."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from lmshooks.config.kinds import Kind, text
from lmshooks.config.mistakes import Wrong
from lmshooks.config.reading import Reading
from lmshooks.core.keys import SigningKey, parse_signing_key

REFERENCE = "{env: NAME} or {file: PATH}"
_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
_NAMED = "text, or {env: NAME}"
_HINT = "secrets do not belong in these files"
SCHEMA = {
    "type": "object",
    "properties": {
        "env": {"type": "string", "pattern": f"^{_NAME}$", "description": "The environment variable that holds it."},
        "file": {"type": "string", "description": "The file that holds it, from the folder of daemon.yaml on."},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}


def referred(value: Any, reading: Reading) -> str:
    """What `{env: NAME}` or `{file: PATH}` names; the reference itself where secrets are not looked up.

    What stands there instead of one is never printed.
    """
    if not isinstance(value, dict):
        raise Wrong(REFERENCE, "a list" if isinstance(value, list) else "a secret written out", _HINT)
    if len(value) != 1 or next(iter(value)) not in ("env", "file"):
        raise Wrong(REFERENCE, "a mapping that is neither")
    ((kind, name),) = value.items()
    if not isinstance(name, str) or not name:
        raise Wrong("a name" if kind == "env" else "a path", at=(kind,))
    if not reading.secrets:
        return f"{kind}: {name}"
    found = _environment(name, reading) if kind == "env" else _content(name, reading)
    # Secrets become headers: a line break in one would end the header early.
    if not found.isprintable():
        raise Wrong("one line of text", "a secret with a line break or control character", at=(kind,))
    return found


def _environment(name: str, reading: Reading) -> str:
    found = reading.environ.get(name)
    if found:
        return found
    # A secret pasted in place of the name must not be printed: only what looks like a name is.
    shown = name if re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name) else "(not shown)"
    hint = "set it where lmshooks runs"
    raise Wrong("one that is set", f"the environment variable {shown}, which is not set", hint, ("env",))


def _content(name: str, reading: Reading) -> str:
    if name not in reading.files:
        reading.files[name] = _read(reading.directory / name)
    found, why = reading.files[name]
    if why:
        hint = f"relative paths begin at {reading.directory}"
        raise Wrong("a file that holds the secret", f"a file that is {why}", hint, ("file",))
    return found


def _read(path: Path) -> tuple[str, str]:
    """What a file holds, or why that is nothing."""
    try:
        found = path.read_text("utf-8").strip()
    except FileNotFoundError:
        return "", "missing"
    except OSError as error:
        return "", f"not readable ({error.strerror})"
    except ValueError:
        return "", "not text in UTF-8"
    return found, "" if found else "empty"


def _key(value: Any, reading: Reading) -> SigningKey:
    found = referred(value, reading)
    if not reading.secrets:
        return reading.share(sha256(found.encode()).digest())
    try:
        return reading.share(parse_signing_key(found))
    except ValueError as why:
        reason, _, expected = str(why).partition(", expected ")
        raise Wrong(expected, f"a secret that cannot sign ({reason})", at=tuple(value)) from None


def _named(value: Any, reading: Reading) -> str:
    if isinstance(value, dict) and list(value) == ["env"]:
        return referred(value, reading)
    return str(text(_NAMED).read(value))


def named() -> Kind:
    """A text, or the environment variable that holds it: what differs between replicas that share their files."""
    return Kind(_NAMED, _named, {"anyOf": [{"type": "string", "minLength": 1}, SCHEMA]}, informed=True)


def secret() -> Kind:
    """A reference; the model gets what it names."""
    return Kind(REFERENCE, referred, SCHEMA, secret=True, informed=True)


def signing_key() -> Kind:
    """A reference to a `whsec_` secret or a `whsk_` private key; the model gets what it signs with."""
    return Kind(REFERENCE, _key, SCHEMA, secret=True, informed=True)
