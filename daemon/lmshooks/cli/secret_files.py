"""How is a secret written to disk? For its owner alone, whole or not at all, and never over another by accident."""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from pathlib import Path

import click

from lmshooks.core.signing import PREFIX


def make(size: int) -> str:
    """A new secret of `size` random bytes, as `whsec_<base64>`."""
    return spelt(secrets.token_bytes(size))


def spelt(key: bytes) -> str:
    """A key as `whsec_<base64>`."""
    return PREFIX + b64encode(key).decode()


def create(path: Path, text: str) -> None:
    """Write a new file that only its owner may read (0600); ends the command where there is one already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Created with its mode, not changed to it: there is no moment in which others may read it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already, and is not overwritten: name another file") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror or error}") from None


def replace(path: Path, text: str) -> None:
    """Write over a file: who reads it meanwhile finds the old text or the new one."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    create(fresh, text)
    fresh.rename(path)
