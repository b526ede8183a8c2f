"""stresswire: settings, the command line, and the composition root."""

from importlib.metadata import version

__version__ = version("stresswire")
