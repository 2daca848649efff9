"""What is built is what is in the checkout, and what is installed from it works without the checkout."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import pytest

PACKAGES = {"hfcheck": "hfcheck", "rules": "hfcheck_rules", "schemas": "hfcheck_schemas"}
CORE = {"click", "fickling", "jinja2", "jsonschema", "safetensors", "tomli", "typing_extensions"}
"""Every user of the hook installs these: whatever is added here is paid for by all of them."""


@dataclass(frozen=True, slots=True)
class Built:
    checkout: Path
    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist, and the wheel made from it; without isolation, because that would fetch setuptools."""
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(checkout)], folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(checkout, sdist, wheel)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    run([*pip, str(built.wheel)], target)
    return target


def run(command: list[str], folder: Path, **environment: str) -> str:
    """The output. The folder is never the checkout: `python -m` would take its modules before those installed."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sources(checkout: Path) -> set[str]:
    """The files of the packages, under the names that they have when installed."""
    return {
        f"{package}/{path.relative_to(checkout / folder).as_posix()}"
        for folder, package in PACKAGES.items()
        for path in (checkout / folder).rglob("*")
        if path.suffix in {".py", ".json"} or path.name == "py.typed"
    }


def test_wheel_holds_the_sources_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if ".dist-info/" not in name} == sources(built.checkout)
    for text in ("LICENSE", "NOTICE"):
        assert any(name.endswith(f"dist-info/licenses/{text}") for name in names)


def test_sources_are_all_files_of_the_packages(checkout: Path) -> None:
    """A file of another kind (a template, a table) would need a word in `package-data`."""
    found = {path for folder in PACKAGES for path in (checkout / folder).rglob("*") if path.is_file()}
    assert len(found) == len(sources(checkout))
    assert "hfcheck_rules/index_shard_missing.py" in sources(checkout)


def test_sdist_holds_the_checkout(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    wanted = {path.relative_to(built.checkout).as_posix() for path in built.checkout.rglob("*") if path.is_file()}
    assert {name for name in wanted - names if ".egg-info/" not in name} == set()


def test_metadata(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name.rpartition("/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(names["METADATA"]).decode())
        entry_points = archive.read(names["entry_points.txt"]).decode()
    requirements = metadata.get_all("Requires-Dist", [])
    core = {re.split(r"[^\w-]", line)[0] for line in requirements if "extra ==" not in line}
    assert core == CORE
    assert set(metadata.get_all("Provides-Extra", [])) == {"archives", "dev", "fleet", "hub", "test", "torch"}
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "[console_scripts]\nhfcheck = hfcheck.__main__:main\n" in entry_points
    assert "[hfcheck.rules]\nbuiltin = hfcheck_rules\n" in entry_points


def test_rules_pass_their_examples_as_installed(built: Built, installed: Path, tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("conftest.py", "test_rules.py"):
        (tests / name).write_bytes((built.checkout / "tests" / name).read_bytes())
    (tests / "test_origin.py").write_text(ORIGIN)
    options = ["-q", "-p", "no:cacheprovider", "-c", str(built.checkout / "pyproject.toml"), "--rootdir", str(tmp_path)]
    options += ["-o", "pythonpath="]  # of the checkout: its modules would come before those installed
    output = run([sys.executable, "-m", "pytest", *options, str(tests)], tests, PYTHONPATH=str(installed))
    assert re.search(r"^[0-9]{2,} passed", output, re.MULTILINE), output


ORIGIN = """\
import os
from importlib.metadata import distribution

import hfcheck
import hfcheck_rules
import hfcheck_schemas


def test_everything_comes_from_the_wheel():
    installed = os.environ["PYTHONPATH"]
    for module in (hfcheck, hfcheck_rules, hfcheck_schemas):
        assert module.__file__.startswith(installed)
    assert str(distribution("hfcheck").locate_file("")).startswith(installed)
"""
"""Run beside the others: without it, an editable installation could be what is tested."""


def test_console_script_as_installed(installed: Path) -> None:
    def hfcheck(argument: str) -> str:
        return run([str(installed / "bin" / "hfcheck"), argument], installed, PYTHONPATH=str(installed))

    assert re.search(r"^IDX001 +error +index-shard-missing", hfcheck("rules"), re.MULTILINE)
    assert re.fullmatch(r"hfcheck [0-9.]+\n", hfcheck("--version"))
