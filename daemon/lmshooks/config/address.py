"""Where does the daemon of a folder answer? Two values of daemon.yaml, read without the models and without a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yaml import MappingNode

from lmshooks.config.documents import Node, Unreadable, compose, text_of, value_of
from lmshooks.config.mistakes import nearest

HOST, PORT = "127.0.0.1", 9400
"""Where nothing is said."""


def admin_address(directory: Path) -> tuple[str, int] | None:
    """`admin.host` and `admin.port`; None where the file is not one that plainly says so: then the models know why."""
    try:
        top = _pairs(compose(text_of(directory / "daemon.yaml")))
    except Unreadable:
        return None
    admin = _pairs(top["admin"]) if "admin" in top else {}
    if ("admin" not in top and nearest("admin", top)) or not admin.keys() <= {"host", "port"}:
        return None
    host = value_of(admin["host"]) if "host" in admin else HOST
    port = value_of(admin["port"]) if "port" in admin else PORT
    return (host, port) if isinstance(host, str) and type(port) is int else None


def _pairs(node: Node) -> dict[str, Any]:
    """A mapping's values by their keys; of anything else, one that nothing expects."""
    return {str(key.value): value for key, value in node.value} if isinstance(node, MappingNode) else {"": node}
