"""What does a running daemon answer? Its admin port, asked over HTTP without a proxy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click

from lmshooks.cli import settings

url_option = click.option(
    "--url", metavar="URL", help="The daemon's address, such as http://hooks-0:9400. [default: admin.host, admin.port]"
)


class Unreachable(Exception):
    """No daemon answered; the text says where, and what to do."""


def ask(url: str, path: str, expected: str) -> dict[str, Any]:
    """The JSON object at a path of the daemon at `url`, which must have the member `expected`. Raises Unreachable."""
    scheme, mark, _ = url.partition("://")
    if mark and scheme not in ("http", "https"):
        raise Unreachable(f"found {url}, expected an address such as http://hooks-0:9400")
    address = ("" if mark else "http://") + url.rstrip("/") + path
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=5) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        raise Unreachable(f"{address} answered {error.code}: is that an lmshooks daemon of this version?") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        why = getattr(why, "strerror", None) or why
        raise Unreachable(f"no daemon answers at {address} ({why}): is it running, and is this its address?") from error
    if not isinstance(told, dict) or expected not in told:
        raise Unreachable(f"{address} answered something else: is that an lmshooks daemon?")
    return told


def address(directory: Path) -> str:
    """Where the daemon of this configuration is asked, by its admin settings."""
    host, port = settings.admin_address(directory)
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
