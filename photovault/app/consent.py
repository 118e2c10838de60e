"""The wiring of consent: where it is kept, when it is asked for, and what follows when it ends.

Everything here works without the extra ``faces``, and imports no face code: of ``people`` only what is about consent.
``erase_if_lapsed`` is called before every command about people and by the daemon, so that what may not be kept any more
is gone before anything else happens; it also finishes an erasing that was cut short.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from photovault.errors import RefusedError, UsageError
from photovault.people.consent import notice
from photovault.people.consent.consent import TERM_DEFAULT, Consent, Receipt, check_agreement
from photovault.people.consent.register import Register, Release
from photovault.people.consent.standing import TERM_MOST, Standing
from photovault.people.keeping import markers
from photovault.people.keeping.erase import LIMITS, Erased, erase, has_data, is_ours
from photovault.people.keeping.key import FaceKey
from photovault.people.keeping.shred import shred

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from photovault.app.settings import Setup

__all__ = [
    "LIMITS",
    "TERM_DEFAULT",
    "TERM_MOST",
    "Agreement",
    "Disabled",
    "Erased",
    "Receipt",
    "Release",
    "Standing",
    "add_release",
    "agree",
    "check_agreement",
    "chosen_folders",
    "consent",
    "disable",
    "enable",
    "erase_if_lapsed",
    "face_key",
    "may_name",
    "names_file",
    "notice",
    "register",
    "releases",
    "renew",
    "revoke",
    "standing_as_dict",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What somebody typed, and the text that was before his or her eyes, by the first digits of its SHA-256."""

    words: str
    notice_sha: str
    term_months: int = TERM_DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """What ``disable`` did; ``receipt``: None when there was nothing to end and nothing to erase."""

    erased: Erased
    receipt: Receipt | None


def consent(app: Setup) -> Consent:
    """The consents of this state folder."""
    return Consent(app.people_folder, app.world.now)


def register(app: Setup) -> Register:
    """The releases of this state folder."""
    return Register(app.people_folder, app.world.now, app.world.random)


def face_key(app: Setup) -> FaceKey:
    """The face key; only a process that has left the network for good may read it."""
    from photovault.app.people_key import face_secrets  # noqa: PLC0415 - the keyring is slow to import

    return FaceKey(app.people_folder, face_secrets(app), app.world.random)


def chosen_folders(app: Setup, paths: Sequence[str]) -> tuple[str, ...]:
    """The folders named, or those of the configuration as they are now: absolute, without links.

    Raises:
        UsageError: none, or one that is not there.
    """
    wanted = list(paths) or [one.path for one in app.config_if_there.sources]
    if not wanted:
        raise UsageError("no folder was chosen", "name the folders of your photos with --scope")
    return tuple(_folder(path) for path in wanted)


def _folder(path: str) -> str:
    full = os.path.realpath(os.path.abspath(os.path.expanduser(path)))
    if not os.path.isdir(full):
        raise UsageError(f"{path} is not a folder", "name a folder that is there")
    return full


def enable(app: Setup, scope: Sequence[str], agreement: Agreement, *, organisation: bool = False) -> Receipt:
    """Record that somebody agreed; ``scope`` as ``chosen_folders`` gives it.

    Raises:
        ConsentError: wrong words or text; nothing was changed.
        UsageError: no folder, or a term that is none.
        RefusedError: it cannot be written down.
    """
    check_agreement(notice.FACES, agreement.words, agreement.notice_sha)
    _refuse_foreign(app.people_folder)
    erase_if_lapsed(app)
    receipt = consent(app).grant(
        scope,
        term_months=agreement.term_months,
        words=agreement.words,
        notice_sha=agreement.notice_sha,
        organisation=organisation,
    )
    app.warnings += markers.mark(app.people_folder)
    return receipt


def _refuse_foreign(folder: Path) -> None:
    """What lies in this folder is erased one day: so nothing of anybody else's may be in it."""
    if folder.is_symlink() or (folder.is_dir() and not is_ours(folder) and any(folder.iterdir())):
        raise UsageError(
            f"{folder} is not photovault's own folder: it is a link, or other files are in it",
            "move it away, or choose another state folder",
        )


