"""A pickle imports something that runs commands, loads code or reaches files and networks.

## What it finds
Names that are known to do harm in a pickle: commands, evaluated text, loaders of a second pickle, imports, access to
attributes, files, networks, processes, the state of the interpreter. One finding for each name, called or not: `map`
and `functools.partial` call what they are given later.

## Why it matters
`pickle.load`, `joblib.load` and `torch.load(weights_only=False)` call it while the file is being read, with the rights
of whoever reads it, and the object that comes out may be a working model. The weights-only unpickler of torch 2.13
refuses such a file. Models that run something when they are loaded are published:
https://github.com/protectai/modelscan/issues/338 , and so are ways to call it that scanners have missed:
https://github.com/advisories/GHSA-vqmv-47xg-9wpr , https://github.com/advisories/GHSA-655q-fx9r-782v ,
https://github.com/advisories/GHSA-9726-w42j-3qjr .

## How to put it right
Do not load the file. If it is yours, save the weights alone, as safetensors or as a state dict; if it is not, report
it to whoever hosts it.
"""

from collections.abc import Iterator

from hfcheck.example import Example
from hfcheck.example_pickles import MARKER, call, imports, pickle, torch_legacy, torch_zip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.pickle_judged import INSTEAD, Imported, Judged, streams
from hfcheck.pickle_tiers import Tier
from hfcheck.pickle_wording import rendered
from hfcheck.rule import Rule

SHOWN = 20
"""Names of one pickle that have a finding of their own."""

MEMBER = (
    "GLOBAL builtins getattr", "GLOBAL transformers.trainer_utils SchedulerType", "BINUNICODE LINEAR", "TUPLE2",
    "REDUCE",
)  # fmt: skip


class DangerousGlobal(Rule):
    id = "PKL002"
    name = "dangerous-global"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load the file: it does this to whoever reads it with an unpickler that is not restricted."
    bad = (
        Example("a command", {"model.pkl": call("os", "system", MARKER)}, at=(At("model.pkl"),)),
        Example(
            "the same in a file of torch.save, and of torch before 1.6",
            {
                "new.pt": torch_zip(call("posix", "system", MARKER)),
                "old.pt": torch_legacy(call("nt", "system", MARKER)),
            },
            at=(At("new.pt", member="archive/data.pkl"), At("old.pt")),
        ),
        Example(
            "text that is evaluated, by the name that Python 2 had for it",
            {"a.bin": call("__builtin__", "eval", "'hfcheck-marker'")},
            at=(At("a.bin"),),
        ),
        Example("imported and not called", {"a.pkl": imports("subprocess Popen")}, at=(At("a.pkl"),)),
        Example(
            "an attribute of something that is no enumeration",
            {
                "a.pkl": pickle(
                    "GLOBAL builtins getattr", "GLOBAL collections OrderedDict", "BINUNICODE keys", "TUPLE2", "REDUCE"
                )
            },
            at=(At("a.pkl"),),
        ),
    )
    good = (
        Example("data", {"a.pkl": imports("collections OrderedDict")}),
        Example("the words in a string", {"a.pkl": pickle(f"BINUNICODE os.system('{MARKER}')")}, near_miss=True),
        Example("a member of an enumeration, as Python 3.11 pickles it", {"a.pkl": pickle(*MEMBER)}, near_miss=True),
        Example("a name that nobody knows is PKL001", {"a.pkl": call("my_package", "greet", "hi")}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for pickles in streams(facts):
            named: dict[str, tuple[Judged, Imported]] = {}
            for found in pickles:
                for imported in (*found.of(Tier.DANGEROUS), *found.doubtful(Tier.DANGEROUS)):
                    named.setdefault(imported.name, (found, imported))
            uses = list(named.values())
            for found, imported in uses[:SHOWN]:
                offset = (imported.call.call if imported.call is not None else imported.use).offset
                yield self.finding(found.at(offset), f"{_message(found, imported)}, {found.where(offset)}")
            if len(uses) > SHOWN:
                found, offset = uses[SHOWN][0], uses[SHOWN][1].use.offset
                message = f"{found.reader} imports {len(uses) - SHOWN} further names that are known to do harm"
                yield self.finding(found.at(offset), f"{message}, {found.where(offset)}")


def _message(found: Judged, imported: Imported) -> str:
    does = imported.judgement.does
    reader = INSTEAD if imported.use.doubtful else found.reader
    if imported.call is None:
        return f"{reader} imports {imported.name}, which {does}"
    times = f" (the first of {imported.call.count} such calls)" if imported.call.count > 1 else ""
    return f"{reader} calls {rendered(imported.call.call)}{imported.today}, which {does}{times}"
