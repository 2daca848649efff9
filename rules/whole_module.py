"""A whole module was saved in the place of its weights.

## What it finds
Files of `torch.save(model)`, in which the pickle holds the module with its classes, and not a state dict. One finding
for each file, which names the class; an error where `from_pretrained` loads the file. Classes that hfcheck does not
know are PKL001 besides.

## Why it matters
It loads where the same class can be imported, in a version that still fits, and with `weights_only=False`:
`torch.load` of 2.6 and later says `Weights only load failed ... Unsupported global: GLOBAL
torch.nn.modules.linear.Linear`. Under the name of weights, transformers finds no tensor in it.
https://docs.pytorch.org/docs/stable/notes/serialization.html advises against it.

## How to put it right
Save the state dict: `torch.save(model.state_dict(), path)`, or `model.save_pretrained(folder)`.
"""

from collections.abc import Iterator

from hfcheck.example import Example, TorchZip
from hfcheck.example_pickles import imports, pickle, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.pickle_judged import is_loaded
from hfcheck.rule import Rule

WEIGHT = (
    "GLOBAL torch._utils _rebuild_tensor_v2", "MARK", "MARK", "BINUNICODE storage", "GLOBAL torch FloatStorage",
    "BINUNICODE 0", "BINUNICODE cpu", "BININT1 2", "TUPLE", "BINPERSID", "BININT1 0", "BININT1 2", "TUPLE1",
    "BININT1 1", "TUPLE1", "NEWFALSE", "NONE", "TUPLE", "REDUCE",
)  # fmt: skip
MODULE = pickle(
    "GLOBAL torch.nn.modules.linear Linear", "EMPTY_TUPLE", "NEWOBJ", "EMPTY_DICT", "MARK", "BINUNICODE _parameters",
    "EMPTY_DICT", "BINUNICODE weight", *WEIGHT, "SETITEM", "BINUNICODE _modules", "EMPTY_DICT", "SETITEMS", "BUILD",
)  # fmt: skip


class WholeModule(Rule):
    id = "PKL029"
    name = "whole-module"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "high"
    hint = "Save model.state_dict(), or the model with save_pretrained, instead of the module itself."
    bad = (
        Example("torch.save(model)", {"model.pt": torch_zip(MODULE, **{"data/0": bytes(8)})}, at=(At("model.pt"),)),
        Example(
            "in the place of weights, which is an error",
            {
                "config.json": {"model_type": "x", "architectures": ["X"]},
                "pytorch_model.bin": torch_zip(MODULE, **{"data/0": bytes(8)}),
            },
            at=(At("pytorch_model.bin"),),
        ),
    )
    good = (
        Example("torch.save(model.state_dict())", {"model.pt": TorchZip({"weight": ("F32", [2])})}),
        Example(
            "a checkpoint of a training",
            {"a.ckpt": TorchZip({"w": ("F32", [2])}, inside=("state_dict",))},
            near_miss=True,
        ),
        Example("the class of a module beside tensors", {"a.pt": torch_zip(imports("torch device"))}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, file in facts.pickled():
            if file.state is not None and file.state.module is not None:
                where = f" at {quote(file.state.pointer, 60)}" if file.state.pointer else ""
                needed = f"only torch.load with weights_only=False and the class {quote(file.state.module)} reads it"
                severity = Severity.ERROR if is_loaded(facts, path) else Severity.WARNING
                yield self.finding(At(path), f"a whole module was saved{where}: {needed}", severity=severity)
