"""``photovault service``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.cli.options import Call, with_common
from photovault.errors import UsageError
from photovault.watch import service as services
from photovault.watch.service import run_command

if TYPE_CHECKING:
    from photovault.app import App

NOT_RUNNING = 3
_KEPT = ("PHOTOVAULT_STATE_DIR", "PHOTOVAULT_CACHE_DIR", "PHOTOVAULT_NO_KEYRING")
_NOT_FOR_A_SERVICE = ("vault", "password_command", "password_fd", "words_file")
command = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Have the system run `photovault watch` for you, from each login on.",
)


@command.command()
@with_common
def install(
    call: Call,
    *,
    show: Annotated[bool, typer.Option("--print", help="Show the file that would be written, and do nothing.")] = False,
) -> None:
    """Have the system run `photovault watch`, now and from each login on.

    Examples:

      photovault service install

      photovault service install --print

    On Linux this is a unit of your own systemd, on macOS a launch agent, on Windows a task. The vault and the folders are
    those of the configuration, which is read again at each start. No password is in the file that is written: the
    service opens the vault with the key of this device, or with --password-file.
    """
    made, out = call.app(), call.output()
    where, service = _place(made), _service(call, made)
    _check(made)
    if show:
        out.document({"file": str(where.file(service)), "text": _text(where, service)})
        for line in _text(where, service).splitlines():
            out.always(line)
        return
    services.install(where, service, run_command)
    out.document({"file": str(where.file(service)), "installed": True})
    out.line(f"installed and started: {where.file(service)}")
    if where.platform == services.LINUX:
        out.line("It runs while you are logged in. To have it run always: loginctl enable-linger")


@command.command()
@with_common
def uninstall(call: Call) -> None:
    """Stop the service and remove it.

    Examples:

      photovault service uninstall

    The vault, the configuration and what this device remembers stay as they are.
    """
    made, out = call.app(), call.output()
    where, service = _place(made), _named(call)
    was_there = services.uninstall(where, service, run_command)
    out.document({"file": str(where.file(service)), "removed": was_there})
    out.line(f"stopped and removed: {where.file(service)}" if was_there else "there was no service to remove")


@command.command()
@with_common
def status(call: Call) -> None:
    """Tell whether the service is installed and running.

    Examples:

      photovault service status

    The exit code is 0 when it runs, else 3. Whether your photos are safe is another question: `photovault status`.
    """
    made, out = call.app(), call.output()
    found = services.state(_place(made), _named(call), run_command)
    out.document({"file": str(found.file), "installed": found.installed, "running": found.running})
    if not found.installed:
        out.always("not installed; `photovault service install` does that")
    else:
        out.always(f"installed and {'running' if found.running else 'NOT RUNNING'}: {found.file}")
    raise typer.Exit(0 if found.running else NOT_RUNNING)


def _place(made: App) -> services.Place:
    environ = made.world.environ
    user = str(os.getuid()) if hasattr(os, "getuid") else f"{environ.get('USERDOMAIN')}\\{environ.get('USERNAME')}"
    return services.place(sys.platform, Path.home(), environ, user)


def _named(call: Call) -> services.Service:
    return services.Service(program=(), environ={}, profile=call.values.get("profile") or "")


def _service(call: Call, made: App) -> services.Service:
    """The daemon with the options of this call that a service may have."""
    for name in _NOT_FOR_A_SERVICE:
        if name in call.values:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"a service takes no {option}", "use the configuration file, and --password-file")
    options: list[str] = []
    if made.settings.config or made.world.environ.get("PHOTOVAULT_CONFIG"):
        options += ["--config", str(made.config_path.absolute())]
    elif made.settings.profile:
        options += ["--profile", made.settings.profile]
    if made.settings.password_file:
        options += ["--password-file", str(Path(made.settings.password_file).expanduser().absolute())]
    environ = {name: _whole(name, made.world.environ[name]) for name in _KEPT if made.world.environ.get(name)}
    # -P: nothing in the folder where it is started can take the place of a part of the program.
    program = (sys.executable, "-P", "-m", "photovault", *options, "watch")
    return services.Service(program=program, environ=environ, profile=made.settings.profile or "")


def _whole(name: str, value: str) -> str:
    return str(Path(value).expanduser().absolute()) if name.endswith("_DIR") else value


def _check(made: App) -> None:
    """Refuse what could only fail at each start."""
    config = made.config
    if not config.vault.url:
        raise UsageError(f"no vault is named in {made.config_path}", "write url under [vault] there")
    if not config.sources:
        raise UsageError(f"no folders are named in {made.config_path}", "write a path under [[sources]] there")


def _text(where: services.Place, service: services.Service) -> str:
    data = services.text(where, service)
    return data.decode("utf-16" if where.platform == services.WINDOWS else "utf-8", "backslashreplace")
