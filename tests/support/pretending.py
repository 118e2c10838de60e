"""An SSH server in this process, which can do what a real one does not: answer wrongly, late, or without end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncssh

from photovault.storage.remote.background import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Open(asyncssh.SSHServer):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


@contextmanager
def pretending(
    home: Path, files: Callable[[Any], asyncssh.SFTPServer], login: Callable[[], asyncssh.SSHServer] = Open
) -> Iterator[str]:
    """Serve ``files`` to whom ``login`` lets in; returns the address.  ``home`` is to be HOME, and knows the server."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = wait_for(_start(key, files, login))
    port = server.get_port()
    (home / ".ssh").mkdir(exist_ok=True)
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
    try:
        yield f"sftp://me@127.0.0.1:{port}/vault"
    finally:
        wait_for(_stop(server))


async def _start(key: asyncssh.SSHKey, files: object, login: object) -> asyncssh.SSHAcceptor:
    return await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[key], server_factory=login, sftp_factory=files, config=None
    )


async def _stop(server: asyncssh.SSHAcceptor) -> None:
    server.close()
    await server.wait_closed()
