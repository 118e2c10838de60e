"""Storing anew what is needed: encoded bytes stay as they are, what belongs together stays together, the index follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from photovault.forget.needed import Needed, short
from photovault.forget.prune import plan_prune, uses
from photovault.forget.rewrite import reindex, rewrite
from photovault.vault import format as fmt
from photovault.vault.format import Codec as Codecs
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import open_object
from photovault.vault.reader import Reader
from photovault.vault.writer import Writer
from tests.support.devices import Silent
from tests.vault.some import Codec, add, add_group, names, noise, spoil, store

if TYPE_CHECKING:
    from photovault.forget.rewrite import Rewritten
    from photovault.storage.memory import MemoryStorage
    from photovault.vault.vault import Vault
    from photovault.workers import Workers


def needing(vault: Vault, *parts: bytes) -> Needed:
    needed = Needed(Reader(vault))
    needed._parts.update(map(short, parts))
    return needed


def carry_out(
    vault: Vault, workers: Workers, *parts: bytes, uniform: bool = False
) -> tuple[Rewritten, frozenset[bytes]]:
    needed = needing(vault, *parts)
    used = uses(vault.places, needed, needing(vault))
    plan = plan_prune(used.packs, uniform=uniform)
    done = rewrite(vault, plan, used, needed, workers, Silent(), uniform=uniform)
    return done, frozenset((*plan.removed, *done.packs))


def held(
    vault: Vault, storage: MemoryStorage, *, but: frozenset[bytes] = frozenset()
) -> list[list[tuple[bytes, Codecs, bytes]]]:
    """What each pack holds: id, codec and encoded bytes of each part, in order."""
    found = []
    for name in names(storage, "packs/"):
        if fmt.digest_of(name) not in but:
            opened = open_object(vault.keyring, ObjectKind.PACK, storage.objects[name])
            found.append([(one.record.part_id, one.record.codec, opened.encoded(one)) for one in opened.regions])
    return found


def test_only_what_is_needed_is_stored_anew_and_it_can_be_read(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    data = [noise(50_000, n) for n in range(8)]
    ids = store(opened, workers, data)
    done, going = carry_out(opened, workers, ids[1], ids[6])
    assert len(done.packs) == 1
    assert going == frozenset(done.packs)
    for name in going:
        del storage.objects[fmt.object_name(ObjectKind.PACK, name)]
    opened.places.drop_packs(going)
    assert [Reader(opened).part(ids[at]) for at in (1, 6)] == [data[1], data[6]]
    assert opened.places.find(ids[0]) is None


def test_a_group_moves_whole_and_byte_for_byte(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    codec = Codec()
    opened.unpack = codec.unpack
    writer = Writer(opened, workers)
    parts = [noise(9_000, n) for n in range(3)]
    loose = [add(writer, opened, noise(60_000, f"loose {n}")) for n in range(4)]
    ids = add_group(writer, opened, codec, parts)
    writer.finish()
    [before] = held(opened, storage)
    asked = codec.asked
    _, going = carry_out(opened, workers, ids[1], loose[2])
    assert codec.asked == asked  # nothing was decoded
    [after] = held(opened, storage, but=going)
    assert [one for one in before if one[0] in {*ids, loose[2]}] == after
    for name in going:
        del storage.objects[fmt.object_name(ObjectKind.PACK, name)]
    opened.places.drop_packs(going)
    assert [Reader(opened).part(one) for one in ids] == parts


def test_listings_and_thumbnails_move_as_well(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    writer = Writer(opened, workers)
    page = b'{"entries":[],"version":1}' + b" " * 3_000
    kept = [writer.add_listing(page), writer.add_thumbnail(noise(20_000)), add(writer, opened, noise(20_000, "x"))]
    for n in range(5):
        add(writer, opened, noise(90_000, n))
    writer.finish()
    _, going = carry_out(opened, workers, *kept)
    kinds = {
        region.record.kind
        for name in names(storage, "packs/")
        if fmt.digest_of(name) not in going
        for region in open_object(opened.keyring, ObjectKind.PACK, storage.objects[name]).regions
    }
    assert kinds == {PartKind.CONTENT, PartKind.LISTING, PartKind.THUMBNAIL}
    assert Reader(opened).part(kept[0]) == page


def test_a_part_in_two_packs_counts_once(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    ids = store(opened, workers, [noise(40_000, 1), noise(40_000, 2)])
    opened.places.shun(opened.places.packs())  # so that it is stored again
    again = store(opened, workers, [noise(40_000, 1), noise(40_000, 2), noise(100, 3)])
    opened.places.shun(())
    used = uses(opened.places, needing(opened, *ids, *again), needing(opened))
    assert sorted(bool(use.live) for use in used.packs) == [False, True]
    _, going = carry_out(opened, workers, *ids, *again)
    assert len(going) == 1
    assert used.lost == 0


def test_a_pack_that_rotted_stays_and_nothing_of_it_moves(
    opened: Vault, storage: MemoryStorage, workers: Workers
) -> None:
    ids = store(opened, workers, [noise(50_000, n) for n in range(8)])
    [name] = names(storage, "packs/")
    spoil(storage, name)
    done, going = carry_out(opened, workers, ids[1])
    assert (done.packs, going) == ((), frozenset())
    assert "its bytes are not those" in done.findings[0].what
    assert names(storage, "packs/") == [name]


def test_uniform_packs_stay_uniform(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    ids = []
    for n in range(3):
        writer = Writer(opened, workers, uniform=True)
        ids.append(add(writer, opened, noise(1_000, n)))
        writer.finish()
    _, going = carry_out(opened, workers, *ids, uniform=True)
    assert len(going) == 3
    left = [storage.objects[name] for name in names(storage, "packs/") if fmt.digest_of(name) not in going]
    assert [len(data) for data in left] == [fmt.SIZE_MAX]


@pytest.mark.parametrize("rotten", [False, True])
def test_the_index_says_what_stays_and_small_ones_become_one(
    opened: Vault, storage: MemoryStorage, workers: Workers, *, rotten: bool
) -> None:
    ids = [store(opened, workers, [noise(200_000, n)])[0] for n in range(4)]
    packs = [opened.places.places_of(one)[0].pack for one in ids]
    before = names(storage, "index/")
    if rotten:
        spoil(storage, before[0])
    gone = reindex(opened, frozenset([packs[2]]), frozenset())
    [made] = set(names(storage, "index/")) - set(before)
    assert {fmt.object_name(ObjectKind.INDEX, name) for name in gone} == set(before)
    listed = fmt.read_index(opened.read_single(ObjectKind.INDEX, fmt.digest_of(made)))
    assert {pack.name for pack in listed} == set(packs) - {packs[2]}


def test_an_index_of_which_nothing_goes_is_left(opened: Vault, storage: MemoryStorage, workers: Workers) -> None:
    store(opened, workers, [noise(200_000)])
    before = dict(storage.objects)
    assert reindex(opened, frozenset(), frozenset()) == ()
    assert storage.objects == before
