"""A pickle builds objects of libraries, and only an unrestricted unpickler reads it.

## What it finds
Files whose pickles import classes of Python, NumPy, scikit-learn, torch, transformers and others, of which hfcheck
knows that their construction runs nothing that the file could choose. One finding for each file, which names the
libraries.

## Why it matters
It loads here and not there. `torch.load` of 2.6 and later refuses these names unless it is told otherwise (`Weights
only load failed ... Unsupported global`), `numpy.load` wants `allow_pickle=True`, and the library has to be there in a
version that still has the class: scikit-learn warns of every other one
(https://scikit-learn.org/stable/model_persistence.html). Nothing in the file harms anybody; a reader that accepts it
will also accept the next version of it, which may.

## How to put it right
For weights, save a state dict, or safetensors. For an estimator, skops or ONNX. Otherwise say in the model card which
versions wrote the file, and load it only from a commit that was checked.
"""

from collections.abc import Iterable, Iterator

from hfcheck.example import Example, TorchZip
from hfcheck.example_pickles import imports, pickle, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickled import PickledFacts
from hfcheck.pickle_judged import Imported, Judged, is_loaded, judged_in
from hfcheck.pickle_tiers import Tier
from hfcheck.pickle_wording import dotted_part, listed
from hfcheck.rule import Rule
from hfcheck.weights_only import TORCH, refusal

PARTS = frozenset({"__builtin__", "_codecs", "builtins", "collections", "copy_reg", "copyreg", "joblib", "numpy"})
"""What is in every such file."""

LIBRARIES = 5
NAMES = 3
"""Of one library that are named."""

NUMPY = ("numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype")


class LibraryGlobal(Rule):
    id = "PKL003"
    name = "library-global"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "high"
    hint = "Save plain data, a state dict or safetensors instead, or load it only from a commit that you have checked."
    bad = (
        Example("an array in a pickle", {"scaler.pkl": imports(*NUMPY)}, at=(At("scaler.pkl"),)),
        Example(
            "the arguments of a training: many names, one finding",
            {
                "training_args.bin": torch_zip(
                    imports(
                        "transformers.training_args TrainingArguments",
                        "transformers.trainer_utils IntervalStrategy",
                        "transformers.trainer_utils SchedulerType",
                    )
                )
            },
            at=(At("training_args.bin", member="archive/data.pkl"),),
        ),
    )
    good = (
        Example("a state dict", {"pytorch_model.bin": TorchZip({"a": ("F16", [2, 3])})}),
        Example("nothing is imported", {"words.pkl": pickle("EMPTY_LIST", "BINUNICODE a", "APPEND")}, near_miss=True),
        Example(
            "what torch's own list has",
            {"optimizer.pt": torch_zip(imports("torch device", "torch Size"))},
            near_miss=True,
        ),
        Example("what nobody knows is PKL001", {"a.pkl": imports("my_package Scaler")}, near_miss=True),
        Example(
            "weights that from_pretrained refuses for it: PKL017",
            {
                "config.json": {"model_type": "x", "architectures": ["X"]},
                "pytorch_model.bin": torch_zip(imports(*NUMPY)),
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, file in facts.pickled():
            if _is_told(facts, path, file):
                continue
            pickles = list(judged_in(path, file))
            if any(pickle_.of(Tier.UNKNOWN, Tier.DANGEROUS) for pickle_ in pickles):
                continue  # PKL001 and PKL002 say more of such a file
            found = [(pickle_, imported) for pickle_ in pickles for imported in _of_libraries(pickle_)]
            if file.object_arrays:  # PKL028 says that NumPy has to be told
                found = [(pickle_, imported) for pickle_, imported in found if imported.package != "numpy"]
            if found:
                pickle_, first = found[0]
                what = _libraries(imported for _, imported in found)
                if pickle_.pickle.consumer not in TORCH:
                    message = f"{pickle_.reader} builds objects of libraries from this file: {what}"
                elif any(refusal(pickle_.pickle) for pickle_ in pickles):
                    message = f"torch.load(weights_only=True) refuses this file: it builds objects of {what}"
                else:
                    continue
                yield self.finding(pickle_.at(first.use.offset), message)


def _is_told(facts: Facts, path: str, file: PickledFacts) -> bool:
    """Whether another rule says that it is not read: PKL017 and PKL022 of what is loaded, PKL029 of whole modules."""
    if is_loaded(facts, path):
        return True
    return file.state is not None and file.state.module is not None


def _of_libraries(found: Judged) -> tuple[Imported, ...]:
    imports_ = found.of(Tier.LIBRARY)
    if found.pickle.consumer is not Consumer.TORCHSCRIPT:
        return imports_
    # Classes of the archive's own code, and what torch.jit writes beside them.
    return tuple(i for i in imports_ if not (i.use.module or "").startswith(("__torch__", "torch.")))


def _libraries(imports_: Iterable[Imported]) -> str:
    """`sklearn (SVC), numpy (ndarray, dtype and 2 more)`, each name once, and last what others are built of."""
    packages: dict[str, set[str]] = {}
    for imported in imports_:
        packages.setdefault(dotted_part(imported.package), set()).add(dotted_part(imported.use.name or ""))
    order = sorted(packages, key=lambda package: (package in PARTS, package))
    return listed((f"{package} ({listed(sorted(packages[package]), NAMES)})" for package in order), LIBRARIES)
