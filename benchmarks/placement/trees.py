"""The tree that `hfcheck/placement/tree.py` makes of a class against the real one, for every certified class.

    python -m benchmarks.placement.trees [--count N] [--seed N] [--vary] [TYPE ...]

Each class is built on the meta device under its tiny config (`tools/atlas/tiny.py`), or under one that is moved away
from it at random (`tools/atlas/vary.py`), in bfloat16, as `from_pretrained`
of transformers builds it. Compared are: children in order at every level that a device map may divide, the modules that
are not split, bytes of parameters and buffers as the planner of transformers counts them, and tied parameters.
"""

import argparse
import json
import os
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import PreTrainedModel, logging

from hfcheck.formats.tensor import Tensor
from hfcheck.loading import atlas
from hfcheck.loading.choose import Choice
from hfcheck.loading.judge import Load
from hfcheck.loading.resolve import resolve
from hfcheck.placement.model import Model, Module, walk
from hfcheck.placement.target import Target
from hfcheck.placement.tree import model_of
from tools.atlas import classes
from tools.atlas.reality import resolved_config
from tools.atlas.tiny import tiny
from tools.atlas.vary import vary

SEED = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs: `kind` is a word, `where` a module or a tensor."""

    kind: str
    where: str
    ours: object
    real: object


def main() -> int:
    options = _options()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    known = list(options.types or classes.types())
    pairs = [(one, name) for one in known for name in certified(one)]
    if options.count:
        pairs = random.Random(options.seed).sample(pairs, min(options.count, len(pairs)))  # noqa: S311 - a sample
    kinds: Counter[str] = Counter()
    same = 0
    for model_type, name in pairs:
        try:
            config = vary(model_type, name, random.Random(f"{options.seed} {name}")) if options.vary else None  # noqa: S311
            found = list(differences(model_type, name, config))
        except Exception as error:  # noqa: BLE001 - a config that does not build here is told
            found = [Difference("does not build", "", "", f"{type(error).__name__}: {error}"[:160])]
        same += not found
        kinds.update({one.kind for one in found})
        for one in found[: options.most]:
            print(f"{model_type} {name}: {one.kind} {one.where}: ours {one.ours}, real {one.real}", flush=True)
    print(f"{same} of {len(pairs)} classes are the same; classes that differ: {dict(kinds.most_common())}")
    return int(same < len(pairs))


def certified(model_type: str) -> list[str]:
    """The classes of a type that hfcheck judges."""
    entry = atlas.entry(model_type)
    return [name for name in entry.classes if entry.certified(name)] if entry is not None else []


def differences(model_type: str, class_name: str, config: Mapping[str, Any] | None = None) -> Iterator[Difference]:
    """What differs between our tree and the real one, under the tiny config by default."""
    given = json.loads(json.dumps(tiny(model_type, class_name) if config is None else config))
    real = built(model_type, class_name, given)
    yield from compared(ours(model_type, class_name, given), real)


def built(model_type: str, class_name: str, config: Mapping[str, Any]) -> PreTrainedModel:
    """The model on the meta device, in bfloat16, as `from_pretrained` has it when it plans."""
    cls = classes.model_class(model_type, class_name)
    resolved = resolved_config(cls, config, model_type)
    contexts = cls.get_init_context(torch.bfloat16, False, False, None)  # noqa: FBT003 - upstream's signature
    for context in contexts:
        context.__enter__()
    try:
        return cls(resolved)
    finally:
        for context in reversed(contexts):
            context.__exit__(None, None, None)


def ours(model_type: str, class_name: str, config: Mapping[str, Any], dtype: Any = "bfloat16") -> Model:  # noqa: ANN401
    """Our tree of the class, all of whose tensors are stored under the names that they have in memory."""
    entry = atlas.entry(model_type)
    if entry is None:
        raise KeyError(model_type)
    spec = atlas.spec(entry, class_name, resolve(config, model_type))
    choice = Choice(model_type, class_name, "", "named", class_name)
    sources = {name: (name,) for name in spec.state}
    load = Load(class_name, "loads", spec=spec, choice=choice, sources=sources)
    tensors = {name: Tensor("BF16", shape, 0, 0) for name, shape in spec.state.items()}
    return model_of(load, config, tensors, Target((), dtype=dtype))


def compared(model: Model, real: PreTrainedModel) -> Iterator[Difference]:
    if not model.exact:
        yield Difference("approximate", "", model.inexact, "")
        return
    unsplit = set(real._no_split_modules or ())  # noqa: SLF001 - what the planner reads
    present = {type(module).__name__ for module in real.modules()}
    yield from _modules("", model.root, real, _Unsplit(model.no_split, frozenset(unsplit)), is_inside=False)
    if model.no_split & present - unsplit:
        yield Difference("no_split", "", sorted(model.no_split & present), sorted(unsplit & present))
    ties = dict(real.all_tied_weights_keys)
    if dict(model.ties) != ties:
        yield Difference("ties", "", dict(model.ties), ties)


@dataclass(frozen=True, slots=True)
class _Unsplit:
    """Names of classes that are not split, by our tree and by the real one."""

    ours: frozenset[str]
    real: frozenset[str]


def _modules(
    path: str, module: Module, real: torch.nn.Module, unsplit: _Unsplit, *, is_inside: bool
) -> Iterator[Difference]:
    kind, own = type(real).__name__, module.kind if module.kind in unsplit.ours else ""
    # A class inside one that is not split changes nothing.
    if not is_inside and own != (kind if kind in unsplit.real else ""):
        yield Difference("kind", path, own, kind)
    is_inside = is_inside or kind in unsplit.real
    yield from _own(path, module, real, is_inside=is_inside)
    children = dict(real.named_children())
    if is_inside:
        # Modules without tensors are left out here, where no map can name them.
        children = {name: one for name, one in children.items() if any(True for _ in _tensors(one))}
        inside = {name for name, one in module.children.items() if any(x.parameters or x.buffers for _, x in walk(one))}
        if inside != set(children):
            yield Difference("children inside", path, sorted(inside), sorted(children))
    elif list(module.children) != list(children):
        same = set(module.children) == set(children)
        yield Difference("order" if same else "children", path, list(module.children), list(children))
    for name, child in children.items():
        if name in module.children:
            yield from _modules(
                f"{path}.{name}" if path else name, module.children[name], child, unsplit, is_inside=is_inside
            )


def _own(path: str, module: Module, real: torch.nn.Module, *, is_inside: bool) -> Iterator[Difference]:
    """What differs in the tensors of a module itself."""
    parameters = {name: one.numel() * one.element_size() for name, one in real.named_parameters(recurse=False)}
    buffers = {name: one.numel() * one.element_size() for name, one in real.named_buffers(recurse=False)}
    if module.parameters != parameters:
        yield Difference("parameters", path, module.parameters, parameters)
    elif not is_inside and module.children and list(module.parameters) != list(parameters):
        yield Difference("order of parameters", path, list(module.parameters), list(parameters))
    if module.buffers.keys() != buffers.keys():
        yield Difference("buffers", path, module.buffers, buffers)
    elif module.buffers != buffers:
        yield Difference("bytes of buffers", path, module.buffers, buffers)


def _tensors(module: torch.nn.Module) -> Iterator[object]:
    yield from module.parameters()
    yield from module.buffers()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement.trees", description=__doc__)
    parser.add_argument("types", nargs="*", help="model types; all of them by default")
    parser.add_argument("--count", type=int, default=0, help="how many classes; all of them by default")
    parser.add_argument("--seed", type=int, default=SEED, help="of the sample")
    parser.add_argument("--vary", action="store_true", help="under configs that are moved away from the tiny ones")
    parser.add_argument("--most", type=int, default=3, help="differences of a class that are printed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
