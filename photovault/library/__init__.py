"""The search catalog: every photo of a snapshot, found by date, place, camera, kind, text and more.

``Library`` is a SQLite file of this device, one per vault; it can always be made again from the listings of the vault
alone, without a single photo.  ``values`` are what is asked and answered, ``moments``, ``tokens``, ``drafts``, ``albums``
and ``alike`` the rules without I/O, ``indexing`` brings it up to date, ``finding`` answers.
"""

from photovault.library.store import Library, Mark, Standing
from photovault.library.values import ALIKE, SAME, Found, Key, Member, Query, Row

__all__ = ["ALIKE", "SAME", "Found", "Key", "Library", "Mark", "Member", "Query", "Row", "Standing"]
