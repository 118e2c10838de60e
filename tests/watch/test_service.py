"""What the system is given to run the daemon: the text of it, and the commands."""

from __future__ import annotations

import configparser
import os
import plistlib
import re
import shlex
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from photovault.errors import PhotovaultError, RefusedError, UsageError
from photovault.watch import service as services
from photovault.watch.service import Service, agent, install, place, run_command, state, task, uninstall, unit
from tests.support.programs import needed

ODD = '/home/ann b/100%/"q"\\$HOME/c.toml'
SERVICE = Service(program=("/usr/bin/python3", "-m", "photovault", "--config", ODD, "watch"), environ={})
STATE = Service(program=SERVICE.program, environ={"PHOTOVAULT_STATE_DIR": "/home/ann/%h $X"})


def directives(text):
    parser = configparser.ConfigParser(interpolation=None, strict=True, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str
    parser.read_string(text)
    return parser


class Recorder:
    """Runs nothing, remembers all, and answers what it is told to."""

    def __init__(self, **answers):
        self.ran, self.answers = [], answers

    def __call__(self, command):
        self.ran.append(" ".join(command))
        for word, answer in self.answers.items():
            if word in command:
                return answer
        return 0, ""


def on(platform, home, **environ):
    return place(platform, home, environ, user="501")


def test_the_unit_says_what_it_must():
    service = directives(unit(SERVICE))["Service"]
    expected = {
        "Type": "notify",
        "Restart": "on-failure",
        "RestartPreventExitStatus": "2 11",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "full",
        "PrivateTmp": "yes",
        "IOSchedulingClass": "idle",
        "ExecReload": "/bin/kill -HUP $MAINPID",
    }
    assert {key: service.get(key) for key in expected} == expected
    assert "WatchdogSec" in service


def test_the_unit_has_no_option_that_a_users_own_systemd_cannot_do():
    refused = {"CapabilityBoundingSet", "AmbientCapabilities", "User", "PrivateDevices", "PrivateUsers"}
    refused |= {"ProtectClock", "ProtectKernelModules", "ProtectKernelLogs", "DynamicUser", "SupplementaryGroups"}
    assert not refused & set(directives(unit(SERVICE))["Service"])


def test_the_unit_lets_the_decoder_shut_itself_in():
    service = directives(unit(SERVICE))["Service"]
    assert set(service["RestrictNamespaces"].split()) == {"user", "net"}
    allowed = service["SystemCallFilter"].split()
    assert {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"} <= set(allowed)


def test_words_of_the_unit_are_what_they_were():
    command = directives(unit(SERVICE))["Service"]["ExecStart"]
    assert shlex.split(command.replace("%%", "%").replace("$$", "$")) == list(SERVICE.program)
    assert unit(STATE).count('Environment="PHOTOVAULT_STATE_DIR=/home/ann/%%h $X"\n') == 1


def test_a_name_with_a_line_feed_makes_no_line():
    text = unit(Service(program=("/bin/x", "a\nExecStartPre=/bin/evil"), environ={"A": "b\nUser=root"}))
    assert not re.search(r"^(ExecStartPre|User)", text, re.MULTILINE)
    assert '"a\\x0aExecStartPre=/bin/evil"' in text


def verified(path, home):
    """What systemd says about a unit."""
    return subprocess.run(
        [needed("systemd-analyze"), "verify", "--user", "--man=no", path],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
    )


@pytest.mark.parametrize("service", [SERVICE, STATE], ids=["plain", "with variables"])
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path, service):
    path = tmp_path / "photovault.service"
    program = (sys.executable, *service.program[1:])
    path.write_text(unit(Service(program=program, environ=service.environ)))
    done = verified(path, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_rates_the_unit_as_hardened(tmp_path):
    """As it runs: by a user without rights, which only the user's own systemd knows."""
    path = tmp_path / "photovault.service"
    path.write_text(unit(SERVICE).replace("[Service]", "[Service]\nUser=nobody\nCapabilityBoundingSet="))
    done = subprocess.run(
        [needed("systemd-analyze"), "security", "--offline=true", "--threshold=45", "--no-pager", path],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_systemd_would_find_something_wrong(tmp_path):
    path = tmp_path / "photovault.service"
    path.write_text(unit(SERVICE).replace("Type=notify", "Type=sometimes").replace("/usr/bin/python3", "python3/"))
    done = verified(path, tmp_path)
    assert "sometimes" in done.stderr


def test_the_agent_of_macos():
    value = plistlib.loads(agent(STATE))
    assert value["Label"] == "org.photovault.watch"
    assert value["ProgramArguments"] == list(SERVICE.program)
    assert value["EnvironmentVariables"] == dict(STATE.environ)
    assert (value["RunAtLoad"], value["KeepAlive"], value["ProcessType"]) == (
        True,
        {"SuccessfulExit": False},
        "Background",
    )


def test_the_task_of_windows():
    service = Service(
        program=("C:\\Program Files\\py.exe", "-m", "photovault", "--config", "C:\\a b\\<&.toml"), environ={}
    )
    root = ET.fromstring(task(service, "PC\\ann & co").encode("utf-16"))
    name = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    assert root.findtext(".//t:Command", namespaces=name) == "C:\\Program Files\\py.exe"
    assert root.findtext(".//t:Arguments", namespaces=name) == '-m photovault --config "C:\\a b\\<&.toml"'
    assert {one.text for one in root.iterfind(".//t:UserId", name)} == {"PC\\ann & co"}
    assert root.findtext(".//t:RunLevel", namespaces=name) == "LeastPrivilege"
    assert root.findtext(".//t:ExecutionTimeLimit", namespaces=name) == "PT0S"


def test_a_task_that_would_forget_variables_is_refused():
    with pytest.raises(UsageError, match="PHOTOVAULT_STATE_DIR"):
        task(STATE, "ann")


def test_install_status_uninstall_on_linux(tmp_path):
    where, run = on("linux", tmp_path), Recorder()
    install(where, SERVICE, run)
    path = tmp_path / ".config" / "systemd" / "user" / "photovault.service"
    assert path.read_text() == unit(SERVICE)
    assert run.ran == [
        "systemctl --user daemon-reload",
        "systemctl --user enable photovault.service",
        "systemctl --user restart photovault.service",
    ]
    found = state(where, SERVICE, Recorder(systemctl=(0, "active\n")))
    assert (found.file, found.installed, found.running) == (path, True, True)
    for said in ("inactive\n", "activating\n", "failed\n"):
        assert not state(where, SERVICE, Recorder(systemctl=(3, said))).running
    run.ran.clear()
    assert uninstall(where, SERVICE, run)
    assert run.ran == ["systemctl --user disable --now photovault.service", "systemctl --user daemon-reload"]
    assert not path.exists()
    assert not uninstall(where, SERVICE, run)
    assert not state(where, SERVICE, Recorder(systemctl=(4, "inactive\n"))).installed


def test_install_status_uninstall_on_macos(tmp_path):
    where, run = on("darwin", tmp_path), Recorder()
    install(where, SERVICE, run)
    path = tmp_path / "Library" / "LaunchAgents" / "org.photovault.watch.plist"
    assert path.read_bytes() == agent(SERVICE)
    assert run.ran == ["launchctl bootout gui/501/org.photovault.watch", f"launchctl bootstrap gui/501 {path}"]
    assert state(where, SERVICE, Recorder(launchctl=(0, "{\n\tstate = running\n}"))).running
    assert not state(where, SERVICE, Recorder(launchctl=(113, "Could not find service"))).running
    assert uninstall(where, SERVICE, run)
    assert not path.exists()


def test_install_status_uninstall_on_windows(tmp_path):
    where, run = on("win32", tmp_path), Recorder()
    install(where, SERVICE, run)
    path = tmp_path / "AppData" / "Local" / "photovault" / "photovault.xml"
    assert path.read_bytes().decode("utf-16") == task(SERVICE, "501")
    assert run.ran == [f"schtasks /Create /TN photovault /XML {path} /F", "schtasks /Run /TN photovault"]
    assert state(where, SERVICE, Recorder(schtasks=(0, '"\\photovault","N/A","Running"'))).running
    assert not state(where, SERVICE, Recorder(schtasks=(0, '"\\photovault","N/A","Ready"'))).running
    assert uninstall(where, SERVICE, run)
    assert run.ran[-2:] == ["schtasks /End /TN photovault", "schtasks /Delete /TN photovault /F"]
    assert not path.exists()


def test_each_profile_has_a_service_of_its_own(tmp_path):
    nas = Service(program=SERVICE.program, environ={}, profile="nas")
    assert {on(name, tmp_path).file(nas).name for name in ("linux", "darwin", "win32")} == {
        "photovault-nas.service",
        "org.photovault-nas.watch.plist",
        "photovault-nas.xml",
    }


def test_units_are_where_xdg_says(tmp_path):
    assert on("linux", tmp_path, XDG_CONFIG_HOME=str(tmp_path / "c")).folder == tmp_path / "c" / "systemd" / "user"
    assert on("linux", tmp_path, XDG_CONFIG_HOME="relative").folder == tmp_path / ".config" / "systemd" / "user"


def test_what_the_platform_refuses_is_said(tmp_path):
    with pytest.raises(PhotovaultError, match=r"restart photovault\.service` failed: Job failed") as caught:
        install(on("linux", tmp_path), SERVICE, Recorder(restart=(1, "\nJob failed\nSee the log")))
    assert "journalctl --user -u photovault" in caught.value.hint


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / ".config").write_text("no folder")
    with pytest.raises(RefusedError, match="cannot write"):
        install(on("linux", tmp_path), SERVICE, Recorder())


def test_other_platforms_are_told_so(tmp_path):
    with pytest.raises(UsageError, match="plan9"):
        on("plan9", tmp_path)


def test_commands_that_are_not_there_or_hang_fail(monkeypatch):
    monkeypatch.setattr(services, "_COMMAND_SECONDS", 0.2)
    assert run_command(["/nowhere/systemctl"])[0] == 127
    assert run_command([sys.executable, "-c", "import time; time.sleep(60)"])[0] == 127
    assert run_command([sys.executable, "-c", "print('no'); raise SystemExit(3)"]) == (3, "no\n")
