"""Rules come through entry points, and a registry that is not whole is an error."""

import importlib.metadata
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from hfcheck import registry

RULE = """
from hfcheck.finding import Severity
from hfcheck.rule import Rule

class {name}(Rule):
    id = "{id}"
    name = "{kebab}"
    severity = Severity.NOTE
    since = "0.1"
    hint = "Nothing."
    bad = ()
    good = ()

    def check(self, facts):
        return iter(())
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of rules beside the built-in ones."""
    package = tmp_path / "some_plugin"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    own = importlib.metadata.entry_points(group=registry.GROUP)
    points = EntryPoints([*own, EntryPoint("plugin", "some_plugin", registry.GROUP)])
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)
    yield package
    for name in [name for name in sys.modules if name.startswith("some_plugin")]:
        del sys.modules[name]


def test_a_plugin_uses_the_same_door(plugin: Path) -> None:
    (plugin / "own.py").write_text(RULE.format(name="Own", id="REP900", kebab="own"))
    loaded = registry.load()
    assert "REP900" in {rule.id for rule in loaded}
    assert [rule.id for rule in loaded] == sorted(rule.id for rule in loaded)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE.format(name="Own", id="IDX001", kebab="own"), "IDX001 is claimed by"),
        (RULE.format(name="Own", id="REP900", kebab="index-shard-missing"), "index-shard-missing is claimed by"),
        (RULE.format(name="Own", id="X1", kebab="own"), "'X1' is no id"),
        (RULE.format(name="Own", id="REP900", kebab="Not Kebab"), "'Not Kebab' is no id or name"),
        ("import nothing_of_that_name", "cannot be loaded: ModuleNotFoundError"),
        ("raise RuntimeError('at import')", "cannot be loaded: RuntimeError: at import"),
    ],
)
def test_a_registry_that_is_not_whole_is_an_error(plugin: Path, text: str, said: str) -> None:
    (plugin / "own.py").write_text(text)
    with pytest.raises(registry.RegistryError, match=said):
        registry.load()


def test_the_working_folder_is_no_place_for_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hfcheck_rules.py").write_text("raise RuntimeError('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    monkeypatch.delitem(sys.modules, "hfcheck_rules", raising=False)
    assert registry.load()
