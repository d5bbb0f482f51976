"""What becomes of a signal before the daemon's loop listens? `lmshooks run` heeds it before it imports anything else.

Unheeded, it would end the process as the system does: by the signal. Imports and files take a second and more, and a
supervisor, a deployment's script or an operator may send one meanwhile.

SIGTERM, SIGINT  end it at once, as told (exit status 0): nothing is begun that would have to be ended in order
SIGHUP           is remembered: what was read of the files may be older than the change it tells of
"""

from __future__ import annotations

import os
import signal

_reloads: list[int] = []


def heed() -> None:
    """From now on, until the loop's handlers take their place."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))  # no exception: an import or a finalizer could swallow it
    signal.signal(signal.SIGHUP, lambda number, _: _reloads.append(number))


def reload_told() -> bool:
    """Whether a SIGHUP came before the loop's handlers were there."""
    return bool(_reloads)
