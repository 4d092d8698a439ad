"""Read the settings: the file, over it the environment, over it the flags. The only I/O is reading the file."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dragoman.settings import faults
from dragoman.settings.describing import SECTIONS as RECORDS
from dragoman.settings.environment import CONFIG_VARIABLE, from_environment
from dragoman.settings.faults import Origin, SettingsError, Table, dotted
from dragoman.settings.older_names import from_older_names
from dragoman.settings.reading import Reader
from dragoman.settings.records import AGENTS, ALIAS_PRESET, Settings

FILE_NAME: Final = "dragoman.toml"
SECTIONS: Final = ("server", "providers", "aliases", "routes", "claude", "opencode")
_TOML_HINT: Final = 'a setting is `name = value` below its `[table]`, and a text stands in quotes: `host = "127.0.0.1"`'
_FLAGS: Final = {"server.keys": "--key"}
"""The flags that are not called as the setting is."""
_AT_LINE: Final = re.compile(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$")


def load(
    path: str | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object] = {},
    here: Path = Path(),
) -> Settings:
    """Return the settings of the file at `path` (`--config`), of `environ` and of `flags`.

    `flags` maps dotted names to values: `{"server.port": 8080}`; None is one that was not given. Without `path` the
    file is looked for: `DRAGOMAN_CONFIG`, `dragoman.toml` in the folder `here`,
    `$XDG_CONFIG_HOME/dragoman/dragoman.toml`; it need not exist. Raises SettingsError. Names that only other rooms
    know (presets, fields of dialects, who an alias stands for) are checked when the registry is built, and reported
    the same way.
    """
    file = find(path, environ, here)
    text, table = _read(file, is_by_variable=not path and bool(environ.get(CONFIG_VARIABLE))) if file else ("", {})
    elsewhere: dict[faults.Path, str] = {}
    origin = Origin(str(file) if file else None, text, elsewhere)
    if isinstance(table.get("aliases"), str):
        table["aliases"] = {ALIAS_PRESET: table["aliases"]}
    _check_tables(table, origin)
    for variable, place, value in (
        *from_older_names(environ, table.get("providers", {})),
        *from_environment(environ, table.get("providers", {})),
    ):
        _put(table, place, value)
        elsewhere[place] = variable
    for name, value in flags.items():
        if value is not None:
            place = tuple(name.split("."))
            _put(table, place, value)
            elsewhere[place] = _FLAGS.get(name) or f"--{place[-1].replace('_', '-')}"
    return Reader(origin, environ).settings(table)


def find(path: str | None, environ: Mapping[str, str], here: Path = Path()) -> Path | None:
    """Return the file to read; None when there is none. One that was asked for by name has to exist: `load` says so."""
    named = path or environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else None)
    places = [here / FILE_NAME, *([Path(home) / "dragoman" / FILE_NAME] if home else [])]
    return next((place for place in places if place.is_file()), None)


def _read(file: Path, *, is_by_variable: bool) -> tuple[str, Table]:
    try:
        text = file.read_text(encoding="utf-8-sig")  # Windows' editors put a mark in front, which TOML has no place for
    except OSError as error:
        hint = f"the environment variable `{CONFIG_VARIABLE}` names this file: correct it, or unset it"
        problem = f"cannot be read: {error.strerror}"
        raise SettingsError(problem, where=str(file), hint=hint if is_by_variable else None) from None
    except UnicodeDecodeError:
        raise SettingsError("is not UTF-8 text", where=str(file), hint="TOML files are UTF-8") from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.match(str(error))
        problem = found[1] if found else str(error)
        line = int(found[2]) if found and found[2] else len(text.splitlines())
        raise SettingsError(f"not TOML: {problem}", where=str(file), line=line, hint=_TOML_HINT) from None


def _check_tables(table: Table, origin: Origin) -> None:
    """Check that the sections are known, and tables of tables where they have to be."""
    _check_sections(table, origin)
    for section in SECTIONS:
        inner = table.get(section, {})
        _require_table(inner, (section,), origin)
        for name, value in inner.items() if section in ("providers", "routes") else ():
            if (section, name) == ("routes", AGENTS):
                _require_tables(value, (section, name), origin)
            else:
                _require_table(value, (section, name), origin)


def _check_sections(table: Table, origin: Origin) -> None:
    """Check the names at the top. One that belongs into a section is told which."""
    for name in table:
        home = next((section for section, record in RECORDS.items() if name in record.__struct_fields__), None)
        if name not in SECTIONS and home is not None:
            raise origin.fault((name,), f"there is no setting `{name}`", f"did you mean `{home}.{name}`?")
    origin.check_names(table, SECTIONS, ())


def _require_table(value: object, path: faults.Path, origin: Origin) -> None:
    if not isinstance(value, dict):
        raise origin.fault(path, f"`{dotted(path)}` is no table", f"write it as [{dotted(path)}]")


def _require_tables(value: object, path: faults.Path, origin: Origin) -> None:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise origin.fault(path, f"`{dotted(path)}` is no list of tables", f"write each as [[{dotted(path)}]]")


def _put(table: Table, path: tuple[str, ...], value: object) -> None:
    for part in path[:-1]:
        table = table.setdefault(part, {})
    table[path[-1]] = value
