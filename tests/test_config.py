"""Settings: what is read, what is refused, what they do."""

from pathlib import Path

import pytest

from hfcheck import config, registry
from hfcheck.config import Settings, SettingsError
from hfcheck.finding import Severity

RULES = {rule.id: rule for rule in registry.load()}


def load(folder: Path, text: str, name: str = ".hfcheck.toml") -> Settings:
    (folder / name).write_text(text)
    return config.load(str(folder / name))


def test_everything(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        'select = ["IDX", "lfs-pointer"]\nfail-on = "warning"\n[ignore]\nIDX001 = "the shards follow"\n'
        '[per-path."old/*"]\nignore = ["REP001"]\n'.replace("ignore = [", "REP001 = [").replace(
            '["REP001"]', '"kept as they were"'
        ),
    )
    assert settings.select == ("IDX", "lfs-pointer")
    assert settings.fail_on is Severity.WARNING
    assert settings.selects(RULES["IDX001"])
    assert settings.selects(RULES["REP001"])
    assert settings.selects(RULES["HFC001"]), "what was not seen is always said"
    assert settings.reason_to_ignore(RULES["IDX001"], "x") == "the shards follow"
    assert settings.reason_to_ignore(RULES["REP001"], "x") is None
    assert settings.reason_to_ignore(RULES["REP001"], "old/x") == "kept as they were"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("][", "not TOML"),
        ("colour = true", "unknown setting 'colour'"),
        ('select = "IDX"', "`select` must be a list"),
        ('fail-on = "fatal"', "`fail-on` must be"),
        ("ignore = { IDX001 = 1 }", "must be the reason"),
        ('ignore = { IDX001 = " " }', "must be the reason"),
        ('ignore = ["SEC001"]', "SEC001 needs a reason"),
        ("per-path = []", "`per-path` must be a table"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(tmp_path, text)


def test_pyproject(tmp_path: Path) -> None:
    assert load(tmp_path, '[tool.hfcheck]\nfail-on = "note"\n', "pyproject.toml").fail_on is Severity.NOTE
    with pytest.raises(SettingsError, match=r"no \[tool.hfcheck\]"):
        load(tmp_path, "[tool.other]\n", "pyproject.toml")


def test_the_nearest_settings_upwards(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / ".hfcheck.toml").touch()
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.ruff]\n")
    assert config.discover(str(deep)) == str(tmp_path / ".hfcheck.toml")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.hfcheck]\n")
    assert config.discover(str(deep)) == str(tmp_path / "a" / "pyproject.toml")


def test_a_broken_pyproject_of_somebody_else_is_their_business(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("][")
    assert config.discover(str(tmp_path)) != str(tmp_path / "pyproject.toml")


def test_the_command_line_comes_on_top() -> None:
    settings = config.merged(Settings(ignore={"REP": "why"}), select=(), ignore=("IDX001",), fail_on=None)
    assert dict(settings.ignore) == {"REP": "why", "IDX001": "--ignore"}
    assert settings.fail_on is Severity.ERROR


@pytest.mark.parametrize("word", ["IDX001", "IDX", "index-shard-missing"])
def test_words(word: str) -> None:
    config.check_words([word], RULES.values())


@pytest.mark.parametrize("word", ["IDX999", "idx001", "index-shard", ""])
def test_words_that_name_nothing(word: str) -> None:
    with pytest.raises(SettingsError, match="names no rule"):
        config.check_words([word], RULES.values())


def test_the_parts_of_a_key_are_bounded(tmp_path: Path) -> None:
    """A megabyte of `a.a.a` would take tomllib hours and all memory."""
    with pytest.raises(SettingsError, match="dots"):
        load(tmp_path, "a." * 500_000 + "a = 1")
    with pytest.raises(SettingsError, match="unknown setting"):
        load(tmp_path, "a." * config.MAX_DOTS + "a = 1")
