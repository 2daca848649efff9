"""Names in a weight file hold characters that act, or that nobody sees.

## What it finds
Names of tensors and keys of `__metadata__` that are empty, that hold control or format characters (escape sequences,
newlines, zero-width and bidirectional marks), or that climb with `../`. One finding for each file. A slash in front is
legal: the names of ONNX have one.

## Why it matters
safetensors 0.8.0 and torch 2.13 take any string. A program that prints the names hands the terminal its commands, one
that shows them shows something else than is there, and an exporter that writes each tensor to a file of its name writes
it wherever the name leads. No framework makes such names.

## How to put it right
Rename the tensors. If nobody knows where the names come from, do not use the file.
"""

from collections.abc import Iterator
from unicodedata import category

from hfcheck.example import TorchZip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.rule import Example, Rule

F16 = ("F16", [2, 3])


class ControlCharactersInNames(Rule):
    id = "FMT011"
    name = "control-characters-in-names"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Rename what the file holds, and find out who gave it these names."
    bad = (
        Example(
            "a name that clears the screen of who lists it",
            {"model.safetensors": {"w": F16, "w\x1b[2J": F16}},
            at=(At("model.safetensors", tensor="w\x1b[2J"),),
        ),
        Example(
            "names that lead to another folder and to nowhere: one finding",
            {"model.safetensors": {"": F16, "../../w": F16, "/../w": F16}},
            at=(At("model.safetensors", tensor=""),),
        ),
        Example(
            "a .bin",
            {"pytorch_model.bin": TorchZip({"w": F16, "a\nb": F16})},
            at=(At("pytorch_model.bin", tensor="a\nb"),),
        ),
        Example(
            "a key of the metadata with a zero-width space",
            {"model.safetensors": {"__metadata__": {"for\u200bmat": "pt"}, "w": F16}},
            at=(At("model.safetensors", "/__metadata__/for\u200bmat"),),
        ),
    )
    good = (
        Example("as frameworks name them", {"model.safetensors": {"model.layers.0.mlp.up_proj.weight": F16}}),
        Example("letters of any script", {"model.safetensors": {"слой.0.вес": F16, "層/重み": F16}}, near_miss=True),
        Example(
            "slashes, colons and dots; ONNX begins the names of constants with a slash",
            {"model.safetensors": {"dense/kernel:0": F16, "a..b": F16, "/encoder/Constant_output_0": F16}},
            near_miss=True,
        ),
        Example(
            "a metadata value of several lines",
            {"model.safetensors": {"__metadata__": {"format": "pt", "card": "one\ntwo"}, "w": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, header in facts.headers():
            names = [*header.tensors, *(header.metadata or {})]
            text = "".join(names)
            if text.isprintable() and "/" not in text and "" not in names:
                continue  # 45,000 names are looked at in one go
            found = [(At(path, tensor=name), why) for name in header.tensors if (why := _fault(name))]
            found += [
                (At(path, pointer("__metadata__", key)), why) for key in header.metadata or {} if (why := _fault(key))
            ]
            if found:
                at, why = found[0]
                others = f" (the first of {len(found)} such names)" if len(found) > 1 else ""
                yield self.finding(at, f"this name {why}{others}")


def _fault(name: str) -> str | None:
    """What is wrong with a name, as a phrase after "this name"."""
    if not name:
        return "is empty"
    if name.startswith("../") or "/../" in name:
        return "is a path that leads out of its folder"
    if not name.isprintable() and any(category(char)[0] == "C" or category(char) in ("Zl", "Zp") for char in name):
        return "is one with control or invisible characters"
    return None
