"""A sheet of paper that opens a vault in twenty years: where it is, what to do, and the 24 words or lines to write them on.

One page of HTML that needs nothing else: no script, no picture from anywhere.  It holds the words only if they were given; then they
were tried first, so no sheet is printed with words that open nothing.  ``render`` is pure.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import segno

from photovault.app.session import device_name, utc_text
from photovault.crypto.words import COUNT, to_words
from photovault.vault.chains import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.app.runs import App

_STYLE: Final = """
@page { size: A4; margin: 15mm }
body { font: 11pt/1.4 system-ui, sans-serif; color: #000; background: #fff; max-width: 180mm; margin: 1em auto; padding: 0 1em }
h1 { font-size: 18pt; margin: 0 0 2mm } h2 { font-size: 12pt; margin: 5mm 0 1mm; border-bottom: 1px solid #000 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 5mm; margin: 0 } dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere }
ol.words { columns: 4; font: 12pt/1.9 ui-monospace, monospace; margin: 2mm 0; padding-left: 3em }
ol.words span { display: inline-block; min-width: 8em; min-height: 1em; border-bottom: 1px dotted #000 }
code { font: 10pt ui-monospace, monospace; overflow-wrap: anywhere } .codes { display: flex; gap: 10mm } figure { margin: 0 }
figcaption { font-size: 9pt; max-width: 60mm } svg { width: 38mm; height: 38mm }
"""

_SCANNED: Final = 5  # a code holds no more than a few addresses
_FIRST: Final = (
    "<p>Whoever holds the 24 words below can open this backup of photos and videos; without them, or its password, nobody"
    " can. Keep this sheet where you keep a will. Keep a second one elsewhere.</p>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is on a sheet.

    Attributes:
        addresses: where the vault and its copies are, without secrets; a path where it is a folder.
        computer: whose folders these are.
        vault_id: 32 hex digits.
        made: when the sheet was, UTC, ISO 8601.
        newest: time and files of the newest snapshot; empty when there is none.
        fingerprint: of what the vault showed, see ``chains.fingerprint``.
        words: the 24, or none.
    """

    addresses: tuple[str, ...]
    computer: str
    vault_id: str
    made: str
    newest: str
    fingerprint: str
    words: tuple[str, ...] = ()


def sheet_of(app: App) -> Sheet:
    """The sheet of a vault; with its words where their file is named, for then they alone open it.

    Raises:
        WrongKeyError: they open nothing.  What else opening a vault raises.
    """
    with app.session() as session:
        found = session.vault.snapshots().found
        newest = f"{found[-1].snapshot.time[:16]} UTC, {found[-1].snapshot.counts.files:,} files" if found else ""
        others = tuple(app.storage_at(one.url).address for one in app.others())
        return Sheet(
            addresses=(session.vault.door.address, *others),
            computer=device_name(),
            vault_id=session.vault.keyring.vault_id.hex(),
            made=utc_text(app.world.now())[:10],
            newest=newest,
            fingerprint=fingerprint(found),
            words=to_words(app.given_words) if app.settings.words_file else (),
        )


def render(sheet: Sheet) -> str:
    """The page, as HTML."""
    return "".join(
        (
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>",
            "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>Recovery sheet of {escape(sheet.vault_id[:8])}</title><style>{_STYLE}</style></head><body>",
            "<h1>Recovery sheet of a photovault vault</h1>",
            _FIRST,
            _where(sheet),
            _words(sheet.words),
            _steps(sheet),
            _codes(sheet),
            "</body></html>\n",
        )
    )


def _where(sheet: Sheet) -> str:
    rows = [
        *(("The vault" if not number else "A copy", _place(sheet, one)) for number, one in enumerate(sheet.addresses)),
        ("Its id", sheet.vault_id),
        ("Newest snapshot", sheet.newest or "none yet"),
        ("Fingerprint then", sheet.fingerprint or "none yet"),
        ("This sheet is of", sheet.made),
    ]
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<h2>Where it is</h2><dl>{body}</dl>"


def _place(sheet: Sheet, address: str) -> str:
    return f"{address}, on the computer {sheet.computer}" if os.path.isabs(address) else address


def _words(words: Sequence[str]) -> str:
    said = "" if words else "<p>Write them here by hand, in order, and check them: <code>photovault key test</code></p>"
    lines = "".join(f"<li><span>{escape(word)}</span></li>" for word in (words or ("",) * COUNT))
    return f"<h2>The 24 recovery words</h2>{said}<ol class='words'>{lines}</ol>"


def _steps(sheet: Sheet) -> str:
    where = escape(sheet.addresses[0])
    return (
        "<h2>To get the photos back</h2><ol><li>On any computer with Python 3.11 or newer: <code>pip install photovault</code></li>"
        "<li>Type the words into a text file, for example <code>words.txt</code>.</li>"
        f"<li><code>photovault restore --no-config --vault {where} --words-file words.txt --to Restored</code><br>"
        "In place of the address, name where the disk, or your copy of the vault, is on that computer.</li>"
        "<li>If nothing was backed up since: <code>photovault snapshots</code> with the same options shows the fingerprint above."
        " Delete words.txt.</li></ol>"
        "<p>If photovault is gone: the vault holds <code>RECOVER.txt</code>. It says how to do the same with the file"
        " <code>recover.py</code> beside it, which needs only Python and one package, and an engineer finds every byte described in"
        " <code>FORMAT.md</code>.</p>"
    )


def _codes(sheet: Sheet) -> str:
    where = "\n".join((*sheet.addresses[:_SCANNED], sheet.vault_id, sheet.fingerprint))
    codes = [("Where it is, and its fingerprint", where)]
    if sheet.words:
        codes.append(("The 24 words: let no camera see it but your own", " ".join(sheet.words)))
    figures = "".join(
        f"<figure>{segno.make(text, error='m').svg_inline(omitsize=True)}<figcaption>{escape(said)}</figcaption></figure>"
        for said, text in codes
    )
    return f"<h2>To be scanned</h2><div class='codes'>{figures}</div>"
