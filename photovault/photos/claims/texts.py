"""Texts as people may see and a listing may keep them: short, without control characters, encodable as UTF-8.

Photos carry texts in whatever encoding their program liked.  UTF-8 is tried first, as other encodings are hardly ever
valid UTF-8 by chance, then Windows-1252, which gives something for any bytes.
"""

from __future__ import annotations

import re

NAME, TITLE, TEXT, WORD = 128, 1024, 4096, 256
"""Characters of the name of a camera, of a title, of a description, of a keyword."""

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")


def decoded(data: bytes) -> str:
    """``data`` up to its first zero byte, as UTF-8 or else Windows-1252."""
    data = data.partition(b"\0")[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def clean(text: str | bytes, most: int) -> str:
    """At most ``most`` characters of ``text``; runs of control characters (and broken ones) become a space."""
    if isinstance(text, bytes):
        text = decoded(text)
    text = text[: 2 * most]
    if not text.isprintable():
        text = _UNSEEN.sub(" ", text)
    return text.strip()[:most].rstrip()