def renew(app: Setup, agreement: Agreement) -> Receipt:
    """Agree anew for the folders that were chosen; what has lapsed by its term is erased, and cannot be renewed.

    Raises:
        ConsentError: nothing to renew, or wrong words or text.
        UsageError: a term that is none.
    """
    erase_if_lapsed(app)
    return consent(app).renew(term_months=agreement.term_months, words=agreement.words, notice_sha=agreement.notice_sha)


def agree(app: Setup, kind: str, agreement: Agreement) -> Receipt:
    """Record a further consent, ``names-backup`` or ``xmp``.

    Raises:
        ConsentError: the first consent does not hold, or wrong words or text.
    """
    return consent(app).agree(kind, words=agreement.words, notice_sha=agreement.notice_sha)


def revoke(app: Setup, kind: str) -> Receipt | None:
    """Take a further consent back; None when it does not hold.  The names that wait for a backup go at once.

    Raises:
        RefusedError: it cannot be written down.
    """
    done = consent(app).revoke(kind)
    if kind == "names-backup":
        app.warnings += shred(names_file(app))
    return done


def names_file(app: Setup) -> Path:
    """What a backup takes of names, where somebody agreed to that; in clear, for this user alone."""
    return _cache(app) / "names" / "names.json"


def disable(app: Setup) -> Disabled:
    """Take the consent back, end what is running, erase everything, look whether it is gone, and record that.

    Raises:
        BusyError: something is at work and does not end; the consent is taken back all the same.
        RefusedError: everything is done but the receipt cannot be written down.
    """
    if not app.people_folder.is_dir() and not has_data(_cache(app)):
        return Disabled(erased=Erased(stopped="nobody was at work"), receipt=None)
    withdrawn = None
    with suppress(RefusedError):  # a full disk must not keep anything from being erased; erasing makes room
        withdrawn = consent(app).withdraw()
    erased = _erase(app)
    if not erased.anything and withdrawn is None:
        return Disabled(erased=erased, receipt=None)
    return Disabled(erased=erased, receipt=consent(app).erased({"why": "it was asked for"} | erased.as_dict()))


def erase_if_lapsed(app: Setup) -> Erased | None:
    """Erase what there is no consent for any more; None when nothing was to be erased.

    Data for which the consent lapsed otherwise than by its term stay, locked, for some days, which begin here.

    Raises:
        BusyError, RefusedError: as for ``disable``.
    """
    if not has_data(app.people_folder):
        return None
    standing = consent(app).standing()
    if standing.erase or standing.gone:  # what came back, from a copy that another program made, goes as well
        erased = _erase(app)
        if erased.verified or erased.files:  # not a line each time that a keyring stays locked
            consent(app).erased({"why": standing.why} | erased.as_dict())
        app.warnings += [f"not erased: {problem}" for problem in erased.problems]
        return erased
    if standing.uncounted or standing.state == "never":
        consent(app).lapsed(standing.why or "there are face data, and no consent is on record")
    return None


def _erase(app: Setup) -> Erased:
    return erase(app.people_folder, face_key(app), more=[_cache(app)])


def _cache(app: Setup) -> Path:
    return app.cache_dir / "people"


def may_name(app: Setup, person: str) -> None:
    """Refuse a name for which an organisation has no release.

    Raises:
        ConsentError: the name may not be given.
    """
    register(app).allow(consent(app).require(), person)


def add_release(app: Setup, person: str, signed: str, *, minor: bool, guardian: str) -> Release:
    """Record a release.

    Raises:
        ConsentError: faces may not be grouped at all.
        UsageError: the consent is a household's, or something of the release is none.
    """
    _require_organisation(app)
    return register(app).add(person, signed, minor=minor, guardian=guardian)


def releases(app: Setup) -> tuple[list[Release], tuple[str, ...]]:
    """The releases that hold, and what is wrong with the register."""
    erase_if_lapsed(app)
    there = register(app)
    return there.all(), there.problems()


def _require_organisation(app: Setup) -> None:
    erase_if_lapsed(app)
    if not consent(app).require().organisation:
        raise UsageError(
            "releases are for organisations, and the consent is a household's",
            "an organisation agrees with `photovault people enable --organisation`",
        )


def standing_as_dict(standing: Standing) -> dict[str, Any]:
    """A standing for a program."""
    return {
        "state": standing.state,
        "scope": list(standing.scope),
        "since": standing.since or None,
        "until": standing.until or None,
        "why": standing.why,
        "organisation": standing.organisation,
        "without": list(standing.without),
        "further": sorted(standing.others),
    }
