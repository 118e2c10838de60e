"""No password hides in an address."""

from __future__ import annotations

from tests.config.some import refusal


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    error = refusal("[vault]\nurl = 'sftp://ann:hunter2@host/vault'")
    assert "vault.url" in error.what
    assert "hunter2" not in error.what + error.hint
