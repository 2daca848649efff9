"""torch refuses to load a file with `weights_only=True`.

## What it finds
Files of `torch.save` in which the weights-only unpickler stops: at an import that is not on its list, an opcode that
it does not know, a call of something that is no import, a state or an item for what may have none. An error for
weights that `from_pretrained` loads, a note for other files. Where PKL001 to PKL003 speak of the imports already, the
note is left out.

## Why it matters
`torch.load` of 2.6 and later, and transformers with every version, load with `weights_only=True`. It ends in `Weights
only load failed`, and the remedy that the message names first, `weights_only=False`, runs whatever is in the file.
Since CVE-2025-32434 (https://github.com/advisories/GHSA-53q9-r3pm-6pq6) transformers wants at least torch 2.6 for such
files, and safetensors of everybody else.

## How to put it right
Save the state dict alone, with tensors and plain values in it, at the default protocol 2:
`torch.save(model.state_dict(), path)`, or better `save_pretrained`, which writes safetensors.
"""

from collections.abc import Iterator

from hfcheck.example import Example, TorchLegacy, TorchZip
from hfcheck.example_pickles import imports, pickle, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickled import PickledFacts
from hfcheck.pickle_judged import Judged, is_loaded, judged_in
from hfcheck.pickle_tiers import Tier
from hfcheck.rule import Rule
from hfcheck.weights_only import TORCH, refusal

CONFIG = {"model_type": "x", "architectures": ["X"]}
NUMPY = imports("numpy.core.multiarray scalar", "numpy dtype")


class WeightsOnlyRefuses(Rule):
    id = "PKL017"
    name = "weights-only-refuses"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Save the state dict alone with torch.save at its default protocol, or save the model as safetensors."
    bad = (
        Example(
            "weights with a number of NumPy among them",
            {"config.json": CONFIG, "pytorch_model.bin": torch_zip(NUMPY)},
            at=(At("pytorch_model.bin", member="archive/data.pkl"),),
        ),
        Example(
            "a state that was pickled at protocol 4, beside the model: a note",
            {"scheduler.pt": torch_zip(pickle("EMPTY_DICT", "MEMOIZE", protocol=4))},
            at=(At("scheduler.pt", member="archive/data.pkl"),),
        ),
        Example(
            "a program of TorchScript in the place of weights",
            {"config.json": CONFIG, "pytorch_model.bin": torch_zip(NUMPY, **{"constants.pkl": pickle("EMPTY_TUPLE")})},
            at=(At("pytorch_model.bin"),),
        ),
    )
    good = (
        Example(
            "weights that no config says transformers would load: as PKL003 has it",
            {"pytorch_model.bin": torch_zip(NUMPY)},
            near_miss=True,
        ),
        Example("a state dict", {"config.json": CONFIG, "pytorch_model.bin": TorchZip({"a": ("F16", [2, 3])})}),
        Example(
            "the same before torch 1.6",
            {"config.json": CONFIG, "pytorch_model.bin": TorchLegacy({"a": ("F16", [2, 3])})},
            near_miss=True,
        ),
        Example("beside the model, where PKL003 speaks of it", {"rng_state.pth": torch_zip(NUMPY)}, near_miss=True),
        Example(
            "a pickle that torch has nothing to do with",
            {"words.pkl": pickle("EMPTY_DICT", "MEMOIZE", protocol=4)},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, file in facts.pickled():
            loaded = is_loaded(facts, path)
            pickles = [found for found in judged_in(path, file) if _is_read(found)]
            if loaded and file.consumer is Consumer.TORCHSCRIPT:
                message = "from_pretrained refuses this file: it is a program of TorchScript and no file of torch.save"
                yield self.finding(At(path), message)
            if not pickles or _is_told(file, pickles, loaded=loaded):
                continue
            for found in pickles:
                refused = refusal(found.pickle)
                if refused is not None:
                    who = "from_pretrained" if loaded else "torch.load(weights_only=True)"
                    message = f"{who} refuses this file: {refused.reason}, {found.where(refused.offset)}"
                    severity = Severity.ERROR if loaded else Severity.NOTE
                    yield self.finding(found.at(refused.offset), message, severity=severity)
                    break


def _is_read(found: Judged) -> bool:
    """Whether torch hands the pickle to the weights-only unpickler: of an archive it reads one member."""
    consumer, member = found.pickle.consumer, found.pickle.member or ""
    return consumer in TORCH and (consumer is not Consumer.TORCH_ZIP or member.lower().endswith("/data.pkl"))


def _is_told(file: PickledFacts, pickles: list[Judged], *, loaded: bool) -> bool:
    """Whether another rule says it: of what is imported, and of a whole module."""
    if file.state is not None and file.state.module is not None:
        return True
    tiers = {imported.tier for found in pickles for imported in found.imports}
    return bool(tiers & {Tier.UNKNOWN, Tier.DANGEROUS}) or (not loaded and Tier.LIBRARY in tiers)
