"""The configuration file: TOML in, one frozen ``Config`` out.

The dataclasses of ``schema`` are the whole description: each section is a class, each key a field, its default the
field's default, its type the field's annotation.  ``walk`` goes through them once, so a key cannot be documented and not
read, or read and not known.  ``units`` and ``addresses`` turn what is written as text into values, ``file`` reads the file.

Guarantee: what ``parse`` returns has only known keys with values of their types; everything else is a ``ConfigError``
that names the file and the key, and never repeats a value, which may be a secret put in the wrong place.  A secret
in the file is refused, known key or not.  Not checked here: whether a folder exists, or a pattern is a valid one.
"""

from photovault.config.addresses import MAIN
from photovault.config.file import load, parse
from photovault.config.schema import (
    AlarmsSection,
    Config,
    DestinationSection,
    SourceSection,
)
from photovault.config.units import Hours, parse_duration, parse_hours, parse_size

__all__ = [
    "MAIN",
    "AlarmsSection",
    "Config",
    "DestinationSection",
    "Hours",
    "SourceSection",
    "load",
    "parse",
    "parse_duration",
    "parse_hours",
    "parse_size",
]
