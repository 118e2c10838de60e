"""Options that every command has, before or after its name, and what they amount to."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.errors import CancelledError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.app import App
    from photovault.cli.output import Output
    from photovault.model import Finding

_APP = (
    "vault",
    "config",
    "no_config",
    "profile",
    "password_file",
    "password_command",
    "password_fd",
    "words_file",
    "wait",
)


@dataclass(slots=True, kw_only=True)
class Call:
    """What the common options said."""

    values: dict[str, Any] = field(default_factory=dict)

    @property
    def json(self) -> bool:
        """Whether the answer is to be JSON."""
        return bool(self.values.get("json"))

    @property
    def debug(self) -> bool:
        """Whether a traceback is wanted."""
        return bool(self.values.get("debug"))

    def take(self, values: dict[str, Any]) -> None:
        """Take what was given; what was not given here may have been given before the command's name."""
        given = {name: value for name, value in values.items() if value is not None and value is not False}
        if given.get("verbose") == 0:
            del given["verbose"]
        self.values |= given

    def app(self, *, tells: bool = True) -> App:
        """The application for this call; ``tells``: signs of a storage that does not show everything are told at once."""
        from photovault.app import App, Settings, Surroundings  # noqa: PLC0415 - not needed for --help

        given = {name: self.values[name] for name in _APP if name in self.values}
        _refuse_empty(given)
        settings = Settings(**given)
        made = App(settings, Surroundings(ask_password=ask_password if is_terminal() else None))
        made.tell = self.output().sign if tells else _leave
        return made

    def output(self) -> Output:
        """How to talk to the user."""
        from photovault.cli.output import Output  # noqa: PLC0415 - not needed for --help

        return Output(
            as_json=self.json,
            quiet=bool(self.values.get("quiet")),
            verbose=int(self.values.get("verbose") or 0),
            bars=not self.values.get("no_progress") and sys.stderr.isatty() and os.environ.get("TERM") != "dumb",
        )


def _leave(_sign: Finding) -> None:
    """The command shows ``App.signs`` by itself."""


def _refuse_empty(given: dict[str, Any]) -> None:
    """A script whose variable is not set must not end up with another vault, or another way in, than it means."""
    for name, value in given.items():
        if value == "":
            raise UsageError(f"--{name.replace('_', '-')} is empty", "name one, or leave the option out")
    if given.get("no_config") and ("config" in given or "profile" in given):
        raise UsageError("--no-config goes with neither --config nor --profile", "use one of them")


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask_password(prompt: str) -> str:
    """Ask without showing what is typed."""
    answer: str = typer.prompt(prompt, hide_input=True, err=True, prompt_suffix=": ")
    return answer


_COMMON: dict[str, Any] = {
    "vault": Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where the vault is: an address, or a destination's name. [env: PHOTOVAULT_VAULT]"
        ),
    ],
    "config": Annotated[str | None, typer.Option(metavar="FILE", help="Configuration file. [env: PHOTOVAULT_CONFIG]")],
    "no_config": Annotated[bool, typer.Option("--no-config", help="Use no configuration file, as if there were none.")],
    "profile": Annotated[str | None, typer.Option(metavar="NAME", help="Use NAME.toml of the configuration folder.")],
    "password_file": Annotated[str | None, typer.Option(metavar="FILE", help="Read the password from FILE.")],
    "password_command": Annotated[str | None, typer.Option(metavar="CMD", help="Run CMD, which prints the password.")],
    "password_fd": Annotated[int | None, typer.Option(metavar="N", help="Read the password from descriptor N.")],
    "words_file": Annotated[str | None, typer.Option(metavar="FILE", help="Open with the recovery words in FILE.")],
    "wait": Annotated[bool, typer.Option("--wait", help="Wait while another run uses the vault.")],
    "json": Annotated[bool, typer.Option("--json", help="Answer in JSON.")],
    "no_progress": Annotated[bool, typer.Option("--no-progress", help="Show no progress.")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")],
    "verbose": Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")],
}
_DEFAULTS: dict[str, Any] = {
    "no_config": False,
    "wait": False,
    "json": False,
    "no_progress": False,
    "quiet": False,
    "debug": False,
    "verbose": 0,
}


def with_common(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common options; it gets the ``Call`` as its first argument instead.

    A common option of the same name as one of the command's own is left out.
    """
    own = inspect.signature(function, eval_str=True)
    rest = list(own.parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=annotation)
        for name, annotation in _COMMON.items()
        if name not in own.parameters
    ]

    @functools.wraps(function)
    def command(ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401 - what typer parsed
        call: Call = ctx.obj
        call.take({one.name: values.pop(one.name) for one in common})
        try:
            function(call, **values)
        except KeyboardInterrupt:
            hint = "what was finished stays and nothing is left half-done; run the same command again"
            raise CancelledError("cancelled", hint) from None

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in rest]
    command.__signature__ = inspect.Signature([context, *keyword, *common])  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in (context, *keyword, *common)}
    return command
