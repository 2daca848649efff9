"""The benign set: scripts that real libraries of several versions run, each in an environment of its own."""

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Source:
    """A script and what it is run with: `name` goes into the names of the files."""

    name: str
    script: str
    requirements: tuple[str, ...]


SOURCES = (
    Source("python", "make_plain.py", ()),
    Source(
        "torch-2.13", "make_torch.py", ("torch==2.13.0", "transformers==5.23.0", "accelerate>=1.10", "numpy==2.4.6")
    ),
    Source(
        "sklearn-1.3",
        "make_arrays.py",
        ("scikit-learn==1.3.2", "numpy==1.26.4", "scipy==1.11.4", "joblib==1.2.0", "lz4"),
    ),
    Source(
        "sklearn-1.5",
        "make_arrays.py",
        ("scikit-learn==1.5.2", "numpy==1.26.4", "scipy==1.13.1", "joblib==1.4.2", "lz4", "pandas==2.2.3"),
    ),
    Source(
        "sklearn-1.7",
        "make_arrays.py",
        ("scikit-learn==1.7.2", "numpy==2.2.6", "scipy==1.15.3", "joblib==1.5.3", "lz4"),
    ),
)


def environment(folder: Path, requirements: tuple[str, ...]) -> Path:
    """The Python of a virtual environment, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    done = folder / "installed.txt"
    wanted = "\n".join(requirements)
    if requirements and not (done.exists() and done.read_text(encoding="utf-8") == wanted):
        install = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *requirements]
        subprocess.run(install, check=True)
        done.write_text(wanted, encoding="utf-8")
    return python


def make(environments: Path, out: Path) -> None:
    """Runs every script that has not been run: one folder for each file, under the folder of its class."""
    for source in SOURCES:
        finished = out / f".{source.name}"
        if finished.exists():
            continue
        python = environment(environments / source.name, source.requirements)
        subprocess.run([str(python), "-W", "ignore", str(HERE / source.script), str(out), source.name], check=True)
        finished.touch()


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
