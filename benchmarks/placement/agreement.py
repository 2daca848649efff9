"""Device maps from headers against those of transformers and accelerate, over architectures of published sizes.

    python -m benchmarks.placement.agreement [NAME ...]

Both libraries plan each architecture (`architectures.py`) on the meta device, under every budget (`observed.py`). We
plan from config.json and headers, with a config that is complete and with one as people publish it, with names as they
are in memory and as they are stored; then without the atlas, by names alone. Compared are the maps as dictionaries, the
device of every parameter, and CPU time from header to map.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import logging

from benchmarks.placement.architectures import ARCHITECTURES
from benchmarks.placement.observed import BUDGETS, Observed, observed
from benchmarks.placement.oracle import Outcome, target_of
from hfcheck.loading.judge import judge
from hfcheck.placement.approximate import approximate
from hfcheck.placement.device import Key
from hfcheck.placement.model import Model
from hfcheck.placement.plan import PlannerRaises
from hfcheck.placement.planner import plan_with
from hfcheck.placement.prepared import Prepared, prepared
from hfcheck.placement.target import Dialect, Target
from hfcheck.placement.tree import model_of
from hfcheck.placement.uncertified import fitting

DIALECTS: tuple[Dialect, ...] = ("transformers", "accelerate")
Pairs = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Tally:
    """What was counted of plans: equal maps, those with every parameter in its place; parameters; shares of bytes.

    Where only the library raises, or only we, nothing is in its place: `raises` counts these plans.
    """

    plans: int = 0
    equal: int = 0
    complete: int = 0
    raises: int = 0
    parameters: int = 0
    right: int = 0
    shares: list[float] = field(default_factory=list)

    def count(self, ours: Outcome, real: Outcome, pairs: Pairs, model: Model) -> None:
        """One plan; `pairs` are names in our model with those of the same parameter in the real one."""
        self.plans += 1
        self.equal += ours == real
        self.parameters += len(pairs)
        if isinstance(ours, str) or isinstance(real, str):
            self.raises += ours != real
            self.complete += ours == real
            self.right += len(pairs) * (ours == real)
            return
        right = [_device(ours, mine) == _device(real, name) for mine, name in pairs]
        self.complete += all(right)
        self.right += sum(right)
        weights = [model.weights.get(mine) for mine, _ in pairs]
        sizes = [weight.nbytes if weight is not None else 0 for weight in weights]
        self.shares.append(sum(size for size, good in zip(sizes, right, strict=True) if good) / max(sum(sizes), 1))

    def add(self, other: "Tally") -> None:
        for name in ("plans", "equal", "complete", "raises", "parameters", "right"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.shares += other.shares

    def __str__(self) -> str:
        raised = f", {self.raises} where only one side raises" if self.raises else ""
        share = 100 * statistics.mean(self.shares) if self.shares else 100.0
        return (
            f"{self.equal} of {self.plans} maps equal, {self.complete} with every parameter in its place{raised}; "
            f"{self.right} of {self.parameters} parameters in their place, {share:.2f}% of the bytes (mean of maps)"
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """One architecture: what was counted with the atlas and by names alone; the least seconds from header to map."""

    exact: Mapping[Dialect, Tally]
    by_names: Mapping[Dialect, Tally]
    seconds: float
    notes: tuple[str, ...]


def main() -> int:
    options = _options()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    chosen = [one for one in ARCHITECTURES if not options.names or one.name in options.names]
    exact: dict[Dialect, Tally] = {dialect: Tally() for dialect in DIALECTS}
    by_names: dict[Dialect, Tally] = {dialect: Tally() for dialect in DIALECTS}
    times: list[tuple[float, float]] = []
    for one in chosen:
        real = observed(one)
        found = compared(real)
        print(f"{one.name}: {len(real.stored)} tensors, {1000 * found.seconds:.1f} ms", *found.notes, sep="; ")
        for dialect in DIALECTS:
            print(
                f"  {dialect}: {found.exact[dialect]}",
                f"  names alone: {found.by_names[dialect]}",
                sep="\n",
                flush=True,
            )
            exact[dialect].add(found.exact[dialect])
            by_names[dialect].add(found.by_names[dialect])
        times.append((found.seconds, real.built + real.planned))
    print(f"\n{len(chosen)} architectures, {len(BUDGETS)} budgets")
    for dialect in DIALECTS:
        print(f"{dialect}: {exact[dialect]}")
        print(f"{dialect}, by names alone: {by_names[dialect]}")
    ratios = [theirs / ours for ours, theirs in times]
    print(
        f"CPU time from header to map: {1000 * statistics.median(ours for ours, _ in times):.1f} ms (median), "
        f"{1000 * max(ours for ours, _ in times):.0f} ms (most); building the model on meta and planning takes "
        f"{statistics.median(ratios):.1f} times as long (median), {min(ratios):.2f} to {max(ratios):.0f}"
    )
    return 0


def compared(real: Observed) -> Compared:
    """Plan in all ways and hold every plan against those of the libraries."""
    exact: dict[Dialect, Tally] = {dialect: Tally() for dialect in DIALECTS}
    by_names: dict[Dialect, Tally] = {dialect: Tally() for dialect in DIALECTS}
    seconds, notes = [], dict[str, None]()
    for config in (real.published, real.full):
        for tensors in (real.stored, real.in_memory):
            for dialect in DIALECTS:
                started = time.process_time()
                load = judge(config, tensors, {})
                model = model_of(load, config, tensors, Target((), dialect=dialect))
                ready = prepared(model, dialect)
                _planned(ready, real, 0)
                if config is real.published and tensors is real.stored:
                    seconds.append(time.process_time() - started)
                if not model.exact or load.outcome != "loads":
                    notes[f"{load.outcome}: {load.reason[:100]}"] = None
                for number in range(len(BUDGETS)):
                    names = [(name, name) for name in real.names]
                    exact[dialect].count(_planned(ready, real, number), real.outcomes[dialect, number], names, model)
    load = judge(real.published, real.stored, {})
    known = fitting(load, real.published, real.stored) or load
    pairs = [(stored, name) for name, sources in known.sources.items() for stored in sources]
    for dialect in DIALECTS if pairs else ():  # else nothing tells which parameter a stored tensor is
        model = approximate("", real.stored, "BF16", dialect, "")
        ready = prepared(model, dialect)
        for number in range(len(BUDGETS)):
            by_names[dialect].count(_planned(ready, real, number), real.outcomes[dialect, number], pairs, model)
    return Compared(exact, by_names, min(seconds), tuple(notes))


def _planned(ready: Prepared, real: Observed, number: int) -> Outcome:
    budget = BUDGETS[number]
    try:
        return dict(plan_with(ready, target_of(budget.of(real.total), budget.mode, ready.dialect)).device_map)
    except PlannerRaises as error:
        return error.error


def _device(device_map: Mapping[str, Key], name: str) -> Key | None:
    """The device of the longest key around a name."""
    while name and name not in device_map:
        name = name.rpartition(".")[0]
    return device_map.get(name)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement.agreement", description=__doc__)
    parser.add_argument("names", nargs="*", help="architectures; all of them by default")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
