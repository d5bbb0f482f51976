"""What do the YAML files say? `load` turns a folder into core values, or tells every mistake with its line."""

from __future__ import annotations

from lmshooks.config.daemon import DaemonSettings
from lmshooks.config.loading import Loaded, load, load_daemon
from lmshooks.config.mistakes import ConfigurationMistakes, Mistake

__all__ = ["ConfigurationMistakes", "DaemonSettings", "Loaded", "Mistake", "load", "load_daemon"]
