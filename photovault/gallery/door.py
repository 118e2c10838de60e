"""Whether the gallery is open: the one-time link, the session, the lock and the way back in.

Opened with the vault, it lets in the one browser that brings the link's token first, within five minutes, and gives it a cookie.
After some time in which nobody did anything it locks: the vault is closed and its keys are forgotten, once what is under way is done.
The cookie then is good for one thing: to show the vault's password.  CSRF tokens of before are void.

Guarantee: tokens are compared in constant time; who guesses passwords waits longer with each wrong one.  Not guaranteed: that a memory
that was given back holds no key; Python cannot clear it.  Every method may be called from any thread.
"""

from __future__ import annotations

import threading
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Final, Protocol

from photovault.errors import PhotovaultError, UsageError, WrongKeyError
from photovault.gallery.security import LINK, LockedError, TokenError, same, token_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from photovault.gallery.asks import Asks
    from photovault.gallery.site import Form

LINK_SECONDS: Final = 300.0
_SIZE: Final = 32
_FREE_ATTEMPTS: Final = 5
_WAIT_MAX: Final = 300.0
_PASSWORD_MAX: Final = 65_536


class WrongPasswordError(WrongKeyError):
    """It does not open the vault."""

    status = 401


class WaitError(PhotovaultError):
    """It is too soon to try another password; ``seconds`` to wait."""

    status = 429

    def __init__(self, what: str, hint: str, seconds: int = 1) -> None:
        """Say how long."""
        super().__init__(what, hint)
        self.seconds = seconds


class Opener(Protocol):
    """Who opens the vault again."""

    def has_password(self) -> bool:
        """Whether a password opens it at all."""

    def open(self, password: str) -> Asks:
        """Open it.  WrongKeyError, and what else opening a vault raises."""


class Door:
    """The door of one gallery."""

    def __init__(
        self,
        asks: Asks,
        opener: Opener,
        *,
        lock_after: float,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        """Open, and wait for who brings the link.

        Args:
            asks: who answers; closed by the lock.
            opener: who opens it again.
            lock_after: seconds without anybody.
            clock: seconds, which go on while the computer sleeps.
            random: so many random bytes.
        """
        self._asks: Asks | None = asks
        self._leaving: Asks | None = None
        self._opener = opener
        self._lock_after = lock_after
        self._clock = clock
        self._random = random
        self._state = threading.Lock()
        self._trying = threading.Lock()
        self._secret = random(_SIZE)
        self._link: str | None = _text(random(_SIZE))
        self._cookie: str | None = None
        self._made = self._touched = clock()
        self._wrong, self._not_before = 0, 0.0
        self._ended = False

    @property
    def asks(self) -> Asks:
        """Who answers; LockedError while it is locked."""
        asks = self._asks
        if asks is None or self._is_due():  # the tick comes each second, but not while the computer sleeps
            raise LockedError
        return asks

    @property
    def link(self) -> str:
        """The path of the one-time link; empty once it was used or is too old."""
        link = self._link
        return LINK + link if link is not None and self._clock() - self._made < LINK_SECONDS else ""

    @property
    def is_forlorn(self) -> bool:
        """Whether nobody came, and nobody can come any more."""
        return self._cookie is None and not self.link

    @property
    def is_finishing(self) -> bool:
        """Whether it is locked, and what was under way then still is."""
        return self._leaving is not None

    def enter(self, token: str) -> str | None:
        """The cookie for who brings the token of the link, which then is used; else None."""
        with self._state:
            link = self.link
            if not link or not same(token, link.removeprefix(LINK)):
                return None
            self._link = None
            self._cookie = _text(self._random(_SIZE))
            self._touched = self._clock()
            return self._cookie

    def knows(self, cookie: str) -> bool:
        """Whether it is the cookie of this session."""
        own = self._cookie
        return own is not None and same(cookie, own)

    def csrf(self, request: Request) -> str:  # noqa: ARG002 - there is one session
        """The token that changes must carry."""
        return token_of(self._secret)

    def check_csrf(self, request: Request, form: Form) -> None:
        """TokenError unless the form, or the header ``X-CSRF-Token``, carries it."""
        given = form.one("csrf") or request.headers.get("x-csrf-token", "")
        if not same(given, self.csrf(request)):
            raise TokenError

    def touch(self) -> None:
        """Somebody is there; who comes back too late finds it locked."""
        with self._state:
            if not self._lock_if_due():
                self._touched = self._clock()

    def tick(self) -> None:
        """Lock if it is time, and close the vault once nothing is under way."""
        with self._state:
            self._lock_if_due()
            asks = self._leaving
            if asks is None or _is_busy(asks):
                return
            self._leaving = None
        asks.close()

    def lock(self) -> None:
        """Lock at once; what is under way ends."""
        with self._state:
            self._lock()
            asks, self._leaving = self._leaving, None
        if asks is not None:
            asks.close()

    def can_unlock(self) -> bool:
        """Whether a password opens the vault; no when nobody can tell."""
        try:
            return self._opener.has_password()
        except PhotovaultError:
            return False

    def unlock(self, password: str) -> None:
        """Open again.

        Raises:
            WrongPasswordError: the password does not open the vault.
            WaitError: too soon after wrong ones, or another attempt is under way.
            UsageError: no password was given.
            PhotovaultError: what else opening a vault raises.
        """
        if not password or len(password) > _PASSWORD_MAX:
            raise UsageError("no password was given", "type the password of the vault")
        if not self._trying.acquire(blocking=False):
            raise WaitError("another attempt is under way", "wait for it")
        try:
            if self._asks is None:
                self._check_pace()
                self._let_back(self._try(password))
        finally:
            self._trying.release()

    def close(self) -> None:
        """The end: lock, and let nobody in any more."""
        self._ended = True
        self._link = self._cookie = None
        self.lock()

    def _lock_if_due(self) -> bool:
        if self._is_due():
            self._lock()
        return self._asks is None

    def _is_due(self) -> bool:
        return self._cookie is not None and self._clock() - self._touched >= self._lock_after

    def _lock(self) -> None:
        if self._asks is not None:
            self._leaving, self._asks = self._asks, None
            self._secret = self._random(_SIZE)

    def _check_pace(self) -> None:
        wait = self._not_before - self._clock()
        if wait > 0:
            seconds = int(wait) + 1
            raise WaitError("too many wrong passwords", f"try again in {seconds} s", seconds)

    def _try(self, password: str) -> Asks:
        try:
            asks = self._opener.open(password)
        except WrongKeyError:
            self._wrong += 1
            if self._wrong >= _FREE_ATTEMPTS:
                self._not_before = self._clock() + min(_WAIT_MAX, 2.0 ** (self._wrong - _FREE_ATTEMPTS + 1))
            raise WrongPasswordError("that password does not open the vault", "type it again") from None
        self._wrong = 0
        return asks

    def _let_back(self, asks: Asks) -> None:
        """In; who left a restore running finds it again, and the new ones only proved the password."""
        with self._state:
            spare: Asks | None = asks
            if self._ended:
                pass
            elif self._leaving is not None:
                self._asks, self._leaving = self._leaving, None
            else:
                self._asks, spare = asks, None
            self._touched = self._clock()
        if spare is not None:
            spare.close()


def _is_busy(asks: Asks) -> bool:
    try:
        return any(not job.is_over for job in asks.jobs.jobs())
    except PhotovaultError:  # nothing to wait for
        return False


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
