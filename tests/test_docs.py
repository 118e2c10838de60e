"""What the documents say is so."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from photovault import errors
from photovault import facts as known
from photovault.cli.main import COMMANDS
from photovault.decoder.protocol import FILES_MAX, Limits
from photovault.photos.claims.dates import CONFIDENCE
from photovault.vault import format as fmt

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FORMAT = (ROOT / "docs" / "format.md").read_text()
THREATS = (ROOT / "docs" / "threat-model.md").read_text()
GALLERY = (ROOT / "docs" / "gallery.md").read_text()


def shell_blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def test_ci_runs_the_second_command_of_the_readme() -> None:
    assert shell_blocks(README)[1].strip() in (ROOT / ".ci" / "run").read_text()


def test_what_the_second_command_of_the_readme_leaves_out_is_run_by_ci_in_the_next_step() -> None:
    quick = shell_blocks(README)[1].strip().rpartition("&& ")[2]
    steps = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if "pytest" in line]
    assert steps[1:] == [f"{quick} -m slow"]
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["addopts"]
    assert options.endswith("-m 'not slow'")


def test_the_first_command_of_the_readme_uses_commands_and_options_that_exist(photovault, tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Pictures" / "a.jpg").write_bytes(b"photo")
    commands = re.findall(r"\.venv/bin/photovault ([^&\n]*)", shell_blocks(README)[0])
    assert [command.split()[0] for command in commands] == ["init", "backup"]
    for command in commands:
        done = photovault(*command.replace("~", str(tmp_path)).split())
        assert done.code == 0, done.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"photovault {name}" in README


def test_commands_in_the_readme_exist() -> None:
    named = set(re.findall(r"`photovault ([a-z]+)", README)) | set(re.findall(r"\$ photovault ([a-z]+)", README))
    assert named <= COMMANDS.keys()


@pytest.mark.parametrize("path", sorted({*re.findall(r"\]\(([a-z.]+[\w/.-]*)\)", README)}))
def test_links_of_the_readme_lead_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", sorted({*re.findall(r"`(tests/[\w/.]+)`", THREATS + GALLERY)}))
def test_each_test_named_in_the_threat_model_and_for_the_gallery_is_there(path: str) -> None:
    assert "def test_" in (ROOT / path).read_text()


def test_views_keys_and_options_of_the_gallery_are_those_that_there_are(photovault) -> None:
    base = (ROOT / "photovault" / "gallery" / "templates" / "base.html").read_text()
    views = {*re.findall(r'\("/[a-z]*", "([A-Z][a-z ]+)"\)', base), *re.findall(r">(Basket|Health|Privacy)\b", base)}
    assert set(re.findall(r"^\| \*\*([\w ]+)\*\* \|", GALLERY, re.MULTILINE)) == views | {"Photo"}
    keys = GALLERY.split("## Keys")[1].split("\n## ")[0]
    assert set(re.findall(r"`([^`]+)`", keys)) == {*re.findall(r"<kbd>([^←↑→↓]+?)</kbd>", base)}
    options = re.findall(r"(--[a-z]{3,}(?:-[a-z]+)*)", GALLERY.split("## What is where")[0])
    assert set(options) <= set(re.findall(r"--[a-z-]+", photovault("gallery", "--help").out))


def test_exit_codes_are_those_of_the_help(photovault) -> None:
    shown = {
        int(code)
        for code in re.findall(r"(\d+)\s+[a-z]", photovault("--help").out.split("Exit codes:")[1].split("Options:")[0])
    }
    family = [errors.PhotovaultError]
    for one in family:
        family += one.__subclasses__()
    assert {one.exit_code for one in family} <= shown


def test_the_format_document_is_in_the_vault_as_it_is_in_docs() -> None:
    assert (ROOT / "photovault" / "vault" / "documents" / "FORMAT.md").read_bytes() == FORMAT.encode()


@pytest.mark.parametrize(
    "fact",
    [
        f'`"{fmt.SUITE}"`',
        f'| 0 | 6 | magic `"{fmt.MAGIC.decode()}"` |',
        f"| 80 | {fmt.HEAD.size + fmt.TAG} | region 0",
        f"| {fmt.HEAD_END} | | regions 3",
        f"trailer**: {fmt.RECORD.size} bytes per part",
        f"{fmt.INDEX_PART.size} bytes each",
        "from 2^14 to 2^24",
        f"is a multiple of {fmt.PAGE_MEAN}; after {fmt.PAGE_MAX} entries",
        f"exceed {fmt.PART_MAX // 2 // 2**20} MiB",
        *(f"{int(kind)} {kind.name.lower().replace('_', ' ')}" for kind in (*fmt.ObjectKind, *fmt.PartKind)),
        *(f"{int(codec)} {codec.name.lower()}" for codec in fmt.Codec),
        *(f'`"{kind}"`' for kind in fmt.SLOT_KINDS),
    ],
)  # fmt: skip
def test_numbers_of_the_format_document_are_those_of_the_code(fact: str) -> None:
    assert fact in FORMAT


def test_the_sizes_of_the_format_are_powers_of_two_between_16_kib_and_16_mib() -> None:
    assert (fmt.SIZE_MIN, fmt.SIZE_MAX) == (2**14, 2**24)
    assert [size for size in range(2**24 + 2) if size < 4 and fmt.is_size(size)] == []
    assert [1 << power for power in range(30) if fmt.is_size(1 << power)] == [1 << power for power in range(14, 25)]


KINDS = sorted(known.PHOTO_KINDS | known.RAW_KINDS | known.VIDEO_KINDS | known.SIDECAR_KINDS)
WRITTEN = {"jxl": "JPEG XL", "webp": "WebP", "takeout": "Takeout's JSON"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_and_the_format_name_each_kind_of_file_that_is_known(kind: str) -> None:
    section = README.split("## It knows photos")[1].split("\n## ")[0]
    assert re.search(rf"\b{WRITTEN.get(kind, kind.upper())}\b", section)
    assert f'`"{kind}"`' in FORMAT


@pytest.mark.parametrize("fact", [one.name for one in fields(known.Facts)])
def test_each_fact_has_its_line_in_the_format(fact: str) -> None:
    assert f"\n| `{fact}` |" in FORMAT.split("### Facts")[1]


def test_what_is_said_of_a_date_is_in_the_format() -> None:
    used = "".join(one.read_text() for one in (ROOT / "photovault" / "photos" / "claims").glob("*.py"))
    sources = {*re.findall(r"\b(?:Date|dates)\(\s*(?:rank|Rank\.\w+),[^\n]*?\"([a-z]{3,})\"", used)}
    assert {"exif", "xmp", "takeout", "name"} <= sources
    for fact, values in (("taken_source", sources), ("taken_confidence", set(CONFIDENCE.values()))):
        (row,) = re.findall(rf"\| `{fact}` \|.*", FORMAT)
        assert values <= set(re.findall(r'`"(\w+)"`', row))


def test_the_picture_of_the_layers_is_the_contract() -> None:
    drawn = re.findall(r"^    +((?:\w+ \| )*\w+)", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    (layers,) = [
        one["layers"]
        for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        if one["name"] == "layers"
    ]
    assert drawn == [one for one in layers if one != "__main__"]


def test_each_room_is_in_the_architecture() -> None:
    rooms = {one.stem for one in (ROOT / "photovault").iterdir() if not one.name.startswith("_")}
    named = set(re.findall(r"`(\w+)[/.]", (ROOT / "docs" / "architecture.md").read_text()))
    assert rooms - {"errors", "facts", "model", "progress", "config", "database", "diff"} <= named


def test_recover_is_about_as_long_as_the_readme_says() -> None:
    lines = len((ROOT / "photovault" / "vault" / "documents" / "recover.py").read_text().splitlines())
    (said,) = re.findall(r"one file of (\d+) lines", README)
    assert abs(int(said) - lines) <= 10


def test_programs_that_tests_need_are_installed_and_named_in_the_readme() -> None:
    script = (ROOT / "tests" / "install.sh").read_text()
    installed = set(re.findall(r"^needs (\S+) ", script, re.MULTILINE))
    needed = {
        name
        for one in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r"\bneeded\(\"([\w-]+)\"\)", one.read_text())
    }
    with_another = {"age-keygen", "ssh-add", "ssh-agent"}  # in the same packages
    assert needed <= installed | with_another
    for program in installed - {"sshd", "ssh-keygen"}:
        assert program in README.split("## The first five minutes")[0]


@pytest.mark.parametrize(
    "said",
    [
        f"{Limits().seconds:.0f} seconds and {Limits().memory >> 30} GiB a file",
        f"{Limits().pack_seconds:.0f} seconds and {Limits().pack_memory >> 30} GiB for JPEG XL",
        f"{Limits().pixels // 1_000_000} megapixels",
        f"up to {FILES_MAX} at a time",
    ],
)
def test_limits_in_the_threat_model_are_those_of_the_code(said: str) -> None:
    assert said in " ".join(THREATS.split())


def test_numbers_of_the_decision_on_decoders_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "decisions" / "0011-the-decoder.md").read_text()
    assert f"at most {Limits().pack_pixels // 1_000_000} megapixels" in text
