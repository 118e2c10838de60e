"""An SSH connection to a server that is the one it should be, and to nobody else.

``~/.ssh/config`` counts for how a host is reached (HostName, Port, User, IdentityFile, IdentityAgent, ProxyJump,
ProxyCommand, HostKeyAlias, UserKnownHostsFile, Ciphers ...), as asyncssh reads it.  What would give the server more than
files is turned off, whatever the file says: forwarding of an agent, of a display or of ports, variables, commands.

Host keys are looked up in the known_hosts files and nowhere else.  Nothing turns that off, and no key is ever added: an
unknown or changed key is refused with its fingerprint and the line that would let it in.  Then the agent's keys are
tried, key files without passphrase, and last the password of ``PHOTOVAULT_SFTP_PASSWORD`` or of the keyring, which is not
asked before.  No command is run, but for a ProxyCommand of the user's own; so that nothing in an address can become an
option of that, hosts and users are words of plain characters.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh

from photovault.errors import PhotovaultError, RefusedError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.storage.addresses import Address
    from photovault.storage.opening import Access

PASSWORD = "PHOTOVAULT_SFTP_PASSWORD"  # noqa: S105 - the name of the variable
FOREIGN = (asyncssh.Error, OSError, ValueError, EOFError)  # whatever asyncssh makes of what a server says, or not
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]*")
_EVERYBODY = Path("/etc/ssh/ssh_known_hosts")
_LIMIT = 16 * 1024 * 1024  # bytes; a longer list of hosts is no list of hosts
_SHOWN = 200  # characters of a server's text that a message repeats
_FAST = "aes128-gcm@openssh.com"  # in hardware nearly everywhere, and one call for cipher and checksum
_KINDS = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256"
_USUAL_PORT = 22
_WINDOW = 8 * 1024 * 1024
_PACKET = 128 * 1024


def check_login(address: Address) -> None:
    """UsageError for a user whose name could mean something else to a ProxyCommand."""
    if address.user and _USER.fullmatch(address.user) is None:
        raise UsageError(
            "an SSH address cannot name that user",
            "only letters, digits and ._+@- may be in it; or set User in ~/.ssh/config",
        )


async def connect(address: Address, access: Access) -> asyncssh.SSHClientConnection:
    """Connect and log in.

    Raises:
        UnavailableError: nobody answers at the address.
        RefusedError: the server is not the known one, or does not let us in.
        UsageError: the user's SSH configuration cannot be used.
    """
    settings = _settings(address, access.timeout)
    options = await asyncio.to_thread(_options, settings)
    known = _KnownHosts(options)
    client = _Client(known, address, access)
    if not options.config.get("Ciphers"):
        settings["encryption_algs"] = f"^{_FAST}"
    if not options.config.get("HostKeyAlgorithms"):  # those of the known keys first; the others, to tell a changed key
        settings["server_host_key_algs"] = f"{'+' if known.knows('') else ''}{_KINDS}"
    try:
        return await asyncssh.connect(**settings, known_hosts=known.listed, client_factory=lambda: client)
    except FOREIGN as error:
        raise _translate(error, client, address) from None


def _settings(address: Address, timeout: float) -> dict[str, Any]:
    config = Path("~/.ssh/config").expanduser()
    return {
        "host": address.host,
        "port": address.port or (),
        "username": address.user or (),
        "config": [str(config)] if config.is_file() else None,
        "connect_timeout": timeout,
        "login_timeout": timeout,
        "keepalive_interval": timeout / 3,
        "keepalive_count_max": 3,
        "compression_algs": None,  # sealed bytes do not get smaller
        "x509_trusted_certs": None,  # known_hosts is the only list of servers
        "window": _WINDOW,
        "max_pktsize": _PACKET,
        "command": None,
        "env": None,
        "send_env": None,
        "request_pty": False,
        "agent_forwarding": False,
        "x11_forwarding": False,
        "gss_kex": False,
        "gss_auth": False,
    }


def _options(settings: dict[str, Any]) -> asyncssh.SSHClientConnectionOptions:
    """What the user's files amount to for this host."""
    try:
        return asyncssh.SSHClientConnectionOptions(**settings)
    except (asyncssh.Error, ValueError, OSError) as error:
        raise UsageError(
            f"the SSH configuration of this user cannot be used: {plain(str(error))}", "see ~/.ssh/config"
        ) from None


