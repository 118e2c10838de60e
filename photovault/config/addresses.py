"""Places that people write: a folder, a vault, a destination's name, a page of the web.  Each raises ValueError.

The text of the error says what was expected, and never what was there.
"""

from __future__ import annotations

import os.path
import re
from urllib.parse import urlsplit

MAIN = "main"  # what the vault of ``[vault]`` is called among the destinations


def folder(text: str) -> str:
    """Expand ``~``; a NUL can be in TOML but in no path."""
    if not text or "\0" in text:
        raise ValueError("the path of a folder")
    return os.path.expanduser(text)


def vault_address(text: str) -> str:
    """Refuse an address that is empty or carries a password."""
    try:
        carries_password = urlsplit(text).password is not None
    except ValueError:
        carries_password = False  # no address of the net; the storage says what is wrong with it
    if not text or "\0" in text or carries_password:
        raise ValueError("a folder or an address, with no password inside")
    return text


def destination_name(text: str) -> str:
    """A name that cannot be taken for an address, nor for the vault of ``[vault]``, which is called main."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", text, re.ASCII) is None or text == MAIN:
        raise ValueError(f"a name of letters, digits, - and _, other than {MAIN}, which is the vault itself")
    return text


def web_address(text: str) -> str:
    """Refuse what is no address of the web; empty means none."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # which is checked only when it is asked for
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_web = False
    if text and not (is_web and text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("an address such as https://example.org/..., with no password inside")
    return text
