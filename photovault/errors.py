"""The error family: what happened, what to do about it, the exit code, and whether a retry can help.

Every error that a user can meet is one of these.  The command line prints ``error: <what>`` and ``do: <hint>`` and
leaves with ``exit_code``; nothing above needs a case analysis.  Foreign errors are translated into this family once,
at the seam where they enter.  Exit codes 10 to 12 are those of restic.
"""

from __future__ import annotations

from typing import ClassVar


class PhotovaultError(Exception):
    """Something went wrong in a way that is understood.

    Attributes:
        exit_code: process exit code; ``photovault --help`` lists them.
        retryable: True when the same call may succeed later with no change by the user.
        hint: one sentence that says what to do, or the empty string.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, hint: str = "") -> None:
        """Keep the message ``what`` and the advice ``hint``."""
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(PhotovaultError):
    """Wrong use, bad configuration, or a question that could not be asked without a terminal."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration file cannot be used."""


class MissingExtraError(UsageError):
    """What was asked for needs an extra that is not installed; the hint is the command that installs it."""


class ConsentError(PhotovaultError):
    """Nobody has agreed to it, or not any more."""

    exit_code = 4


class UnsafeError(PhotovaultError):
    """It would have to run without the protection that was promised, so it does not."""


class NoVaultError(PhotovaultError):
    """There is no vault at the address."""

    exit_code = 10


class BusyError(PhotovaultError):
    """Another run holds the vault's lock on this device."""

    exit_code = 11
    retryable = True


class WrongKeyError(PhotovaultError):
    """The password, words or device key do not open any key slot."""

    exit_code = 12


class DamageError(PhotovaultError):
    """Stored bytes are missing, changed or not what they claim to be."""

    exit_code = 13


class UnknownVersionError(PhotovaultError):
    """The vault or object was written by a later format version; nothing was touched."""


class GateError(PhotovaultError):
    """The gate refused to let an object out."""

    exit_code = 14


class GuardError(PhotovaultError):
    """A guard stopped the run because going on could lose photos.

    Attributes:
        unnamed: what went wrong, without the names of photos: for a log.
    """

    exit_code = 15

    def __init__(self, what: str, hint: str = "", unnamed: str = "") -> None:
        """Keep the message with names, the advice, and the message without names."""
        super().__init__(what, hint)
        self.unnamed = unnamed or what


class StorageError(PhotovaultError):
    """The storage did not do what was asked."""

    exit_code = 17


class UnavailableError(StorageError):
    """The storage cannot be reached or failed for now; a retry may help."""

    retryable = True


class OvertakenError(UnavailableError):
    """Another device removes what this run relied on; what it made is safe only when the run is done once more."""


class AbsentError(UnavailableError):
    """The place itself is not there: its disk is not mounted, or nobody made it yet.  Waiting does not help."""

    retryable = False


class RefusedError(StorageError):
    """The storage refused: rights, quota, read-only, or no space left."""

    exit_code = 1


class UndecodableError(RefusedError):
    """What is stored may be whole, but this computer lacks what decodes it."""


class MissingError(StorageError):
    """The object is not in the storage."""

    exit_code = 13


class UncoveredError(PhotovaultError):
    """Not every photo that was asked for is in the vault."""

    exit_code = 16


class CancelledError(PhotovaultError):
    """The user stopped the run (Ctrl-C or SIGTERM)."""

    exit_code = 130
