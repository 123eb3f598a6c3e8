"""The settings of a deployment, each with its origin: an option, the environment, cupola.toml, or the default."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

import click
from rich.table import Column, Table

import endpoint.settings
import etl.fetch
import etl.settings
from cupola.terminal import USAGE, out, print_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")

CONFIG: Final = "cupola.toml"
KINDS: Final[tuple[type[DataclassInstance], ...]] = (
    etl.settings.Settings, etl.fetch.FetchSettings, endpoint.settings.Settings,
)  # fmt: skip


class SettingError(click.ClickException):
    """A setting that cannot be used."""

    exit_code = USAGE


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting: its value, where it comes from, and what it is for."""

    name: str
    value: Any
    origin: str
    help: str
    secret: bool = False

    @property
    def shown(self) -> Any:
        """The value as it may be shown, in JSON too: a key is not."""
        if self.secret and self.value:
            return "(set)"
        if isinstance(self.value, Path):
            return str(self.value)
        return list(self.value) if isinstance(self.value, tuple) else self.value


def settings_of(kind: type[S], **options: Any) -> S:
    """Settings of one kind; an option that is None was not given. Raises SettingError."""
    return _filled(kind, options)[0]


def show(as_json: bool) -> None:
    """Tell every setting: its value, where it comes from, what it is for."""
    found = {setting.name: setting for kind in KINDS for setting in _filled(kind, {})[1]}
    if as_json:
        print_json({s.name: {"value": s.shown, "origin": s.origin, "help": s.help} for s in found.values()})
        return
    table = Table("setting", Column("value", overflow="fold"), "from", "what it is", box=None)
    for setting in found.values():
        table.add_row(setting.name, str(setting.shown), setting.origin, setting.help)
    out.print(table)


def _filled(kind: type[S], options: Mapping[str, Any]) -> tuple[S, list[Setting]]:
    """The settings of one kind: options come first, then the environment, then cupola.toml, then the default."""
    told = _config()
    hints = get_type_hints(kind)
    found = []
    for entry in dataclasses.fields(kind):
        name, variable = entry.name, f"CUPOLA_{entry.name.upper()}"
        value, origin = entry.default, "default"
        if options.get(name) is not None:
            value, origin = options[name], "option"
        elif variable in os.environ:
            value, origin = os.environ[variable], variable
        elif name in told:
            value, origin = told[name], CONFIG
        if origin != "default":
            value = _converted(name, value, hints[name], origin)
        found.append(Setting(name, value, origin, entry.metadata["help"], bool(entry.metadata.get("secret"))))
    try:
        return kind(**{setting.name: setting.value for setting in found}), found
    except ValueError as error:
        raise SettingError(str(error)) from None


def _config() -> dict[str, Any]:
    """What cupola.toml in the working folder says; nothing when there is none."""
    path = Path(CONFIG)
    if not path.is_file():
        return {}
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not TOML: {error}") from error
    known = {f.name for kind in KINDS for f in dataclasses.fields(kind)}
    if unknown := sorted(set(told) - known):
        raise SettingError(f"{path}: unknown setting {unknown[0]!r}; allowed: {', '.join(sorted(known))}")
    return told


def _converted(name: str, value: Any, kind: Any, origin: str) -> Any:
    """A setting's value as its type; text from the environment is read as people write it."""
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
        if kind == tuple[str, ...]:
            return tuple(value.split(os.pathsep)) if isinstance(value, str) else tuple(map(str, value))
        return kind(str(value))
    except (TypeError, ValueError, KeyError):
        wanted = "true or false" if kind is bool else getattr(kind, "__name__", str(kind))
        raise SettingError(f"{name} = {value!r} ({origin}): allowed: {wanted}") from None
