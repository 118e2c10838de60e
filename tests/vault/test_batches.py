"""Files for one worker: neighbours together, and never more than it may hold."""

from __future__ import annotations

from photovault.vault.batches import BATCH_BYTES, BATCH_FILES, Batches
from photovault.vault.format import Codec, PartKind, Record
from photovault.vault.pack import Region
from photovault.vault.places import Place


def place(pack: int, length: int = 1000) -> Place:
    record = Record(bytes(32), PartKind.CONTENT, Codec.PLAIN, length, length)
    return Place(pack=pack.to_bytes(32), size=1 << 24, region=Region(number=0, offset=0, record=record))


def batched(*files: tuple[int, int]) -> list[list[int]]:
    """Numbers of the files in each batch, of files in these packs with these lengths."""
    batches = Batches[int]()
    found = [one for number, (pack, length) in enumerate(files) for one in batches.add(number, (place(pack, length),))]
    return [[number for number, _ in one.files] for one in (*found, *batches.rest())]


def test_files_of_one_pack_come_together_whatever_lies_between() -> None:
    assert batched((1, 10), (2, 10), (1, 10), (2, 10)) == [[0, 2], [1, 3]]


def test_a_batch_is_never_larger_than_it_may_be_unless_one_file_is() -> None:
    half = BATCH_BYTES // 2
    assert batched((1, half), (1, half), (1, 1)) == [[0, 1], [2]]
    assert batched((1, 10), (1, 2 * BATCH_BYTES), (1, 10)) == [[0], [1], [2]]
    assert [len(one) for one in batched(*[(1, 1)] * (BATCH_FILES + 1))] == [BATCH_FILES, 1]


def test_of_many_packs_the_oldest_go_first() -> None:
    assert batched(*[(pack, 10) for pack in range(10)], (9, 10))[:2] == [[0], [1]]
    assert batched(*[(pack, 10) for pack in range(10)], (9, 10))[-1] == [9, 10]


def test_a_file_of_nothing_has_a_batch_too() -> None:
    batches = Batches[str]()
    assert list(batches.add("empty", ())) == []
    assert [one.files for one in batches.rest()] == [[("empty", ())]]
    assert list(batches.rest()) == []
