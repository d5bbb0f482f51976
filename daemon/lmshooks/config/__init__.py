"""What do the YAML files say? `load` turns a folder into core values, or tells every mistake with its line.

The models are imported when they are used: a command that reads no configuration does not pay for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lmshooks.config.mistakes import ConfigurationMistakes, Mistake

if TYPE_CHECKING:
    from lmshooks.config.daemon import DaemonSettings
    from lmshooks.config.loading import Loaded

__all__ = ["ConfigurationMistakes", "DaemonSettings", "Loaded", "Mistake", "load", "load_daemon"]


def __getattr__(name: str) -> type:
    """The two types above, for who needs them at run time."""
    if name == "Loaded":
        from lmshooks.config.loading import Loaded

        return Loaded
    if name == "DaemonSettings":
        from lmshooks.config.daemon import DaemonSettings

        return DaemonSettings
    raise AttributeError(name)


def load(directory: Path, environ: Mapping[str, str], *, secrets: bool = True) -> Loaded:
    """Read the folder; secrets come from `environ` and from files named relative to the folder.

    Without `secrets` none is looked up: what is read so tells who gets what, and signs nothing. Raises
    ConfigurationMistakes with all of them.
    """
    from lmshooks.config import loading

    return loading.load(directory, environ, secrets=secrets)


def load_daemon(directory: Path, environ: Mapping[str, str]) -> DaemonSettings:
    """Read daemon.yaml alone, for who needs no subscription. Raises ConfigurationMistakes."""
    from lmshooks.config import loading

    return loading.load_daemon(directory, environ)
