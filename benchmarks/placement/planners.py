"""Our planners against those of transformers and accelerate, on the same modules of torch.

    python -m benchmarks.placement.planners [--random N] [--classes N] [--seed N]

First N random trees, each for both dialects under four random targets; then N certified classes of the atlas under
their tiny configs, built on the meta device, under the budgets below, which are shares of the bytes of the model.
Compared are whole maps, or the exceptions instead of them. Prints what differs and the agreement for each dialect and
mode.
"""

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from random import Random

import torch
from torch import nn
from transformers import PreTrainedModel, logging

from benchmarks.placement.oracle import differs, model_of, ours, target_of
from benchmarks.placement.random_models import random_module, random_targets
from benchmarks.placement.trees import built, certified
from hfcheck.placement.device import Key
from hfcheck.placement.model import Model
from hfcheck.placement.target import Dialect, Mode, Target
from tools.atlas import classes
from tools.atlas.tiny import tiny

DIALECTS: tuple[Dialect, ...] = ("transformers", "accelerate")

BUDGETS: tuple[tuple[Mode, Mapping[Key, float]], ...] = (
    ("auto", {0: 0.6, 1: 0.6, "cpu": 3.0}),
    ("auto", {0: 0.35, 1: 0.35, "cpu": 3.0}),
    ("auto", {0: 0.3, "cpu": 0.4}),
    ("auto", {0: 2.0}),
    ("balanced", {0: 0.4, 1: 0.4, 2: 0.4, 3: 0.4, "cpu": 3.0}),
    ("balanced", {"cpu": 0.5}),
    ("balanced", {1: 0.7, 3: 0.7, "cpu": 3.0}),
    ("balanced_low_0", {0: 0.6, 1: 0.6, 2: 0.6, "cpu": 3.0}),
    ("balanced_low_0", {1: 0.6, 2: 0.6, "cpu": 3.0}),
    ("sequential", {0: 0.45, 1: 0.45, 2: 0.45, "cpu": 3.0}),
    ("sequential", {0: 0.15, 1: 0.2, 2: 0.25, "cpu": 0.3}),
    ("sequential", {"mps": 0.8}),
    ("auto", {0: 0.5, 1: 0.5, "disk": 9.0}),
)
"""Modes with budgets in shares of the bytes of the model."""


def main() -> int:
    options = _options()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    sides = {"random trees": random_cases(options.random, options.seed)}
    sides["classes"] = class_cases(options.classes, options.seed)
    is_equal = True
    for title, cases in sides.items():
        tally = Tally()
        for where, module, model, target in cases:
            tally.add(where, module, model, target)
        print(f"{title}: {tally}", flush=True)
        is_equal = is_equal and tally.same == tally.all
    return int(not is_equal)


class Tally:
    """What was equal, by dialect and mode."""

    def __init__(self) -> None:
        self.all: Counter[tuple[str, str]] = Counter()
        self.same: Counter[tuple[str, str]] = Counter()
        self.outcomes: Counter[str] = Counter()

    def add(self, where: str, module: nn.Module, model: Model, target: Target) -> None:
        kind = (target.dialect, target.mode)
        self.all[kind] += 1
        pair = differs(module, model, target)
        self.same[kind] += pair is None
        found = ours(model, target)
        self.outcomes[found if isinstance(found, str) else "a map"] += 1
        if pair is not None:
            print(f"{where} {target}:\n  ours {pair[0]}\n  real {pair[1]}", flush=True)

    def __str__(self) -> str:
        lines = [f"{sum(self.same.values())} of {sum(self.all.values())} are equal"]
        lines += [
            f"  {dialect:14}{mode:16}{self.same[dialect, mode]} of {count}"
            for (dialect, mode), count in sorted(self.all.items())
        ]
        return "\n".join([*lines, f"  {dict(self.outcomes.most_common())}"])


def random_cases(count: int, seed: int) -> Iterator[tuple[str, nn.Module, Model, Target]]:
    for number in range(seed, seed + count):
        for dialect in DIALECTS:
            random = Random(number)  # noqa: S311 - reproducible, and no secret
            module = random_module(random, dialect)
            model = model_of(module, dialect)
            for target in random_targets(random, _nbytes(module), dialect):
                yield f"seed {number}", module, model, target


def class_cases(count: int, seed: int) -> Iterator[tuple[str, nn.Module, Model, Target]]:
    known = list(classes.types())
    Random(seed).shuffle(known)  # noqa: S311 - a sample
    pairs = ((model_type, name) for model_type in known for name in certified(model_type))
    for model_type, name in islice(pairs, count):
        yield from _those_that_build(model_type, name)


def _those_that_build(model_type: str, name: str) -> Iterator[tuple[str, nn.Module, Model, Target]]:
    try:
        yield from cases_of(model_type, name)
    except (ImportError, RuntimeError, ValueError) as error:
        print(f"{model_type} {name} does not build: {type(error).__name__}: {error}"[:200], flush=True)


def cases_of(model_type: str, name: str) -> Iterator[tuple[str, PreTrainedModel, Model, Target]]:
    """A class under all budgets: first untied, for transformers, then tied, as a user of accelerate has it."""
    module = built(model_type, name, tiny(model_type, name))
    for dialect in DIALECTS:
        if dialect == "accelerate":
            module.tie_weights()
        model = model_of(module, dialect)
        nbytes = _nbytes(module)
        for mode, shares in BUDGETS:
            memory = {key: int(share * nbytes) for key, share in shares.items()}
            yield f"{model_type} {name}", module, model, target_of(memory, mode, dialect)


def _nbytes(module: nn.Module) -> int:
    return max(sum(one.numel() * one.element_size() for one in _tensors(module)), 1)


def _tensors(module: nn.Module) -> Iterable[torch.Tensor]:
    return (*module.parameters(), *module.buffers())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement.planners", description=__doc__)
    parser.add_argument("--random", type=int, default=1000, help="how many random trees")
    parser.add_argument("--classes", type=int, default=200, help="how many classes of the atlas")
    parser.add_argument("--seed", type=int, default=0, help="of the trees and of the sample")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
