"""Having the system run ``photovault watch`` for this user: systemd (Linux), launchd (macOS), the task scheduler (Windows).

``unit``, ``agent`` and ``task`` are pure: what is to be run in, the text of a file out.  ``install`` writes that file where
the platform looks for it and tells the platform, with commands that are an argument; ``uninstall`` undoes both.

Guarantees: no secret is in these files, only names of files; the daemon gains no privilege and comes after everything else
for disk and processor.  Not guaranteed: that it runs while nobody is logged in; for that, Linux wants ``loginctl
enable-linger`` once.  Sources: systemd.exec(5), systemd.service(5), launchd.plist(5), Task Scheduler Schema (MS-TSCH).
"""

from __future__ import annotations

import os
import plistlib
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree as ET

from photovault.errors import PhotovaultError, RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LINUX, MACOS, WINDOWS = "linux", "darwin", "win32"
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:@+,")
_TASKS = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_COMMAND_SECONDS = 330.0  # systemd waits for a daemon to be ready, at most TimeoutStartSec


class Run(Protocol):
    """Runs a command; its exit code and what it printed, 127 when there is no such command."""

    def __call__(self, command: Sequence[str], /) -> tuple[int, str]:
        """Run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What the system is to run.

    Attributes:
        program: the command and its options; the first is an absolute path.
        environ: variables that it needs, with no secret among them.
        profile: the name of a configuration, empty for the usual one; each has a service of its own.
    """

    program: tuple[str, ...]
    environ: Mapping[str, str]
    profile: str = ""

    @property
    def name(self) -> str:
        """What the service is called: photovault, or photovault-PROFILE."""
        return f"photovault-{self.profile}" if self.profile else "photovault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One platform: where this user's services are, and who the user is."""

    platform: str
    folder: Path
    user: str = ""

    def file(self, service: Service) -> Path:
        """The file of a service."""
        names = {
            LINUX: f"{service.name}.service",
            MACOS: f"org.{service.name}.watch.plist",
            WINDOWS: f"{service.name}.xml",
        }
        return self.folder / names[self.platform]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a service stands; ``file`` is where it is, or would be."""

    file: Path
    installed: bool
    running: bool


def place(platform: str, home: Path, environ: Mapping[str, str], user: str) -> Place:
    """Where services of this user are.  Raises UsageError on a platform that is not known."""
    if platform == LINUX:
        config = environ.get("XDG_CONFIG_HOME", "")
        base = home.__class__(config) if os.path.isabs(config) else home / ".config"
        return Place(platform=platform, folder=base / "systemd" / "user", user=user)
    if platform == MACOS:
        return Place(platform=platform, folder=home / "Library" / "LaunchAgents", user=user)
    if platform == WINDOWS:
        return Place(platform=platform, folder=home / "AppData" / "Local" / "photovault", user=user)
    raise UsageError(
        f"photovault does not know how services are made on {platform}",
        "run `photovault watch` by what starts your programs",
    )


def text(where: Place, service: Service) -> bytes:
    """The file of the service, as the platform reads it."""
    if where.platform == LINUX:
        return unit(service).encode("utf-8", "surrogateescape")
    if where.platform == MACOS:
        return agent(service)
    return task(service, where.user).encode("utf-16")


def install(where: Place, service: Service, run: Run) -> None:
    """Write the file, and have the platform start the service now and at each login.

    Raises:
        RefusedError: the file cannot be written.
        PhotovaultError: the platform refused; the file stays.
    """
    path = where.file(service)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text(where, service))
    except OSError as error:
        raise RefusedError(f"cannot write {path}: {error.strerror}", "check permissions there") from None
    if where.platform == MACOS:
        run(["launchctl", "bootout", f"gui/{where.user}/{path.stem}"])  # an older one, if there is one
    for command in _starting(where, service):
        code, said = run(command)
        if code:
            raise PhotovaultError(f"`{' '.join(command)}` failed: {_first(said)}", _why(where, service))


def uninstall(where: Place, service: Service, run: Run) -> bool:
    """Stop the service and remove its file; False when there was none.  Raises RefusedError."""
    path = where.file(service)
    if not path.exists():
        return False
    for command in _stopping(where, service):
        run(command)  # it may be stopped already; what counts is that its file goes
    try:
        path.unlink()
    except OSError as error:
        raise RefusedError(f"cannot remove {path}: {error.strerror}", "check permissions there") from None
    if where.platform == LINUX:
        run(["systemctl", "--user", "daemon-reload"])
    return True


def state(where: Place, service: Service, run: Run) -> State:
    """Whether the service is installed and running."""
    path = where.file(service)
    asking = {
        LINUX: ["systemctl", "--user", "is-active", path.name],
        MACOS: ["launchctl", "print", f"gui/{where.user}/{path.stem}"],
        WINDOWS: ["schtasks", "/Query", "/TN", service.name, "/FO", "CSV", "/NH"],
    }
    code, said = run(asking[where.platform])
    is_said = {LINUX: "active", MACOS: "state = running", WINDOWS: "Running"}[where.platform]
    running = code == 0 and (said.strip() == is_said if where.platform == LINUX else is_said in said)
    return State(file=path, installed=path.exists(), running=running)


def _starting(where: Place, service: Service) -> list[list[str]]:
    path = where.file(service)
    if where.platform == LINUX:
        control = ["systemctl", "--user"]
        return [[*control, "daemon-reload"], [*control, "enable", path.name], [*control, "restart", path.name]]
    if where.platform == MACOS:
        return [["launchctl", "bootstrap", f"gui/{where.user}", str(path)]]
    return [
        ["schtasks", "/Create", "/TN", service.name, "/XML", str(path), "/F"],
        ["schtasks", "/Run", "/TN", service.name],
    ]


def _stopping(where: Place, service: Service) -> list[list[str]]:
    path = where.file(service)
    if where.platform == LINUX:
        return [["systemctl", "--user", "disable", "--now", path.name]]
    if where.platform == MACOS:
        return [["launchctl", "bootout", f"gui/{where.user}/{path.stem}"]]
    return [["schtasks", "/End", "/TN", service.name], ["schtasks", "/Delete", "/TN", service.name, "/F"]]


def _first(said: str) -> str:
    return next(iter(said.strip().splitlines()), "it said nothing")


def _why(where: Place, service: Service) -> str:
    if where.platform == LINUX:
        return f"the service is installed; `journalctl --user -u {service.name}` says why it does not run"
    return "the service is installed; run `photovault watch` by hand to see why it does not run"


def run_command(command: Sequence[str]) -> tuple[int, str]:
    """Run a command of the platform; its exit code and what it printed."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(  # noqa: S603 - no shell, and the words are ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")
    return 127, f"{command[0]} is not there, or does not answer"


