"""Loads that several processes share: tensor, expert and pipeline parallelism, as transformers 5.23 would do them.

A rank is one process with one device. Its place is `stage * tp + share`, as in the mesh that transformers makes
(`distributed/utils.py:initialize_distributed_mesh`). Nothing is offloaded in such a load: each rank's part has to fit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hfcheck.loading.draft import ConfigRaises, Resolved, Unresolvable
from hfcheck.loading.expand import NotCertain, TooMany
from hfcheck.loading.judge import Load
from hfcheck.loading.spec import Shape
from hfcheck.placement.census import Frame, frames
from hfcheck.placement.cut import CUTTING, Cut, cut
from hfcheck.placement.fault import Fault, as_given
from hfcheck.placement.grouping import (
    MAX_RANKS,
    Known,
    dispatches,
    expert_faults,
    plan_faults,
    stage_faults,
    target_faults,
)
from hfcheck.placement.heads import head_faults
from hfcheck.placement.model import Model
from hfcheck.placement.piece import Piece
from hfcheck.placement.scheme import Given, Scheme, generic, scheme
from hfcheck.placement.shares import alignment_faults, little_fault, uneven_faults
from hfcheck.placement.stages import Stages, count_layers
from hfcheck.placement.target import Target

_KEYS = ("k_proj", "qkv_proj", "query_key_value")
"""Projections that hold the keys: where they are cut, so is the cache (`tensor_parallel.py:get_kv_heads_per_rank`)."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One process: bytes of weights and buffers that it holds, and its layers, begin and end, in a pipeline."""

    rank: int
    stage: int
    weights: int
    buffers: int
    layers: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a plan and what it is for: `axis` is "tp" or "ep", `nbytes` those of all its parameters, whole."""

    pattern: str
    style: str
    axis: str
    parameters: int
    nbytes: int
    is_cut: bool


@dataclass(frozen=True, slots=True, eq=False)
class Parallel:
    """What a parallel load comes to.

    `ranks` are empty where the plan or the model is not known, or no such load can be. `nbytes` are those of all
    weights, `shared` those that are cut into shares. `cuts` tells how each parameter is cut, by its name; what is not
    there is whole on every rank of its stage (`stages`). `cache_shares` is by how much the cache of keys and values is
    divided.
    """

    tp: int
    ep: int
    pp: int
    ranks: tuple[Rank, ...] = ()
    rules: tuple[Rule, ...] = ()
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    nbytes: int = 0
    shared: int = 0
    cache_shares: int = 1
    stages: Stages = field(default_factory=lambda: Stages(1, "", 0))
    faults: tuple[Fault, ...] = ()
    not_checked: tuple[str, ...] = ()


def parallel(load: Load, config: Mapping[str, Any], model: Model | None, target: Target) -> Parallel:
    """The load of a model by the groups of a target; `config` is the whole of config.json."""
    sizes = target.tp, target.ep, target.pp
    faults = list(target_faults(target))
    try:
        whole = frames(load, config) if model is not None and model.exact and load.spec is not None else ()
    except (NotCertain, TooMany, Unresolvable, ConfigRaises):
        whole = ()
    if not whole or model is None or load.spec is None:
        heads = head_faults(Scheme(), (), as_given(config), target.tp) if target.tp > 1 else ()
        return Parallel(*sizes, faults=(*faults, *heads), not_checked=(_UNKNOWN,))
    known = _known(load, model, whole, target)
    faults += _faults(known, model, whole[0].part.config, target)
    weights = [piece for piece in known.pieces if not piece.is_buffer and piece.name not in model.ties]
    is_possible = not any(fault.when == "load" for fault in faults)
    return Parallel(
        *sizes,
        ranks=tuple(_ranks(known, model, target)) if is_possible else (),
        rules=_rules(known.pieces),
        cuts={piece.name: piece.cut for piece in known.pieces if piece.cut is not None},
        nbytes=sum(piece.nbytes for piece in weights),
        shared=sum(piece.nbytes for piece in weights if piece.cut is not None),
        cache_shares=_cache_shares(known.scheme, target.tp),
        stages=known.stages,
        faults=tuple(faults),
        not_checked=tuple(_not_checked(config, target)),
    )


_UNKNOWN = (
    "how the weights are divided between processes: the class, and so its parallel plan, is not known, "
    "and only the heads in the config were looked at"
)


def _known(load: Load, model: Model, whole: Sequence[Frame], target: Target) -> Known:
    """The tensors with their rules. A tensor that another one is tied to is cut as that one is."""
    plans = scheme(whole, load.spec.submodels if load.spec is not None else ())
    shapes = load.spec.state if load.spec is not None else {}
    base = plans.base if any(name.startswith(f"{plans.base}.") for name in shapes) else ""
    stages = Stages(target.pp, base, count_layers(shapes, base), bool(whole[0].part.config.get("tie_word_embeddings")))
    bare = [
        Piece(weight.name, generic(weight.name), shapes.get(weight.name, ()), weight.nbytes, weight.is_buffer)
        for weight in model.weights.values()
    ]
    known = Known(load.architecture or "", plans, bare, stages, model.ties)
    asked = plans.asked(target.tp, target.ep)
    if not dispatches(known, target):
        asked = Scheme(asked.tp, {}, asked.base, asked.owners)
    rules = {form: asked.given(form) for form in {piece.form for piece in bare}}
    rules |= {piece.form: _stands_for(piece.form, asked) for piece in bare if piece.name not in shapes}
    return replace(known, pieces=[_ruled(piece, rules[piece.form], shapes, target) for piece in bare])


def _stands_for(form: str, asked: Scheme) -> Given | None:
    """The rule for what a quantiser stores, `down_proj_blocks` or `weight_scale`: that of what it stands for."""
    return asked.given(form.rpartition("_")[0]) or asked.given(form)


def _ruled(piece: Piece, given: Given | None, shapes: Mapping[str, Shape], target: Target) -> Piece:
    if given is None or piece.is_buffer:
        return piece
    shares = target.ep if given.axis == "ep" else target.tp
    if piece.name in shapes:
        found = cut(given.style, piece.name, piece.shape, shares)
    else:  # packed, or a scale: where it is cut, the share is in proportion
        found = Cut(0, shares, shares) if given.style in CUTTING else None
    return Piece(piece.name, piece.form, piece.shape, piece.nbytes, given=given, cut=found)


def _faults(known: Known, model: Model, config: Resolved, target: Target) -> Iterator[Fault]:
    plans = list(plan_faults(known, target))
    yield from plans
    yield from expert_faults(known, target)
    yield from stage_faults(known, target)
    heads = list(head_faults(known.scheme, known.pieces, config, target.tp)) if target.tp > 1 else []
    yield from heads
    if any(fault.when == "load" for fault in plans) or max(target.tp, target.ep) < 2:  # noqa: PLR2004 - a group is two
        return
    groups = " and ".join(f"{axis}={size}" for axis, size in (("tp", target.tp), ("ep", target.ep)) if size > 1)
    hint = f"Add --ep {target.tp}." if known.scheme.ep and target.ep == 1 else "Load it with a device map instead."
    little = little_fault(known.pieces, model.ties, groups, hint)
    if little is not None:
        yield little
    yield from uneven_faults(known.scheme, known.pieces, frozenset(fault.pointer for fault in heads))
    yield from alignment_faults(known.scheme, known.pieces)


def _rules(pieces: Sequence[Piece]) -> tuple[Rule, ...]:
    found: dict[Given, list[Piece]] = {}
    for piece in pieces:
        if piece.given is not None:
            found.setdefault(piece.given, []).append(piece)
    return tuple(
        Rule(
            pattern,
            style,
            axis,
            len(group),
            sum(piece.nbytes for piece in group),
            any(piece.cut is not None for piece in group),
        )
        for (pattern, style, axis), group in found.items()
    )


def _ranks(known: Known, model: Model, target: Target) -> Iterator[Rank]:
    """Bytes for each rank: those of all tensors that are cut alike are added up first."""
    shares = max(target.tp, target.ep)
    if shares * target.pp > MAX_RANKS:
        return
    weights: dict[tuple[int | None, Cut | None], int] = {}
    buffers: dict[tuple[int | None, Cut | None], int] = {}
    for piece in known.pieces:
        if piece.name in model.ties:
            continue
        held = known.stages.holders(piece.name) if target.pp > 1 else None
        alike = Cut(0, piece.cut.size, piece.cut.shares, piece.cut.halves) if piece.cut is not None else None
        table = buffers if piece.is_buffer else weights
        for stage in held if held is not None else (None,):
            table[stage, alike] = table.get((stage, alike), 0) + piece.nbytes
    for stage in range(target.pp):
        span = known.stages.span(stage) if target.pp > 1 else None
        for share in range(shares):
            number = stage * shares + share
            yield Rank(number, stage, _held(weights, stage, share), _held(buffers, stage, share), span)


def _held(table: Mapping[tuple[int | None, Cut | None], int], stage: int, share: int) -> int:
    return sum(
        nbytes if found is None or not found.size else nbytes * found.width(share) // found.size
        for (at, found), nbytes in table.items()
        if at is None or at == stage
    )


def _cache_shares(plans: Scheme, tp: int) -> int:
    is_cut = any(pattern.rpartition(".")[2] in _KEYS and style == "colwise" for pattern, style in plans.tp.items())
    return tp if is_cut else 1


def _not_checked(config: Mapping[str, Any], target: Target) -> Iterator[str]:
    if isinstance(config.get("quantization_config"), dict) and max(target.tp, target.ep) > 1:
        yield "how scales and packed weights of a quantised checkpoint are divided: their shares are in proportion"
    if max(target.tp, target.ep) * target.pp > MAX_RANKS:
        yield f"what each process holds: there are more than {MAX_RANKS} of them"
    if target.dialect == "accelerate":
        yield "parallel loads by accelerate: it has no plans, and what is said of --tp, --ep and --pp is transformers'"
