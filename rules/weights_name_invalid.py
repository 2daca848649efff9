"""The config tells the loader to open weights under a name that it refuses.

## What it finds
`transformers_weights` in `config.json` that is no string, ends neither in `.safetensors` nor in
`.safetensors.index.json`, leads out of the folder, or names a file that is not there while other weights are.

## Why it matters
Where this field is there, transformers 5.23.0 looks for no other file. It raises `ValueError: The transformers file in
the config seems to be incorrect: it is neither a safetensors file (*.safetensors) nor a safetensors index file`, for a
path that leaves the folder `` `transformers_weights` must reference a file inside the model directory ``, for a number
or a list `AttributeError: 'int' object has no attribute 'endswith'`. `adapter_model.bin` is let through.

## How to put it right
Name the file as it is called in the repository, or remove the field and call the weights `model.safetensors`.
"""

from collections.abc import Iterator
from posixpath import isabs, normpath

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.formats.json_ import type_of
from hfcheck.rule import Example, Rule

FIELD = "transformers_weights"
PLACE = At("config.json", pointer(FIELD))
F16 = ("F16", [2, 3])
LLAMA = {"model_type": "llama"}
SUFFIXES = (".safetensors", ".safetensors.index.json")


class WeightsNameInvalid(Rule):
    id = "CFG004"
    name = "weights-name-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Name a .safetensors file of this folder, or remove the field."
    bad = (
        Example("a torch file", {"config.json": LLAMA | {FIELD: "weights.bin"}}, at=(PLACE,)),
        Example("upper case", {"config.json": LLAMA | {FIELD: "MODEL.SAFETENSORS"}}, at=(PLACE,)),
        Example("a path out of the folder", {"config.json": LLAMA | {FIELD: "../x.safetensors"}}, at=(PLACE,)),
        Example("an absolute path", {"config.json": LLAMA | {FIELD: "/x.safetensors"}}, at=(PLACE,)),
        Example("a list", {"config.json": LLAMA | {FIELD: ["a.safetensors"]}}, at=(PLACE,)),
        Example(
            "a file that is not there, beside one that is and is not looked for",
            {"config.json": LLAMA | {FIELD: "w.safetensors"}, "model.safetensors": {"a": F16}},
            at=(PLACE,),
        ),
    )
    good = (
        Example(
            "another name",
            {"config.json": LLAMA | {FIELD: "w.safetensors"}, "w.safetensors": {"a": F16}},
        ),
        Example(
            "a subfolder",
            {"config.json": LLAMA | {FIELD: "fp8/w.safetensors"}, "fp8/w.safetensors": {"a": F16}},
            near_miss=True,
        ),
        Example("a config alone", {"config.json": LLAMA | {FIELD: "w.safetensors"}}, near_miss=True),
        Example("null", {"config.json": LLAMA | {FIELD: None}, "model.safetensors": {"a": F16}}, near_miss=True),
        Example(
            "the one torch file that it takes", {"config.json": LLAMA | {FIELD: "adapter_model.bin"}}, near_miss=True
        ),
        Example("two dots that climb nowhere", {"config.json": LLAMA | {FIELD: "v1..2.safetensors"}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        value = (facts.config or {}).get(FIELD)
        if value is None or not facts.claims_transformers:
            return
        if not isinstance(value, str):
            fault = f"is {type_of(value)} where the name of a file is expected"
        elif value != "adapter_model.bin" and not value.endswith(SUFFIXES):
            fault = f"is {quote(value)}, which ends neither in .safetensors nor in .safetensors.index.json"
        elif isabs(value) or normpath(value).split("/")[0] == "..":
            fault = f"is {quote(value)}, which leads out of the folder"
        elif facts.entry(facts.inside(normpath(value))) is None and _has_weights(facts):
            fault = f"is {quote(value)}, which is not there"
        else:
            return
        yield self.finding(At(facts.inside(layout.CONFIG), pointer(FIELD)), f"`{FIELD}` {fault}")


def _has_weights(facts: Facts) -> bool:
    return any(entry.path.endswith(layout.WEIGHT_SUFFIXES) for entry in facts.direct())
