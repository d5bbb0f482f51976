"""What do the YAML files say? `load` turns a folder into core values, or tells every mistake with its line."""

from __future__ import annotations

from lmshooks.config.loading import Loaded, load
from lmshooks.config.mistakes import ConfigurationMistakes, Mistake
from lmshooks.config.process import DaemonSettings

Mistakes = ConfigurationMistakes

__all__ = ["ConfigurationMistakes", "DaemonSettings", "Loaded", "Mistake", "Mistakes", "load"]
