"""A file for `torch.load` does not begin with torch's magic number.

## What it finds
Files of five pickles, as `torch.save` wrote them before 1.6, of which the first does not return the magic number as a
constant: it returns something else, or has it computed by a call. And plain pickles in the place of weights, an error
where `from_pretrained` loads them, a warning under other names for `torch.load`.

## Why it matters
`torch.load` 2.13 reads the first pickle to compare what it returns, and says `Invalid magic number; corrupt file?`
where it differs; transformers 5.23.0 passes that on as `Weights only load failed`. By then the pickle has run, unless
it was read with `weights_only=True`, and scanners that compared the bytes took the file for something else and left it
alone (https://nvd.nist.gov/vuln/detail/CVE-2026-53875).

## How to put it right
Do not load a file that computes the number. A plain pickle was written by `pickle.dump` and is read by `pickle.load`,
if you trust it; save its tensors with `torch.save`, or better as safetensors.
"""

from collections.abc import Iterator

from hfcheck.example import Example, Pickle, TorchLegacy
from hfcheck.example_pickles import pickle, torch_legacy
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickled import OddityKind, PickledFacts
from hfcheck.pickle_judged import is_loaded, oddities
from hfcheck.promises import is_for_torch_load
from hfcheck.rule import Rule

WHOLE = torch_legacy(pickle("EMPTY_DICT"))
BEHIND = WHOLE.lines[3:]
"""All but the first pickle."""


class MagicNumberWrong(Rule):
    id = "PKL022"
    name = "magic-number-wrong"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file; if it is yours, save the weights again with the torch of today."
    bad = (
        Example("another number", {"a.pt": Pickle((*pickle("BININT1 7").lines, *BEHIND))}, at=(At("a.pt"),)),
        Example(
            "a number that a call returns",
            {"a.pt": Pickle((*pickle("GLOBAL collections Counter", "EMPTY_TUPLE", "REDUCE").lines, *BEHIND))},
            at=(At("a.pt"),),
        ),
        Example(
            "weights that pickle.dump has written",
            {"config.json": {"model_type": "x", "architectures": ["X"]}, "pytorch_model.bin": pickle("EMPTY_DICT")},
            at=(At("pytorch_model.bin"),),
        ),
    )
    good = (
        Example("the number", {"a.pt": WHOLE}),
        Example("a state dict", {"a.pt": TorchLegacy({"a": ("F32", [2])})}, near_miss=True),
        Example("a plain pickle, which has no such number", {"a.pkl": pickle("BININT1 7")}, near_miss=True),
        Example("the same under a name that may be anything", {"words.bin": pickle("EMPTY_LIST")}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for at, found in oddities(facts, OddityKind.MAGIC):
            yield self.finding(at, f"the file {OddityKind.MAGIC.value}: {found[0].detail}")
        for path, file in facts.pickled():
            loaded = is_loaded(facts, path)
            if (loaded or is_for_torch_load(path)) and _is_plain(file):
                message = "torch.load does not read a plain pickle, which has no magic number of torch"
                yield self.finding(At(path, offset=0), message, severity=None if loaded else Severity.WARNING)


def _is_plain(file: PickledFacts) -> bool:
    """Whether the file as a whole is what `pickle.dump` writes."""
    first = file.pickles[0] if file.pickles else None
    if first is None or first.consumer not in (Consumer.PICKLE, Consumer.JOBLIB):
        return False
    return first.member is None and first.origin == 0
