"""Backing up: plan, then act.

``plan_backup`` compares names, inodes, sizes and times with the catalog and says what is new, changed, moved and gone;
it reads no file.  ``run_backup`` walks only the folders in which something changed, lets workers read, split and hash
the files, stores the parts that the vault does not have, and writes one listing per folder, children first.  Packs come
before the index, the index before the snapshot: whenever it stops, what is there is whole, and the next run finds again
what was uploaded.  Where too many of the known files changed, went or do not decode any more (``guards``), a run stops before
its snapshot.  A file that is read again is compared with its last version (``versions``).

Guarantees: a file that could not be read, a folder that could not be listed and a source that is not there keep their
last version and are reported; nothing counts as deleted because it could not be seen.  The same state, files, keys and
clock give the same objects, byte for byte.  Not guaranteed: that files which belong together are of one moment.
"""

from photovault.backup.compare import Totals
from photovault.backup.plan import BackupPlan, SourcePlan, SourceSpec, plan_backup
from photovault.backup.run import BackupReport, RunInfo, run_backup

__all__ = [
    "BackupPlan",
    "BackupReport",
    "RunInfo",
    "SourcePlan",
    "SourceSpec",
    "Totals",
    "plan_backup",
    "run_backup",
]
