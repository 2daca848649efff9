"""What judging a load costs, beside parsing the same header and beside building the model: one table, one run.

`python -m benchmarks.loading_speed [--runs 7] [--without-transformers]` makes three models whose weights are holes in
the files: a Llama of 723 tensors, and mixtures of experts of 45,069 and of 90,135. Times are CPU of this process after
start-up, the median after two runs that do not count.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from benchmarks.check import make_sparse
from hfcheck import engine, registry
from hfcheck.config import Settings
from hfcheck.finding import Severity
from hfcheck.formats import safetensors
from hfcheck.report import Report
from hfcheck.reports import json_
from hfcheck.rule import Rule

WARM = 2
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Model:
    """A repository whose weights are holes, and the config that it has."""

    title: str
    folder: Path
    config: dict[str, Any]

    def header(self) -> bytes:
        with (self.folder / WEIGHTS).open("rb") as file:
            return file.read(int.from_bytes(file.read(8), "little"))


def models(work: Path) -> list[Model]:
    deeper = {**make_sparse.MOE, "num_hidden_layers": 2 * make_sparse.MOE_LAYERS}
    parts = [
        ("llama", make_sparse.llama(), make_sparse.LLAMA),
        ("experts", experts(), make_sparse.MOE),
        ("deeper", doubled(experts()), deeper),
    ]
    return [_model(work / name, shapes, config) for name, shapes, config in parts]


def experts() -> make_sparse.Shapes:
    """Those of the other benchmark, which has no norm of queries and so would not be complete."""
    norms = {f"model.layers.{layer}.self_attn.q_norm.weight": [128] for layer in range(make_sparse.MOE_LAYERS)}
    return make_sparse.experts() | norms


def doubled(shapes: make_sparse.Shapes) -> make_sparse.Shapes:
    """The same layers a second time, with the numbers that follow."""
    more: make_sparse.Shapes = {}
    for name, shape in shapes.items():
        head, middle, tail = name.partition("model.layers.")
        if middle and not head:
            number, _, rest = tail.partition(".")
            more[f"{middle}{int(number) + make_sparse.MOE_LAYERS}.{rest}"] = shape
    return shapes | more


def _model(folder: Path, shapes: make_sparse.Shapes, config: dict[str, Any]) -> Model:
    folder.mkdir()
    make_sparse.write_weights(folder / WEIGHTS, shapes)
    make_sparse.write_json(folder / "config.json", config)
    return Model(f"{len(shapes):,} tensors", folder, config)


def seconds(call: Callable[[], object], runs: int) -> float:
    """CPU of the process, the median of some runs."""
    taken = []
    for _ in range(WARM + runs):
        gc.collect()
        start = process_time()
        call()
        taken.append(process_time() - start)
    return median(taken[WARM:])


def load_of(folder: Path, rules: tuple[Rule, ...]) -> dict[str, Any]:
    """The `load` of the report; without rules little else is done."""
    report = engine.check(".", str(folder), rules, Settings())
    load: dict[str, Any] = json_.document(Report((report,), rules, Severity.ERROR))["repositories"][0]["load"]
    return load


def read_header(folder: Path) -> object:
    with (folder / WEIGHTS).open("rb") as file:
        return safetensors.read(file)


def from_config(config: dict[str, Any]) -> Callable[[], object]:
    """The model as transformers builds it to load into: its skeleton on the meta device."""
    import torch  # noqa: PLC0415 - two seconds that are not counted, and not needed without this column
    import transformers  # noqa: PLC0415 - as above

    auto: Any = transformers.AutoModelForCausalLM
    known = transformers.AutoConfig.for_model(**config)

    def build() -> object:
        with torch.device("meta"):
            return auto.from_config(known)

    return build


def row(model: Model, rules: tuple[Rule, ...], runs: int, *, beside: bool) -> str:
    outcome = load_of(model.folder, ())["outcome"]
    header = model.header()
    parsing = seconds(lambda: json.loads(header), runs)
    reading = seconds(lambda: read_header(model.folder), runs)
    judging = seconds(lambda: load_of(model.folder, ()), runs)
    checking = seconds(lambda: load_of(model.folder, rules), runs)
    figures = [parsing, reading, judging, checking]
    if beside:
        figures.append(seconds(from_config(model.config), runs))
    cells = [f"{1000 * figure:,.1f}" for figure in figures]
    ratios = [f"{judging / parsing:.1f}"] + ([f"{figures[-1] / judging:.1f}"] if beside else [])
    return "| " + " | ".join([model.title, outcome, *cells, *ratios]) + " |"


def main() -> None:
    os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="that count, of each figure (default: 7)")
    parser.add_argument("--without-transformers", action="store_true", help="leave out what needs torch")
    options = parser.parse_args()
    beside = not options.without_transformers
    columns = ["model", "outcome", "`json.loads`", "header read", "load judged", "all rules"]
    columns += ["`from_config` on meta"] if beside else []
    columns += ["judged / `json.loads`"] + (["`from_config` / judged"] if beside else [])
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, milliseconds of CPU, median of {options.runs}\n")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    rules = registry.load()
    with tempfile.TemporaryDirectory() as work:
        for model in models(Path(work)):
            print(row(model, rules, options.runs, beside=beside), flush=True)


if __name__ == "__main__":
    main()
