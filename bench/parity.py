"""How fast parity is made and packs come back, and how much memory that takes.

    python bench/parity.py [--packs 16] [--work DIR]

Packs of 16 MiB in a folder, without photos: a vault is made, filled, given parity, two packs of each group are removed and
brought back. Each step is a process of its own, whose largest resident memory is told beside that of a process that only
opens the vault. Needs the extra `parity`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from photovault.crypto.keys import Keyring
from photovault.gate.door import Outbound, SealedObject
from photovault.parity import groups_of, make_parity, restore_packs, see_parity
from photovault.storage.folder import FolderStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import make_part
from photovault.vault.places import Places
from photovault.vault.vault import Vault
from photovault.vault.writer import Writer
from photovault.watch.memory import give_back
from photovault.workers import Workers

KEYRING = Keyring.of(bytes(16), {1: bytes(32)})
STEPS = ("open", "make", "restore one", "restore two")
MIB = 1 << 20


class Silent:
    """Progress that nobody watches."""

    def total(self, files: int, size: int) -> None:
        """Say nothing."""

    def advance(self, files: int, size: int, path: str) -> None:
        """Say nothing."""


def fill(vault: Vault, workers: Workers, packs: int) -> None:
    """Store noise, four parts of nearly 4 MiB to a pack."""
    writer = Writer(vault, workers, uniform=True)
    for _ in range(4 * packs):
        record, data = make_part(vault.keyring, PartKind.CONTENT, os.urandom(4 * MIB - 4096))
        writer.add(record, data)
    writer.finish()


def step(vault: Vault, workers: Workers, what: str) -> int:
    """Do one step; returns how many bytes of packs it was about."""
    packs = vault.stored(ObjectKind.PACK)
    if what == "make":
        return make_parity(vault, workers, Silent()).read_bytes
    if what.startswith("restore"):
        count = STEPS.index(what) - 1
        groups = groups_of(see_parity(vault, workers).pieces)
        lost = [name for group in groups if group.stands(packs) for name in group.packs[:count]]
        for name in lost:
            vault.door.delete(fmt.object_name(ObjectKind.PACK, name))
        for one in restore_packs(vault, lost, workers, Silent()):
            vault.door.send(SealedObject(kind=Outbound.PACK, data=one.data))
        return sum(packs.values())
    return 0


def run(folder: Path, what: str, packs: int) -> None:
    """One step in this process; prints what it took."""
    places = Places(folder / "places.sqlite")
    give_back()  # as the commands do
    vault = Vault(FolderStorage(folder / "vault"), KEYRING, places)
    with Workers(8) as workers:
        if what == "fill":
            fill(vault, workers, packs)
        else:
            vault.refresh()
        began, cpu = time.perf_counter(), time.process_time()
        size = step(vault, workers, what)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    places.commit()
    places.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"size": size, "seconds": took, "cpu": cpu, "peak": peak}))


def main() -> None:
    """Run every step and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packs", type=int, default=16)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--step")
    given = parser.parse_args()
    if given.step:
        run(given.work, given.step, given.packs)
        return
    with tempfile.TemporaryDirectory(prefix="parity-", dir=given.work) as folder:
        for what in ("fill", *STEPS):
            command = [sys.executable, __file__, "--step", what, "--work", folder, "--packs", str(given.packs)]
            done = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            if what != "fill":
                rate = done["size"] / MIB / done["seconds"]
                spent = f"{done['seconds']:6.2f} s, {done['cpu']:5.2f} s of a core, {rate:5.0f} MiB/s"
                print(f"{what:12} {spent}, {done['peak'] / MIB:4.0f} MiB of memory")
        vault = Path(folder, "vault")
        sizes = {name: sum(f.stat().st_size for f in (vault / name).rglob("*")) for name in ("packs", "parity")}
        print(f"parity is {sizes['parity'] / sizes['packs']:.1%} of the packs")


if __name__ == "__main__":
    main()
