"""A folder that is written into: hostile names cannot leave it, and a file in it is old, absent or whole.

``names.plan_names`` gives every entry of one listing a name that is safe on this file system; ``Target`` takes only
such names.  It walks down from the open root one folder at a time (``openat`` with O_NOFOLLOW), so that no ``..``, no
absolute path and no link, also not one put there meanwhile, leads outside.  A file is written under a temporary name,
private to the user; ``commit_all`` makes the bytes of a whole batch durable, then gives all of them their names, then
makes each touched folder durable once.

``folder`` is one open folder, ``root`` the way down from the first one, ``pending`` one file under way and the naming
of many; ``direct`` writes past the page cache, ``marks`` sets times and rights, ``refusals`` translates errors.

Guarantee: no file gets its final name before its bytes and its times and rights are durable; what ``commit_all`` did
not report as failed is durable under its name when it returns.  A crash leaves temporary files; ``sweep`` removes
them.  Not guaranteed: two runs into one folder at a time (each would sweep the other's files); on Windows, where
paths stand in for open folders, a folder that someone swaps for a link in the instant between check and use.
"""

from photovault.target.pending import Pending
from photovault.target.target import Target

__all__ = ["Pending", "Target"]
