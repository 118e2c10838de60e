"""The system's keyring as a place for the face key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photovault.app.settings import Setup

_SERVICE = "photovault faces"


class KeyringSecrets:
    """Secrets in the system's keyring; as ``people.key.Secrets`` wants them, OSError for whatever a backend raises."""

    def get(self, name: str) -> bytes | None:
        """What was kept under a name, None if nothing, or something that is none of ours."""
        import keyring

        try:
            text = keyring.get_password(_SERVICE, name)
        except Exception as error:  # noqa: BLE001 - see _why
            raise OSError(_why(error)) from None
        try:
            return None if text is None else bytes.fromhex(text)
        except ValueError:
            return None

    def set(self, name: str, secret: bytes) -> None:
        """Keep a secret under a name."""
        import keyring

        try:
            keyring.set_password(_SERVICE, name, secret.hex())
        except Exception as error:  # noqa: BLE001 - see _why
            raise OSError(_why(error)) from None

    def delete(self, name: str) -> None:
        """Forget what is kept under a name; it is read only where that fails, since who erases may have a network."""
        import keyring

        try:
            keyring.delete_password(_SERVICE, name)
        except Exception as error:  # noqa: BLE001 - see _why
            if self.get(name) is not None:
                raise OSError(_why(error)) from None


def face_secrets(setup: Setup) -> KeyringSecrets | None:
    """Where the face key is kept; None for a file."""
    return KeyringSecrets() if setup.may_use_keyring else None


def _why(error: Exception) -> str:
    """Backends raise anything; what they say may be long, and is not for logs."""
    return type(error).__name__