class _KnownHosts:
    """The servers that this user knows, as far as they concern one host."""

    def __init__(self, options: asyncssh.SSHClientConnectionOptions) -> None:
        """Read the files; lines that cannot be read are passed over, as OpenSSH does."""
        named = options.config.get("UserKnownHostsFile")
        files = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"] if named is None else list(map(str, named))  # type: ignore[call-overload]
        self.files = [Path(file).expanduser() for file in files]
        self.listed = asyncssh.SSHKnownHosts()
        for path in (*self.files, _EVERYBODY):
            for line in _lines(path):
                try:
                    self.listed.load(line)
                except ValueError:
                    continue
        self._host = options.host_key_alias or options.host
        self._port = None if options.port == _USUAL_PORT else options.port
        self.label = self._host if self._port is None else f"[{self._host}]:{self._port}"

    def knows(self, addr: str) -> bool:
        """Whether there is any key for the host, by its name or its address on the net."""
        keys, authorities, *_ = self.listed.match(self._host, addr, self._port)
        return bool(keys or authorities)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


class _Client(asyncssh.SSHClient):
    """Asked by asyncssh for what is not in the options, once a connection."""

    def __init__(self, known: _KnownHosts, address: Address, access: Access) -> None:
        self.refusal: RefusedError | None = None
        self._known = known
        self._address = address
        self._access = access
        self._asked = False

    def validate_host_public_key(self, _host: str, addr: str, _port: int, key: asyncssh.SSHKey) -> bool:
        """Asked only about a key that is not among the known ones: never good."""
        print_of_key = f"{key.get_algorithm()} {key.get_fingerprint()}"
        line = f"{self._known.label} {key.export_public_key().decode().strip()}"
        file = self._known.files[0] if self._known.files else _EVERYBODY
        if self._known.knows(addr):
            self.refusal = RefusedError(
                f"{self._address.shown}: the server's host key has CHANGED, it is now {print_of_key}",
                f"somebody may be between you and the server; only if you know why it changed, remove the old line with"
                f" `ssh-keygen -R '{self._known.label}'` and add this one to {file}: {line}",
            )
        else:
            self.refusal = RefusedError(
                f"{self._address.shown}: the server is not known; its host key is {print_of_key}",
                f"compare this with what the server's owner tells; if it is the same, add this line to {file}: {line}",
            )
        return False

    async def password_auth_requested(self) -> str | None:
        """The password, once; a second question means that it was wrong."""
        if self._asked:
            return None
        self._asked = True
        given = self._access.environ.get(PASSWORD)
        return given or await asyncio.to_thread(self._access.secret, self._address.shown)

    async def kbdint_auth_requested(self) -> str | None:
        """Servers that ask for the password by questions: only if it was not asked for plainly."""
        return None if self._asked else ""

    async def kbdint_challenge_received(
        self, _name: str, _instructions: str, _lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Answer the one question that is not shown while it is typed; no other."""
        if not prompts:
            return []
        secret = await self.password_auth_requested() if len(prompts) == 1 and not prompts[0][1] else None
        return None if secret is None else [secret]


def _translate(error: Exception, client: _Client, address: Address) -> PhotovaultError:
    if client.refusal is not None:
        return client.refusal
    if isinstance(error, asyncssh.PermissionDenied) or "authentication" in str(error).lower():
        return RefusedError(
            f"{address.shown} did not let us in: {plain(str(error))}",
            f"add your public key to the server, load your key into ssh-agent, or set {PASSWORD}; try `sftp` by hand",
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable | asyncssh.KeyExchangeFailed):
        return RefusedError(
            f"{address.shown} could not prove who it is: {plain(str(error))}",
            "the server has no host key of a kind that known_hosts has for it, or a revoked one; ask its owner",
        )
    why = plain(str(error)) or type(error).__name__
    if isinstance(error, OSError) and (error.errno or 0) > 0:
        why = os.strerror(error.errno or 0)
    if isinstance(error, TimeoutError):
        why = "no answer in time"
    return UnavailableError(
        f"cannot connect to {address.shown}: {why}", "check the address, the network and the server"
    )


def plain(text: str) -> str:
    """A foreign text, short and with nothing in it that could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text[:_SHOWN])
