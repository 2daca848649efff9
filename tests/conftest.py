"""Shuts out the rules of other installed packages: what a test sees depends on this checkout alone."""

import shutil
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATCH = pytest.MonkeyPatch()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="write what the program says as what it should say"
    )


def pytest_configure() -> None:
    """In a hook and not in a fixture: rules are discovered while tests are collected."""
    # `hfcheck.__main__` takes the working folder off the front of the path, and `tools` must still be found.
    sys.path.append(str(ROOT))
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A run that was started in the background ignores Ctrl-C, and so would all the programs that it starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def own(*, group: str) -> EntryPoints:
        return EntryPoints(filter(_is_own, entry_points(group=group)))

    PATCH.setattr("hfcheck.registry.entry_points", own)


def pytest_unconfigure() -> None:
    PATCH.undo()


def _is_own(point: EntryPoint) -> bool:
    return point.value == "hfcheck_rules"


@pytest.fixture(autouse=True)
def _no_ci_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PRE_COMMIT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, to do with as one likes, of the files that Git has or would add: nothing that was built is among them."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    copy = tmp_path_factory.mktemp("checkout")
    for name in set(listing.stdout.decode().split("\0")) - {""}:
        if (ROOT / name).exists():  # deleted here, and not yet in the index
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy
