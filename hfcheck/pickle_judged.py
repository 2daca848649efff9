"""The pickles of a unit with what is known of everything that they import: what the rules on pickles go through."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, quote
from hfcheck.formats.pickle_facts import CallUse, Consumer, Event, EventKind, GlobalUse, PickleFacts
from hfcheck.formats.pickle_values import Call, Global, Value
from hfcheck.formats.pickled import Oddity, OddityKind, PickledFacts
from hfcheck.pickle_tiers import CALLED_ARGUMENT, Judgement, Tier, judge, judge_torchscript
from hfcheck.pickle_wording import dotted

FULL = 1000
"""Uses of one sort that the facts of a pickle keep: where there are so many, there may be more."""

ENUMS = frozenset({
    ("accelerate.utils.dataclasses", "DistributedType"),
    ("transformers.debug_utils", "DebugOption"),
    ("transformers.trainer_utils", "EvaluationStrategy"),
    ("transformers.trainer_utils", "FSDPOption"),
    ("transformers.trainer_utils", "HubStrategy"),
    ("transformers.trainer_utils", "IntervalStrategy"),
    ("transformers.trainer_utils", "SaveStrategy"),
    ("transformers.trainer_utils", "SchedulerType"),
    ("transformers.training_args", "OptimizerNames"),
})  # fmt: skip
"""Classes whose members some releases of CPython 3.11 pickle as `getattr(class, name)`."""

_READERS = {Consumer.TORCH_LEGACY: "torch.load", Consumer.TORCH_TAR: "torch.load"}
"""Where the value of the consumer says more than a message has to."""

_GETATTR = ("builtins", "getattr")
_NEWOBJ = 0x81

Key = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Imported:
    """Something that a pickle imports, and what is known of it. `call` is the first call of it, if it is called.

    `overstepped`: it is a class of a library of which only the making of an empty object is known, and it is called.
    """

    use: GlobalUse
    judgement: Judgement
    call: CallUse | None = None
    overstepped: bool = False

    @property
    def tier(self) -> Tier:
        return Tier.UNKNOWN if self.overstepped else self.judgement.tier

    @property
    def is_named(self) -> bool:
        """Whether the stream says what it imports, and does not compute it."""
        return self.use.module is not None and self.use.name is not None

    @property
    def name(self) -> str:
        """As it is written, printable; with the name of today where Python 3 maps it to another."""
        return dotted(self.use.module, self.use.name) + self.today

    @property
    def today(self) -> str:
        """What a message adds to the name of Python 2; empty where it is still the same."""
        use = self.use
        if use.imported is None or use.imported == (use.module, use.name):
            return ""
        return f" (now {dotted(*use.imported)})"

    @property
    def package(self) -> str:
        """The first part of the module."""
        module = self.use.imported[0] if self.use.imported is not None else self.use.module
        return (module or "").partition(".")[0]


@dataclass(frozen=True, eq=False)
class Judged:
    """One pickle of a file."""

    path: str
    file: PickledFacts
    pickle: PickleFacts

    @cached_property
    def imports(self) -> tuple[Imported, ...]:
        """What it imports, in the order of the stream."""
        return _imports(self.pickle)

    @property
    def reader(self) -> str:
        """Who reads the pickle, as a message calls it."""
        return _READERS.get(self.pickle.consumer, self.pickle.consumer.value)

    @property
    def is_full(self) -> bool:
        """Whether there may be more in the pickle than its facts keep."""
        return any(len(uses) >= FULL for uses in (self.pickle.globals, self.pickle.calls, self.pickle.methods))

    def at(self, offset: int) -> At:
        return At(self.path, member=self.pickle.member, offset=self.pickle.place(offset))

    def where(self, offset: int) -> str:
        """The place as a message says it: `at byte 12 of "archive/data.pkl"`."""
        if self.pickle.member is not None:
            return f"at byte {offset} of {quote(self.pickle.member, 80)}"
        return f"at byte {offset}" if self.pickle.origin is not None else f"at byte {offset} of what is unpacked"

    def of(self, *tiers: Tier) -> tuple[Imported, ...]:
        """What is imported from these tiers by the loader that the file is made for."""
        return tuple(i for i in self.imports if i.tier in tiers and not i.use.doubtful)

    def doubtful(self, *tiers: Tier) -> tuple[Imported, ...]:
        """What only `pickle.load` would import, where it takes the arrays in a file of joblib for opcodes."""
        return tuple(i for i in self.imports if i.tier in tiers and i.use.doubtful)


def is_loaded(facts: Facts, path: str) -> bool:
    """Whether `from_pretrained` opens the weight file at this path: a config says for which library it is."""
    claimed = facts.claims_transformers or facts.kind in (Kind.PEFT, Kind.DIFFUSERS)
    return claimed and path in facts.loaded


def judged(facts: Facts) -> Iterator[Judged]:
    """Every pickle of every file of a unit, those inside archives too."""
    for path, file in facts.pickled():
        yield from judged_in(path, file)


def streams(facts: Facts) -> Iterator[list[Judged]]:
    """The same, those together that stand in one member of a file, or in the file itself: they share their place."""
    for path, file in facts.pickled():
        found: dict[str | None, list[Judged]] = {}
        for pickle in judged_in(path, file):
            found.setdefault(pickle.pickle.member, []).append(pickle)
        yield from found.values()


def judged_in(path: str, file: PickledFacts) -> Iterator[Judged]:
    """Every pickle of one file."""
    for pickle in file.pickles:
        yield Judged(path, file, pickle)


def events(facts: Facts, *kinds: EventKind) -> Iterator[tuple[Judged, Event, int]]:
    """Every stream with events of these kinds: the first event, its pickle, and how many there are."""
    for pickles in streams(facts):
        found = [(pickle, event) for pickle in pickles for event in pickle.pickle.events if event.kind in kinds]
        if found:
            yield *min(found, key=lambda place: place[1].offset), sum(event.count for _, event in found)


def oddities(facts: Facts, kind: OddityKind) -> Iterator[tuple[At, list[Oddity]]]:
    """Every member of a file with oddities of this kind: the place of the first, and all of them."""
    for path, file in facts.pickled():
        found: dict[str | None, list[Oddity]] = {}
        for oddity in file.oddities:
            if oddity.kind is kind:
                found.setdefault(oddity.member, []).append(oddity)
        for member, same in found.items():
            yield At(path, member=member, offset=same[0].offset), same


INSTEAD = "pickle.load, where it is taken instead of joblib.load,"
"""The reader of what is doubtful, as a message calls it."""


def others(count: int) -> str:
    """What a message adds where there is more than one such place."""
    return f" (one of {count} such places)" if count > 1 else ""


def _imports(pickle: PickleFacts) -> tuple[Imported, ...]:
    tier_of = judge_torchscript if pickle.consumer is Consumer.TORCHSCRIPT else judge
    calls: dict[Key, list[CallUse]] = {}
    for made in pickle.calls:
        if isinstance(made.call.callee, Global):
            calls.setdefault(made.call.callee.key, []).append(made)
    handed = _called_arguments(pickle)
    found = []
    for use in pickle.globals:
        key = use.module, use.name
        own = calls.get(key, [])
        imported = Imported(use, tier_of(use.module, use.name, use.imported), own[0] if own else None)
        if pickle.consumer is Consumer.TORCHSCRIPT:
            pass  # its unpickler knows no Python, and calls what stands in `code/`
        elif imported.tier is Tier.LIBRARY and not imported.judgement.calls:
            called = key in handed or not all(_makes_empty(made.call) for made in own)
            imported = replace(imported, overstepped=called)
        elif use.imported == _GETATTR and key not in handed and _takes_members_of_enums(own):
            imported = replace(imported, judgement=Judgement(Tier.LIBRARY))
        found.append(imported)
    return tuple(found)


def _makes_empty(call: Call) -> bool:
    return call.opcode == _NEWOBJ and call.args == ()


def _called_arguments(pickle: PickleFacts) -> set[Key]:
    """What is handed to functions that call it."""
    found: set[Key] = set()
    for use in pickle.calls:
        callee, args = use.call.callee, use.call.args
        if not isinstance(callee, Global) or callee.module is None or callee.name is None:
            continue
        index = CALLED_ARGUMENT.get((callee.module, callee.name))
        if index is not None and isinstance(args, tuple) and index < len(args):
            argument: Value = args[index]
            if isinstance(argument, Global):
                found.add(argument.key)
    return found


def _takes_members_of_enums(calls: list[CallUse]) -> bool:
    """Whether `getattr` does what CPython 3.11 has it do for members of enums, and nothing else."""
    return bool(calls) and all(_is_member_of_enum(use.call) for use in calls)


def _is_member_of_enum(call: Call) -> bool:
    args = call.args
    if not isinstance(args, tuple) or len(args) != len(("object", "name")):
        return False
    owner, name = args
    return (
        isinstance(owner, Global)
        and owner.key in ENUMS
        and isinstance(name, str)
        and name.isidentifier()
        and name.isascii()
        and not name.startswith("_")
    )