_UNIT = """[Unit]
Description=photovault: back up photos as they change
Documentation=man:systemd.service(5)
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
{environ}ExecStart={program}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=30
# A configuration that is wrong (2) and a daemon that runs already (11) are not mended by starting again.
RestartPreventExitStatus=2 11
WatchdogSec=5min
TimeoutStartSec=5min
TimeoutStopSec=20
KillMode=mixed

# After everything else.
Nice=10
IOSchedulingClass=idle
CPUWeight=20
IOWeight=20

# It needs files and the network, and no more. Vaults and sources may be anywhere, so only the system is read-only.
# A user's own systemd cannot drop capabilities: ProtectClock, ProtectKernelModules and the like would keep it from
# starting, and forbid what a user may not do anyway.
NoNewPrivileges=yes
ProtectSystem=full
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# What reads photos shuts itself in with these: a user and a network namespace, Landlock, seccomp.
RestrictNamespaces=user net
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"""


def unit(service: Service) -> str:
    """The unit for ``systemd --user``."""
    environ = "".join(f"Environment={_quoted(f'{key}={value}')}\n" for key, value in sorted(service.environ.items()))
    first, *rest = service.program
    words = [_quoted(first), *(_quoted(word).replace("$", "$$") for word in rest)]  # the first is not expanded
    return _UNIT.format(environ=environ, program=" ".join(words))


def _quoted(word: str) -> str:
    """A word in systemd's quotes (systemd.syntax(7)), with its specifiers made harmless."""
    word = word.replace("%", "%%")
    if word and all(letter in _SAFE for letter in word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\x{ord(c):02x}" for c in escaped) + '"'


def agent(service: Service) -> bytes:
    """The agent for launchd."""
    return plistlib.dumps(
        {
            "Label": f"org.{service.name}.watch",
            "ProgramArguments": list(service.program),
            "EnvironmentVariables": dict(service.environ),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 30,
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "LowPriorityBackgroundIO": True,
            "Nice": 10,
            "ExitTimeOut": 20,
        }
    )


def task(service: Service, user: str) -> str:
    """The task for Windows.  Raises UsageError when it needs variables, which a task cannot have."""
    if service.environ:
        names = ", ".join(sorted(service.environ))
        raise UsageError(f"a Windows task cannot set {names}", "set them for the user in the system's settings")
    root = ET.Element("Task", {"version": "1.2", "xmlns": _TASKS})
    about = ET.SubElement(root, "RegistrationInfo")
    ET.SubElement(about, "Description").text = "photovault: back up photos as they change"
    logon = ET.SubElement(ET.SubElement(root, "Triggers"), "LogonTrigger")
    ET.SubElement(logon, "UserId").text = user
    who = ET.SubElement(ET.SubElement(root, "Principals"), "Principal", {"id": "Author"})
    for tag, value in (("UserId", user), ("LogonType", "InteractiveToken"), ("RunLevel", "LeastPrivilege")):
        ET.SubElement(who, tag).text = value
    _settings(ET.SubElement(root, "Settings"))
    action = ET.SubElement(ET.SubElement(root, "Actions", {"Context": "Author"}), "Exec")
    ET.SubElement(action, "Command").text = service.program[0]
    ET.SubElement(action, "Arguments").text = subprocess.list2cmdline(service.program[1:])
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-16"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _settings(settings: ET.Element) -> None:
    """In the order of the schema.  Batteries are photovault's own business: ``[watch] battery_min``."""
    for tag, value in (
        ("MultipleInstancesPolicy", "IgnoreNew"),
        ("DisallowStartIfOnBatteries", "false"),
        ("StopIfGoingOnBatteries", "false"),
        ("StartWhenAvailable", "true"),
        ("Hidden", "true"),
        ("ExecutionTimeLimit", "PT0S"),
        ("Priority", "8"),
    ):
        ET.SubElement(settings, tag).text = value
    again = ET.SubElement(settings, "RestartOnFailure")
    ET.SubElement(again, "Interval").text = "PT1M"
    ET.SubElement(again, "Count").text = "255"
