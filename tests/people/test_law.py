"""What docs/privacy.md says that the law asks: each duty has tests, and each test is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRIVACY = (ROOT / "docs" / "privacy.md").read_text()
LAW = PRIVACY.split("### What the law asks")[1]
ROWS = re.findall(r"^\| (?!text \||---)(.*) \|$", LAW, re.MULTILINE)


@pytest.mark.parametrize("named", sorted({*re.findall(r"`(tests/[\w/.]+::\w+)`", PRIVACY)}))
def test_each_test_that_the_law_section_names_is_there(named: str) -> None:
    path, _, name = named.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_each_duty_has_a_test(row: str) -> None:
    _, asked, done, shown = row.split(" | ")
    assert asked
    assert done
    assert re.fullmatch(r"(`tests/[\w/.]+::\w+`(, )?)+", shown)


@pytest.mark.parametrize(
    "text",
    ["GDPR Art. 9(1)", "GDPR Art. 7(1)", "GDPR Art. 7(2)", "GDPR Art. 7(3)", "GDPR Art. 7(4)", "BIPA 15(a)",
     "BIPA 15(b)(1), (2)", "BIPA 15(b)(3)", "BIPA 15(c)", "BIPA 15(d)", "FTC, Everalbum (2021)"],
)  # fmt: skip
def test_each_text_is_there(text: str) -> None:
    assert any(row.startswith(text) for row in ROWS)


def test_the_table_says_how_long_the_data_are_kept_as_the_code_does() -> None:
    from photovault.people.consent import notice

    assert f"after {notice.KEPT_DAYS} days or at the end of the term" in PRIVACY
    assert f"erased after {notice.KEPT_DAYS} days" in " ".join(notice.NOTICE.split())
