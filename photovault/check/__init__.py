"""Checking a vault: is everything there, and is it what was stored?

Structure: header, key slots and recovery documents against the newest snapshot's list of them; every device's chain of
snapshots against itself and against what this device saw before; every listing of every snapshot; every part of every
file has a place in a pack that is there and has its size.  Data: index objects and snapshots are compared with their
names (SHA-256); packs, all or a sample, too, and opened, and every part's id is computed again.  ``scrub`` needs no
key: it compares names only.

Parts that are stored together as JPEG XL are not decoded: that takes fifty times as long as reading them, and needs a
library that this computer may lack.  They are opened and compared with the SHA-256 that their pack keeps of them.  That
is enough: exactly these bytes were decoded in another process and compared with the photo before they were stored.
``audit`` and every restore decode them.

A finding says what is wrong and which files of which snapshots it costs.  A lost thumbnail costs no photo, nor does a
damaged part that another pack holds whole.  What is lost is told photo by photo, too: in which snapshots, and which is the
newest one that has a good version.  What was found damaged before is always read again, however little is to be read.
``plan`` says how much is read; ``clear``, ``data``, ``scrub`` and ``tree`` look, ``run`` puts them in order.

Guarantee: after a check of all data without a finding, every file of every snapshot can be restored (what is JPEG XL:
with a decoder that keeps to its standard).  Nothing in the vault is changed by a check.
"""

from photovault.check.clear import check_clear
from photovault.check.plan import parse_amount, plan_check
from photovault.check.run import run_check
from photovault.check.scrub import scrub
from photovault.check.values import Amount, CheckReport, Lost

__all__ = ["Amount", "CheckReport", "Lost", "check_clear", "parse_amount", "plan_check", "run_check", "scrub"]
