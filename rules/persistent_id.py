"""A pickle refers to something outside of it that its loader does not know.

## What it finds
Persistent ids in a pickle that is not part of a file of torch, and those in such a file that `torch.load` refuses: it
knows `("storage", type, key, location, size)`, in files before torch 1.6 with a sixth item, and there also `("module",
class, file, source)`. One finding for each pickle.

## Why it matters
`pickle.load` stops with `A load persistent id instruction was encountered, but no persistent_load function was
specified`, `torch.load` with `Unknown typename for persistent_load`. Only a program that was written for the file
reads it, and what that one does with the id nobody can see here.

## How to put it right
Save the file with `torch.save`, or as safetensors. A data.pkl that was taken out of a file of torch is of no use
alone.
"""

from collections.abc import Iterator, Mapping

from hfcheck.example import Example, TorchLegacy, TorchZip
from hfcheck.example_pickles import pickle, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickle_values import Value
from hfcheck.pickle_judged import judged, others
from hfcheck.pickle_wording import rendered
from hfcheck.rule import Rule

LENGTHS: Mapping[Consumer, Mapping[str, tuple[int, ...]]] = {
    Consumer.TORCH_ZIP: {"storage": (5,)},
    Consumer.TORCHSCRIPT: {"storage": (5,)},
    Consumer.TORCH_LEGACY: {"storage": (5, 6), "module": (2, 3, 4)},
}
"""Types of ids that a loader knows, with how many items they have."""

STORAGE = (
    "MARK",
    "BINUNICODE storage",
    "GLOBAL torch FloatStorage",
    "BINUNICODE 0",
    "BINUNICODE cpu",
    "BININT1 6",
    "TUPLE",
)


class PersistentId(Rule):
    id = "PKL014"
    name = "persistent-id"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Save the content with torch.save or as safetensors: no loader of models knows what this stands for."
    bad = (
        Example("a plain pickle", {"a.pkl": pickle("BINUNICODE users/1", "BINPERSID")}, at=(At("a.pkl"),)),
        Example("a data.pkl without its archive", {"data.pkl": pickle(*STORAGE, "BINPERSID")}, at=(At("data.pkl"),)),
        Example(
            "a type that torch does not know",
            {"a.pt": torch_zip(pickle("BINUNICODE module", "GLOBAL collections Counter", "TUPLE2", "BINPERSID"))},
            at=(At("a.pt", member="archive/data.pkl"),),
        ),
    )
    good = (
        Example("a state dict", {"pytorch_model.bin": TorchZip({"a": ("F16", [2, 3])})}),
        Example(
            "the same before torch 1.6", {"pytorch_model.bin": TorchLegacy({"a": ("F16", [2, 3])})}, near_miss=True
        ),
        Example(
            "what looks like an id, in a tuple",
            {"a.pkl": pickle("MARK", "BINUNICODE storage", "TUPLE")},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for found in judged(facts):
            consumer = found.pickle.consumer
            uses = [use for use in found.pickle.persistent if not _is_known(use.id, consumer)]
            if uses:
                place = f"{found.where(uses[0].offset)}{others(sum(use.count for use in uses))}"
                message = f"{found.reader} does not know what this refers to, {place}: {rendered(uses[0].id)}"
                yield self.finding(found.at(uses[0].offset), message)


def _is_known(id_: Value, consumer: Consumer) -> bool:
    if consumer is Consumer.TORCH_TAR:  # keys of what the members before it hold
        return isinstance(id_, tuple | int | str)
    if not isinstance(id_, tuple) or not id_:
        return False
    kind = id_[0].decode("latin-1") if isinstance(id_[0], bytes) else id_[0]
    return isinstance(kind, str) and len(id_) in LENGTHS.get(consumer, {}).get(kind, ())
