"""Of the same weights as safetensors and as `.bin` hfcheck has to say the same: `python -m benchmarks.pickle_twins`.

Tiny models of many classes are damaged as in the benchmark of agreement and saved a second time with `torch.save`, as
archives and in the format before torch 1.6. Compared are the facts of all tensors, the load, and what the rules on
indexes, weights and configs find. An oracle besides: `torch.load(weights_only=True)` gives the names, types, shapes,
strides and storages that hfcheck reads from the pickle, and the bytes at the places that it names.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch
from transformers import PreTrainedModel

from benchmarks.agreement import models
from benchmarks.agreement.models import Architecture
from benchmarks.agreement.mutations import MUTATIONS
from benchmarks.agreement.plan import Plan
from benchmarks.pickle_twins import compare, twin
from benchmarks.pickle_twins.compare import Rules, Seen
from hfcheck import registry

SHARDED, TIED = "in three shards", "the state dict with all names of tied tensors"
LEGACY = 1 / 3
SHOWN = 40


@dataclass(slots=True)
class Tally:
    """How many cases there were, by what was done to them, and those in which the twins differ."""

    classes: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    without_twin: int = 0
    unbuildable: list[str] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bench:
    """A tiny model that was saved in `root`, and what is asked about it."""

    plan: Plan
    architecture: Architecture
    model: PreTrainedModel
    root: Path
    rules: Rules
    with_loader: bool


def main() -> int:
    options = _parser().parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    start, tally = time.monotonic(), Tally()
    plan = Plan(options.seed, tuple(_chosen(options.types, options.classes, options.seed)), options.each)
    _run(plan, tally, start + 60 * options.minutes, with_loader=options.loader)
    print(_report(tally, time.monotonic() - start))
    return 1 if tally.differences or not tally.kinds else 0


def _run(plan: Plan, tally: Tally, until: float, *, with_loader: bool) -> None:
    rules = registry.load()
    for architecture in plan.architectures:
        if time.monotonic() > until:
            return
        with tempfile.TemporaryDirectory(prefix="twins-") as name:
            try:
                model = models.build(architecture, plan.rng(architecture, "model"))
                model.save_pretrained(Path(name, "base"))
            except Exception as error:  # noqa: BLE001 - a package that is not installed, a class that cannot be saved
                tally.unbuildable.append(f"{architecture}: {type(error).__name__}: {error}"[:200])
                continue
            bench = Bench(plan, architecture, model, Path(name), rules, with_loader)
            tally.differences.extend(f"{architecture}, {what}" for what in _class(bench, tally))


def _class(bench: Bench, tally: Tally) -> Iterator[str]:
    """The differences in as many cases of a class as the plan has."""
    left = bench.plan.each
    for kind in (SHARDED, *bench.plan.kinds(bench.architecture)):
        if not left:
            break
        rng = bench.plan.rng(bench.architecture, kind)
        what = _damaged(bench.root, kind, rng)
        if what is None:
            continue
        try:
            files = twin.save(bench.root / "case", bench.root / "twin", legacy=rng.random() < LEGACY, rng=rng)
        except twin.NoTwin:
            tally.without_twin += 1
            continue
        left -= 1
        tally.classes.add(str(bench.architecture))
        tally.kinds[kind] += 1
        tally.files.update(files)
        yield from (f"{kind} ({what}): {difference}" for difference in _compared(bench, kind, tally))
    shutil.copytree(bench.root / "base", bench.root / "tied")
    twin.save_state_dict(bench.model, bench.root / "tied")
    found = compare.of_tied(bench.root / "tied", twin.as_bin("model.safetensors"), bench.rules)
    yield from (f"{TIED}: {difference}" for difference in found)


def _damaged(root: Path, kind: str, rng: Random) -> str | None:
    """Copy the model and damage the copy; None where there is nothing of this kind in it."""
    outside = root / twin.OUTSIDE
    for path in (root / "case", root / "twin", outside, outside.with_name(twin.as_bin(outside.name))):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copytree(root / "base", root / "case")
    try:
        return twin.shard(root / "case") if kind == SHARDED else MUTATIONS[kind](root / "case", rng)
    except Exception:  # noqa: BLE001 - the benchmark of agreement lists them
        return None


def _compared(bench: Bench, kind: str, tally: Tally) -> Iterator[str]:
    case, copy = bench.root / "case", bench.root / "twin"
    yield from compare.differences(case, copy, bench.rules, tally.seen)
    if bench.with_loader:
        yield from compare.of_transformers(bench.architecture, case, copy, kind, tally.seen)


def _chosen(types: Sequence[str] | None, count: int, seed: int) -> list[Architecture]:
    """One certified class for each of so many types, or for those that are named."""
    found = models.certified()
    Random(seed).shuffle(found)  # noqa: S311 - has to be repeatable, is no secret
    first: dict[str, Architecture] = {}
    for architecture in found:
        if types is None or architecture.model_type in types:
            first.setdefault(architecture.model_type, architecture)
    return list(first.values())[:count]


def _report(tally: Tally, seconds: float) -> str:
    """The figures, and the first differences."""
    seen, cases = tally.seen, sum(tally.kinds.values())
    lines = (
        f"{len(tally.classes)} classes, {cases} cases of {len(tally.kinds)} kinds in {seconds:.0f} s",
        f"left out: {tally.without_twin} cases without a twin, {len(tally.unbuildable)} classes that are not built",
        f"{sum(tally.files.values())} files ({dict(tally.files)}) with {seen.tensors} tensors",
        f"outcomes: {dict(seen.outcomes)}",
        f"findings: {sum(seen.findings.values())} by {len(seen.findings)} rules of {', '.join(compare.FAMILIES)}",
        f"pairs that transformers loaded, too: {seen.loaded}",
        f"differences: {len(tally.differences)}",
    )
    return "\n".join((*lines, *tally.differences[:SHOWN]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pickle_twins",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    parser.add_argument("--classes", type=int, default=60, help="of as many types (default: 60)")
    parser.add_argument("--each", type=int, default=12, help="cases of each class (default: 12)")
    parser.add_argument("--types", nargs="+", help="of these model types only")
    parser.add_argument("--loader", action="store_true", help="have transformers load both, too")
    parser.add_argument("--minutes", type=float, default=30, help="stop after so long (default: 30)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
