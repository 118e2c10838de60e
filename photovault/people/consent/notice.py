"""What people agree to: the notices, and the words by which they agree.  No I/O.

The one source for the command line, the gallery and docs/privacy.md (a test compares).  A consent holds the SHA-256 of
the text that was agreed to; when the text here is another one, that consent lapses.  So a change of a single letter asks
everybody again: change it only when something has changed that people would want to know.

Guarantee: whoever agrees by a prefix (``photovault people notice`` prints it) agrees to this very text.  Not guaranteed:
that it was read.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

VERSION: Final = 1
PREFIX_DIGITS: Final = 12
WORDS: Final = "group faces"
KEPT_DAYS: Final = 30
"""How long data stay, locked, after the consent lapsed for another reason than its term."""

_HEX = re.compile(r"[0-9a-f]{12,64}")

NOTICE: Final = """\
Grouping faces: what you agree to

What is measured. photovault looks for faces in your photos and turns each into a list of numbers
(128 with the engine that comes with it) by which faces of one person can be told from others. Where
the face is in the photo, how large and how clear it is, and which group it was put into are kept
with it. These numbers are biometric data: like a fingerprint, they belong to one person and cannot
be changed. No picture of a face is kept.

Of whom. Of everybody whose face is in the photos of the folders that you choose: you, your family,
friends, children, and strangers in the background. They were not asked. Folders that you add to
photovault later are not included until you agree for them, too.

Why. To show together the photos in which the same person is, to let you give that person a name,
and to find and restore photos by it. For nothing else. Nothing is learned from your photos for
others, and no list of faces of anybody else is compared with yours.

Where it is kept. In one encrypted file on this computer, for your user alone, in the folder
"people" of photovault's state folder. Its key is random, made for this file only, and lies in the
system's keyring or in a file beside it that only your user can read. It is not the key of your
backup.

It never leaves. No face, number, group or name is sent anywhere, and none is in a backup: what
leaves this computer is the same, byte for byte, whether faces are grouped or not (`photovault audit
--two-run` proves it with your photos). The program that holds the key cannot use the network, and
the program that looks at photos can neither use the network nor write a file. Putting names into a
backup or into files that other programs read needs a further consent for each.

For how long. For the term that you choose: 12 months unless you say otherwise, and 36 at most. Then
everything is erased by the next command, or by the daemon, unless you have renewed your consent
before. If this text changes, or the record of your consent is damaged, nothing is read or measured
any more until you agree again; what there is stays locked and is erased after 30 days, or at the
end of the term if that is sooner.

How to stop. At any time: photovault people disable. It ends what is running, destroys the key,
overwrites and removes everything that was measured and every name, looks whether anything is left,
and prints a receipt. Your photos and your backups stay as they are. You need not give a reason, and
everything else works as before.

What it cannot do. It makes mistakes: it takes brothers and sisters, parents and children, or the
same person as a child and as a grown-up for each other or apart, and it does so more often with
faces of children, of women, and of people with dark skin, of whom there were fewer in the photos
that the engines learned from. Do not use it to decide anything about anybody. Who can use your
account on this computer while you have agreed can see the groups and names. The parts of a disk
that a deleted file used may keep old bytes for a while; that is why everything is encrypted and the
key goes first. Copies of your state folder that other programs made before are out of its reach; it
is marked so that backup programs which heed such marks leave it out.

The law. If you group the photos of your own life at home, data protection law mostly leaves you
alone; showing or giving the result to others can change that. An organisation, club, school or
company needs the consent of each person, for a child that of a parent, and must say that it is one
(photovault people enable --organisation); then only people whose written release is on record can
be given a name.
"""

NAMES_NOTICE: Final = """\
Names in the backup: what you agree to

The names that you gave to people go into your backup, as tags of the photos in which they are. They
are sealed like the photos: who can open your vault can read them, and nobody else. No face, no
number of a face and no place of a face in a photo goes along. Storages keep what was sent to them
until the snapshots that hold it are forgotten, so a name that was backed up cannot be taken back at
once. It ends with your consent to the grouping of faces, or when you take it back.
"""

XMP_NOTICE: Final = """\
Names in files: what you agree to

The names of people, and where their faces are in each photo, are written in clear into small text
files (.xmp) in a folder that you choose. Every program and every person who can read that folder
can read them. If the folder is backed up, synchronised or sent, they go along, also to other
computers, and photovault cannot take them back: disabling the grouping of faces does not remove
these files. The numbers by which faces are told apart are never written into them. When such files
are read, the names and places that other programs wrote into them are taken over for the faces
here.
"""
XMP_WORDS: Final = "write names into files"


@dataclass(frozen=True, slots=True)
class Ask:
    """A text to agree to, and the words that must be typed for it."""

    text: str
    words: str

    def sha256(self) -> str:
        """Of the text in UTF-8, 64 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def prefix(self) -> str:
        """By which the text is named on the command line."""
        return self.sha256()[:PREFIX_DIGITS]

    def is_meant_by(self, named: str) -> bool:
        """Whether 12 or more hex digits are the first ones of this text's SHA-256."""
        named = named.strip().lower()
        return _HEX.fullmatch(named) is not None and self.sha256().startswith(named)

    def is_agreed_by(self, typed: str) -> bool:
        """Whether the words are the right ones; blanks around them do not count, everything else does."""
        return typed.strip() == self.words


FACES: Final = Ask(NOTICE, WORDS)
OTHERS: Final = {"names-backup": Ask(NAMES_NOTICE, "back up names"), "xmp": Ask(XMP_NOTICE, XMP_WORDS)}
"""Further consents, which hold only while the first one does."""


def sha256() -> str:
    """Of the notice about grouping faces, 64 hex digits."""
    return FACES.sha256()


PREFIX: Final = FACES.prefix
