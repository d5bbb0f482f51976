"""How is a secret written to disk? For its owner alone, whole or not at all, and never over another by accident."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from lmshooks.core.keys import HALF, PrivateKey, SigningKey, spelt


def make(size: int) -> bytes:
    """A new secret of `size` random bytes."""
    return secrets.token_bytes(size)


def make_pair() -> PrivateKey:
    """The private key of a new pair, which knows the public one."""
    return PrivateKey.of(secrets.token_bytes(HALF))


def public_of(path: Path) -> Path:
    """Where the public key of the private one in a file lies."""
    return path.with_name(f"{path.name}.pub")


def create(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a new file that only its owner may read, unless `mode` says other; ends the command where it is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Created with its mode, not changed to it: there is no moment in which others may read it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
    except FileExistsError:
        raise click.ClickException(f"{path} is there already, and is not overwritten: name another file") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror or error}") from None


def replace(path: Path, text: str, mode: int = 0o600) -> None:
    """Write over a file: who reads it meanwhile finds the old text or the new one."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    create(fresh, text, mode)
    fresh.rename(path)


def create_key(path: Path, key: SigningKey) -> None:
    """Write a new file with a key; of a pair the public key, which anybody may read, into one beside it."""
    if isinstance(key, PrivateKey) and not path.exists():
        create(public_of(path), f"{spelt(key.public)}\n", 0o644)
    create(path, f"{spelt(key)}\n")


def replace_key(path: Path, key: SigningKey) -> None:
    """Write a key over another, the public half of a pair first."""
    if isinstance(key, PrivateKey):
        replace(public_of(path), f"{spelt(key.public)}\n", 0o644)
    replace(path, f"{spelt(key)}\n")
