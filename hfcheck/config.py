"""Settings: `.hfcheck.toml` or `[tool.hfcheck]` in `pyproject.toml`, and which of them apply."""

import importlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hfcheck.finding import Severity
from hfcheck.formats.gitattributes import matches
from hfcheck.rule import Rule

SETTINGS = ".hfcheck.toml"
PYPROJECT = "pyproject.toml"
MAX_BYTES = 2**20
MAX_DOTS = 6000
"""tomllib takes memory by the square of the parts of a dotted key: 100 MB for so many, 3 GB for 32,000 (64 KB)."""

SECURITY = ("RMC", "SEC", "PKL")
"""Families that a settings file can only silence with a reason."""


NO_REASON = "no reason given"
"""The reason of what is ignored by a plain list: this object, and not the words, which somebody may write."""


class SettingsError(Exception):
    """The settings are wrong; the message names the file and the place."""


@dataclass(frozen=True, slots=True)
class PerPath:
    """Rules that are ignored in the files that a pattern of Git names."""

    pattern: str
    ignore: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Settings:
    """`select` empty means all rules. `ignore` maps an id, a name or a family to the reason. `source`: the file."""

    select: tuple[str, ...] = ()
    ignore: Mapping[str, str] = field(default_factory=dict)
    per_path: tuple[PerPath, ...] = ()
    fail_on: Severity = Severity.ERROR
    source: str | None = None

    def selects(self, rule: Rule) -> bool:
        """Whether a rule is run. The family HFC always is: it speaks of what the others could not see."""
        return not self.select or rule.id.startswith("HFC") or any(means(word, rule) for word in self.select)

    def reason_to_ignore(self, rule: Rule, path: str) -> str | None:
        """Why findings of a rule in a file are kept out of the verdict; None where they are not."""
        tables = [self.ignore, *(entry.ignore for entry in self.per_path if matches(entry.pattern, path))]
        return next((reason for table in tables for word, reason in table.items() if means(word, rule)), None)


def means(word: str, rule: Rule) -> bool:
    """Whether a word of the settings names a rule: its id, its name, or a prefix of the id such as the family."""
    return word == rule.name or (word.isalnum() and word.isupper() and rule.id.startswith(word))


def check_words(words: Iterable[str], rules: Iterable[Rule]) -> None:
    """Raise SettingsError for a word that names no rule: a typo would silently check less."""
    known = list(rules)
    for word in words:
        if not any(means(word, rule) for rule in known):
            raise SettingsError(f"{word!r} names no rule: `hfcheck rules` lists them")


def check_reasons(settings: Settings, rules: Iterable[Rule]) -> None:
    """Raise SettingsError for a security rule that is ignored without a reason, however it is named: `R`, `SEC`."""
    tables = [settings.ignore, *(entry.ignore for entry in settings.per_path)]
    words = [word for table in tables for word, reason in table.items() if reason is NO_REASON]
    for rule in rules:
        guarded = next((word for word in words if rule.id.startswith(SECURITY) and means(word, rule)), None)
        if guarded is not None:
            raise SettingsError(
                f"{settings.source}: `ignore`: {guarded!r} means {rule.id} as well, which needs a reason: "
                f'write {rule.id} = "why"'
            )


def in_scanned(path: str, roots: Iterable[str]) -> bool:
    """Whether a settings file lies in a scanned repository: its author may not be the one who runs hfcheck."""
    folder = os.path.realpath(os.path.dirname(path))
    return any(os.path.commonpath([folder, os.path.realpath(root)]) == os.path.realpath(root) for root in roots)


def is_own_work(path: str) -> bool:
    """Whether a settings file belongs to the work of the user: a hook of pre-commit, or the work tree of a clone."""
    if os.environ.get("PRE_COMMIT") == "1":
        return True
    folder = os.path.realpath(os.path.dirname(path))  # where it lies, not where a link from there leads
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
    return True


def discover(folder: str) -> str | None:
    """The settings file that applies in a folder: the nearest one upwards."""
    current = os.path.abspath(folder)
    while True:
        own = os.path.join(current, SETTINGS)
        if os.path.isfile(own):
            return own
        project = os.path.join(current, PYPROJECT)
        if os.path.isfile(project) and _table(project) is not None:
            return project
        parent = os.path.dirname(current)
        if parent == current:
            return None
        current = parent


def load(path: str) -> Settings:
    """The settings in a file; raises SettingsError."""
    table = _table(path)
    if table is None:
        raise SettingsError(f"{path}: there is no [tool.hfcheck] in it")
    unknown = sorted(set(table) - {"select", "ignore", "per-path", "fail-on"})
    if unknown:
        raise SettingsError(f"{path}: unknown setting {unknown[0]!r}")
    per_path = _mapping(path, "per-path", table.get("per-path", {}))
    return Settings(
        select=_words(path, "select", table.get("select", [])),
        ignore=_reasons(path, "ignore", table.get("ignore", {})),
        per_path=tuple(
            PerPath(pattern, _reasons(path, f"per-path.{pattern}", value)) for pattern, value in per_path.items()
        ),
        fail_on=_severity(path, table.get("fail-on", "error")),
        source=path,
    )


def merged(
    settings: Settings, *, fail_on: Severity | None, select: tuple[str, ...] = (), ignore: tuple[str, ...] = ()
) -> Settings:
    """The settings with what the command line says on top of them."""
    return replace(
        settings,
        select=select or settings.select,
        ignore={**settings.ignore, **dict.fromkeys(ignore, "--ignore")},
        fail_on=fail_on or settings.fail_on,
    )


def _table(path: str) -> dict[str, Any] | None:
    """The settings in a file, None for a `pyproject.toml` that has none."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{path}: settings of more than {MAX_BYTES} bytes")
    if os.path.basename(path) != PYPROJECT:
        return _toml(path, data)
    if b"hfcheck" not in data:  # spares everybody else's project the parser, and hfcheck its faults
        return None
    tool = _toml(path, data).get("tool")
    table = tool.get("hfcheck") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def _toml(path: str, data: bytes) -> dict[str, Any]:
    if data.count(b".") > MAX_DOTS:
        raise SettingsError(f"{path}: more than {MAX_DOTS} dots")
    # tomllib came with Python 3.11; 14 ms that only those pay who have settings.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        document: dict[str, Any] = toml.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    return document


def _words(path: str, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise SettingsError(f"{path}: `{key}` must be a list of ids, names or families")
    return tuple(value)


def _reasons(path: str, key: str, value: object) -> dict[str, str]:
    """A table of reasons, or a plain list for those rules that may be ignored without one."""
    if isinstance(value, list):
        words = _words(path, key, value)
        if guarded := [word for word in words if word.startswith(SECURITY)]:
            raise SettingsError(f'{path}: `{key}`: {guarded[0]} needs a reason: write {guarded[0]} = "why"')
        return dict.fromkeys(words, NO_REASON)
    table = _mapping(path, key, value)
    for word, reason in table.items():
        if not isinstance(reason, str) or not reason.strip():
            raise SettingsError(f"{path}: `{key}.{word}` must be the reason, as a string")
    return table


def _mapping(path: str, key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: `{key}` must be a table")
    return value


def _severity(path: str, value: object) -> Severity:
    try:
        return Severity(value)
    except ValueError as error:
        raise SettingsError(f"{path}: `fail-on` must be error, warning or note") from error
