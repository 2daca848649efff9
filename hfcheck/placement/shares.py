"""Shares that are uneven, that are hardly smaller than the whole, or that a kernel for experts does not take."""

from collections.abc import Iterator, Mapping, Sequence

from hfcheck.finding import quote
from hfcheck.loading.draft import Resolved
from hfcheck.placement.cut import ROWWISE
from hfcheck.placement.fault import Fault, spelled
from hfcheck.placement.piece import Piece
from hfcheck.placement.scheme import Scheme
from hfcheck.placement.size import size

LITTLE = 0.5
"""The part of the weights that has to be cut, or a group is no remedy for a model that is too large."""

ALIGNMENT = 16
"""Bytes that the rows of a matrix of experts are a multiple of, for `torch.nn.functional.grouped_mm`."""

EXPERT_DIMS = 3

OWN_EXPERTS = frozenset({"longcat_flash"})
"""Types whose experts transformers multiplies one by one: they are not for `grouped_mm`."""

NAMED = 3


def little_fault(pieces: Sequence[Piece], ties: Mapping[str, str], groups: str, hint: str) -> Fault | None:
    """Where most of the weights are whole on every rank."""
    weights = [piece for piece in pieces if not piece.is_buffer and piece.name not in ties]
    every = sum(piece.nbytes for piece in weights)
    shared = sum(piece.nbytes for piece in weights if piece.cut is not None)
    if not every or shared / every >= LITTLE:
        return None
    patterns = dict.fromkeys(piece.given.pattern for piece in weights if piece.cut is not None and piece.given)
    what = f"only {_names(patterns)}" if patterns else "nothing"
    return Fault(
        "shards-little",
        f"{groups}: the plan divides {what}, {size(shared)} of {size(every)}: every rank holds the other "
        f"{size(every - shared)} whole",
        hint=hint,
        when="never",
    )


def uneven_faults(scheme: Scheme, pieces: Sequence[Piece], skipped: frozenset[str]) -> Iterator[Fault]:
    """Axes whose size the group does not divide, one fault for each; `skipped` are fields that are faults already."""
    found: dict[tuple[int, int, int], list[Piece]] = {}
    for piece in pieces:
        if piece.cut is not None and not piece.cut.is_even:
            found.setdefault((piece.cut.size, piece.cut.shares, piece.cut.halves), []).append(piece)
    for (length, shares, halves), group in found.items():
        first = group[0].cut
        if first is None or any(_is_of_heads(piece.name) for piece in group):
            continue  # heads are not to be cut through: that is another fault, and a worse one
        field, at = _field(scheme, group[0], length // halves)
        if at and at in skipped:
            continue
        widths = list(first.widths())
        patterns = dict.fromkeys(piece.given.pattern for piece in group if piece.given)
        nothing = " and some hold nothing" if not widths[-1] else ""
        yield Fault(
            "uneven",
            f"{field} is not divisible by {shares}: the first ranks hold {widths[0]}, the last {widths[-1]}{nothing} "
            f"({_names(patterns)}); transformers computes with uneven shares, vLLM does so for the vocabulary alone",
            at,
            "Nothing is to be done for transformers: size each device for the first rank.",
            when="never",
        )


def alignment_faults(scheme: Scheme, pieces: Sequence[Piece]) -> Iterator[Fault]:
    """Matrices of experts whose rows, as a rank holds them, `grouped_mm` does not take."""
    said = set()
    for piece in pieces:
        given = piece.given
        if given is None or len(piece.shape) != EXPERT_DIMS or piece.cut is None or not piece.nbytes:
            continue
        if given.style not in ROWWISE:
            continue  # its rows are those of the whole model
        owner = scheme.owner(given.pattern)
        if owner is not None and owner.config.model_type in OWN_EXPERTS:
            continue
        item = piece.nbytes / (piece.shape[0] * piece.shape[1] * piece.shape[2])
        broken = next((width for width in piece.cut.widths() if width * item % ALIGNMENT), None)
        if broken is None or (given.pattern, broken) in said:
            continue
        said.add((given.pattern, broken))
        field, at = _field(scheme, piece, piece.cut.size)
        yield Fault(
            "alignment",
            f"{field} leaves a rank rows of {broken} numbers, {broken * item:.0f} bytes, in {quote(given.pattern)}: "
            f"grouped_mm takes multiples of {ALIGNMENT} bytes alone, and the first forward stops with RuntimeError",
            at,
            'Take another tp, or load with experts_implementation="eager".',
            "forward",
        )


def _field(scheme: Scheme, piece: Piece, length: int) -> tuple[str, str]:
    """The field of the config that gives the size of an axis, with its value, and where it stands."""
    owner = scheme.owner(piece.given.pattern) if piece.given is not None else None
    if owner is not None:
        for name in _ranked(owner.config):
            if owner.config.get(name) == length:
                shown, at = spelled(owner.config, name)
                return f"{shown}={length}", at
    return f"the size {length} of {quote(piece.name)}", ""


def _ranked(config: Resolved) -> list[str]:
    """Fields that give sizes: the one that says so in its name first."""
    names = [name for name in config.names() if name.endswith(("_size", "_dim", "_inner", "d_ff"))]
    return sorted(names, key=lambda name: ("intermediate" not in name, "vocab" not in name, name))


def _is_of_heads(name: str) -> bool:
    return any(part.startswith(("q_", "k_", "v_", "o_", "kv_", "query")) for part in name.split(".")[-3:-1])


def _names(patterns: Mapping[str, None]) -> str:
    shown = ", ".join(quote(pattern) for pattern in list(patterns)[:NAMED])
    more = len(patterns) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown
