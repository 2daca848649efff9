"""What a plain check loads, and what it must never load: a hook is run at every commit, on machines without torch."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hfcheck import testing
from hfcheck.example import Example

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent

HEAVY = {
    "accelerate", "fickling", "huggingface_hub", "jinja2", "jsonschema", "numpy", "pydantic", "requests", "rich",
    "safetensors", "torch", "transformers",
}  # fmt: skip

ON_DEMAND = {
    "subprocess", "hfcheck.loading.ask", "hfcheck.loading.deep", "hfcheck.opinion.ask", "hfcheck.rehearsal",
}  # fmt: skip
"""What `--deep`, `--second-opinion` and `--rehearse` take to ask transformers and fickling, and to read weights."""

DRY_RUN = {"hfcheck.dry_run.command", "hfcheck.placement.result", "hfcheck.placement.dry_run", "hfcheck.placement.tree"}
"""What only a dry run takes."""

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
REPOSITORY = Example(
    "a sharded model whose second shard is missing",
    {
        "config.json": {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
        "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer"},
        INDEX: {"metadata": {"total_size": 24}, "weight_map": {"a": ONE, "b": TWO}},
        ONE: {"a": ("F16", [2, 3])},
        "README.md": "---\nlicense: apache-2.0\n---\n",
    },
)

PROBE = """\
import atexit, os, sys
atexit.register(lambda: open(os.environ["LOADED"], "w").write("\\n".join(sys.modules)))
"""
"""As `sitecustomize` it is there from the first line of whatever is run, so that the real commands are looked at."""

COMMANDS = {
    "console script": [str(Path(sys.executable).parent / "hfcheck")],
    "python -m": [sys.executable, "-m", "hfcheck"],
    "runpy": [
        sys.executable,
        "-c",
        "import runpy; runpy.run_module('hfcheck', run_name='__main__', alter_sys=True)",
    ],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_plain_check_loads_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    model, loaded = tmp_path / "model", tmp_path / "loaded"
    model.mkdir()
    testing.write(REPOSITORY, model)
    (tmp_path / "sitecustomize.py").write_text(PROBE)
    environment = {"PYTHONPATH": str(tmp_path), "LOADED": str(loaded)}
    done = subprocess.run(
        [*command, "check", str(model), "--isolated"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, ""), "the missing shard is found"
    modules = set(loaded.read_text().split("\n"))
    assert {"hfcheck.engine", "hfcheck_rules.index_shard_missing"} <= modules, "it came as far as the rules"
    assert not {name.partition(".")[0] for name in modules} & HEAVY
    assert not modules & ON_DEMAND, "no process is started"
    assert not modules & DRY_RUN, "nobody asked for devices"


@pytest.mark.parametrize("command", ["dry-run", "check"])
def test_a_dry_run_loads_nothing_heavy(command: str, tmp_path: Path) -> None:
    model, loaded = tmp_path / "model", tmp_path / "loaded"
    model.mkdir()
    testing.write(Example("a small model", testing.llama()), model)
    (tmp_path / "sitecustomize.py").write_text(PROBE)
    environment = {"PYTHONPATH": str(tmp_path), "LOADED": str(loaded)}
    arguments = [command, str(model), "--device", "0=1GiB:sm_80", "--device", "disk", "--context", "16"]
    done = subprocess.run(
        [*COMMANDS["python -m"], *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    modules = set(loaded.read_text().split("\n"))
    assert modules >= (DRY_RUN if command == "dry-run" else DRY_RUN - {"hfcheck.dry_run.command"}), "it was planned"
    assert not {name.partition(".")[0] for name in modules} & HEAVY
    assert not modules & ON_DEMAND, "no process is started"


def test_every_module_has_its_layer() -> None:
    """A module that no layer names would be free to import anything."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name for layer in layers for name in re.split(r" [|:] ", layer)}
    package = ROOT / "hfcheck"
    found = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    assert named == {f"hfcheck.{name}" for name in found - {"__init__"}} | {"hfcheck_rules"}
