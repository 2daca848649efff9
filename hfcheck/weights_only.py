"""Why `torch.load(weights_only=True)`, which is what `from_pretrained` calls, refuses a pickle: torch 2.13.

https://github.com/pytorch/pytorch/blob/v2.13.0/torch/_weights_only_unpickler.py . It imports from a list of names and
knows the opcodes that torch itself writes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hfcheck.formats.pickle_facts import Consumer, GlobalUse, MethodUse, PickleFacts
from hfcheck.formats.pickle_values import Call, Global, Opaque, Value
from hfcheck.pickle_assembler import opcode_name
from hfcheck.pickle_tiers import allowed_weights_only
from hfcheck.pickle_wording import dotted, listed, rendered

TORCH = frozenset({Consumer.TORCH_ZIP, Consumer.TORCH_LEGACY, Consumer.TORCH_TAR})
"""What `torch.load` reads with the unpickler that it is told to take. TorchScript has one of its own, in C++."""

_SETTABLE = frozenset({("collections", "OrderedDict"), ("collections", "Counter")})

_BUILD, _SETITEM, _SETITEMS = b"bsu"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first reason that the unpickler would give: a phrase that goes on after "refuses it: "."""

    offset: int
    reason: str


def refusal(pickle: PickleFacts) -> Refusal | None:
    """Why the unpickler would stop in a pickle that others read to its end; None where it would not."""
    return next(_refusals(pickle), None)


def refused_globals(pickle: PickleFacts) -> tuple[GlobalUse, ...]:
    """What a pickle imports that is not on torch's list."""
    return tuple(use for use in pickle.globals if not allowed_weights_only(use.module, use.name))


def _refusals(pickle: PickleFacts) -> Iterator[Refusal]:
    if pickle.consumer is Consumer.TORCH_TAR:
        yield Refusal(pickle.offset, "it does not read the tar archives of torch before 0.1.10 at all")
    refused = refused_globals(pickle)
    if refused:
        names = listed(dotted(use.module, use.name) for use in refused)
        yield Refusal(refused[0].offset, f"it does not import {names}")
    if pickle.refused_opcode is not None:
        yield Refusal(pickle.offset, f"it does not know the opcode {opcode_name(pickle.refused_opcode)}")
    for use in pickle.calls:
        if type(use.call.callee) not in (Global, Opaque):
            yield Refusal(use.call.offset, f"it does not call what is no import: {rendered(use.call)}")
    for method in pickle.methods:
        if not _is_allowed(method):
            yield Refusal(method.offset, f"it does not change what is made by {_maker(method.target)}")


def _is_allowed(method: MethodUse) -> bool:
    target = method.target
    if isinstance(target, Opaque):
        return True  # it may be a list
    if not isinstance(target, Call) or not isinstance(target.callee, Global):
        return False
    if method.opcode in (_SETITEM, _SETITEMS):
        return target.callee.key in _SETTABLE
    # What is not on the list was refused when it was imported.
    return method.opcode == _BUILD


def _maker(target: Value) -> str:
    return rendered(target.callee if isinstance(target, Call) else target)
