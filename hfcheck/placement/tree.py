"""A model as the planners see it, from the atlas, a config and the headers of the weights."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from hfcheck.formats.tensor import Tensor
from hfcheck.loading import tie
from hfcheck.loading.choose import Choice
from hfcheck.loading.draft import ConfigRaises, Unresolvable
from hfcheck.loading.expand import NotCertain, TooMany
from hfcheck.loading.judge import Load, of_choice
from hfcheck.loading.spec import Spec
from hfcheck.placement.approximate import approximate
from hfcheck.placement.arrange import arrange, at, home, planted
from hfcheck.placement.census import Frame, Member, census, frames
from hfcheck.placement.dtype import dtype_of, is_floating, nbytes
from hfcheck.placement.model import Model, Module, Weight, walk
from hfcheck.placement.outline import parameter_order
from hfcheck.placement.quantised_tree import Checkpoint, checkpoint_of, quantised
from hfcheck.placement.target import Dialect, Target
from hfcheck.placement.uncertified import fitting


def model_of(  # noqa: PLR0913 - what the caller knows is not worked out again
    load: Load,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    target: Target,
    *,
    first: Mapping[str, Tensor] | None = None,
    index_dtype: object = None,
    checkpoint: Checkpoint | None = None,
) -> Model:
    """The model that a load of these tensors makes, as the planner of the target's dialect counts it.

    `first` are the tensors of the first weight file, by default all of them; `index_dtype` is the `dtype` in the
    metadata of the index, `checkpoint` what is quantised, if the caller has it. Where the atlas does not know the
    class, the names of the tensors have to do: the model is not `exact` then.
    """
    if checkpoint is None:
        checkpoint = checkpoint_of(config, tensors, target.devices)
    types = [tensor.dtype for _, tensor in sorted((tensors if first is None else first).items())]
    try:
        known, spec, choice = _known(load, config, tensors)
        dtype = dtype_of(target.dtype, of_choice(config, choice).get("dtype"), index_dtype, types)
        model = _of_class(known, spec, frames(known, config), target.dialect, dtype)
        if load.spec is None:
            model = replace(model, exact=False, inexact=f"{load.reason}; names and shapes of its tensors agree with it")
        return quantised(model, checkpoint, spec, target.dialect) if checkpoint is not None else model
    except (NotCertain, TooMany, Unresolvable, ConfigRaises, tie.Untieable) as error:
        dtype = dtype_of(target.dtype, config.get("dtype") or config.get("torch_dtype"), index_dtype, types)
        model = approximate(load.architecture or "", tensors, dtype, target.dialect, str(error))
        return quantised(model, checkpoint, None, target.dialect) if checkpoint is not None else model


def _known(load: Load, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[Load, Spec, Choice]:
    """What the atlas says of the class of a load; raises NotCertain where it does not tell."""
    known = load if load.spec is not None else fitting(load, config, tensors)
    if known is None or known.spec is None or known.choice is None:
        raise NotCertain("", "", load.reason or "its class is not known")
    return known, known.spec, known.choice


def _of_class(load: Load, spec: Spec, whole: Sequence[Frame], dialect: Dialect, dtype: str) -> Model:
    members = census(whole)
    root = planted(members)
    arrange(root, whole)
    fill(root, {name: planned(member, dtype, dialect) for name, member in members.items()}, members)
    sort_parameters(root, whole)
    tops = [frame for frame in whole if _hands_up(frame, spec)]
    kept = _kept(tops, dtype)
    return Model(
        architecture=spec.architecture,
        root=root,
        weights={name: _weight(name, member, dtype, kept, load) for name, member in members.items()},
        ties=tie.pairs(spec.tied, spec.submodels, spec.state),
        no_split=frozenset(
            kind.class_name for frame in tops for kinds in frame.outline.no_split.values() for kind in kinds
        ),
        no_placement=whole[0].outline.no_placement,
        dtype=dtype,
        exact=True,
    )


def fill(root: Module, sizes: Mapping[str, float], members: Mapping[str, Member]) -> None:
    """Put the bytes of tensors, by full name, into the modules that they belong to."""
    for name, size in sizes.items():
        module, last = home(root, name)
        (module.buffers if members[name].is_buffer else module.parameters)[last] = size


def sort_parameters(root: Module, whole: Sequence[Frame]) -> None:
    """Put the parameters that a module has itself into the order in which its constructor makes them."""
    for _, module in walk(root):
        if len(module.parameters) > 1:
            module.parameters = {
                name: module.parameters[name] for name in sorted(module.parameters, key=parameter_order)
            }
    for frame in whole:
        for template, names in frame.outline.parameters.items():
            for _, path in frame.part.expansion.modules(template):
                found = at(root, path)
                if found is not None:
                    known = found.parameters
                    found.parameters = {name: known[name] for name in names if name in known} | known


def planned(member: Member, dtype: str, dialect: Dialect) -> float:
    """Bytes of a tensor as a planner counts them, in a model of this type of numbers.

    transformers takes what the constructor makes (`integrations/accelerate.py:compute_module_sizes`), accelerate the
    smaller of that and the type asked for, and a bit for a boolean (`utils/modeling.py:compute_module_sizes`).
    """
    own = member.dtype or dtype
    if dialect == "transformers":
        return nbytes(member.elements, own)
    if own == "BOOL":
        return member.elements / 8
    return (
        min(nbytes(member.elements, own), nbytes(member.elements, dtype))
        if is_floating(own)
        else (nbytes(member.elements, own))
    )


def _weight(name: str, member: Member, dtype: str, kept: re.Pattern[str] | None, load: Load) -> Weight:
    """What becomes of a tensor: it is cast to the type of the model, or stays in that of the constructor."""
    own = member.dtype or dtype
    if kept is not None and member.is_persistent and kept.search(name):
        own = "F32"
    return Weight(
        name=name,
        nbytes=nbytes(member.elements, own),
        dtype=own,
        sources=load.sources.get(name, ()),
        is_buffer=member.is_buffer,
        is_persistent=member.is_persistent,
        is_converted=name in load.converted,
    )


def _hands_up(frame: Frame, spec: Spec) -> bool:
    """Whether a mounted model adds to the lists of the whole: only where all around it are models too (`post_init`)."""
    known = {submodel.at for submodel in spec.submodels}
    return all(around in known for around in _around(frame.part.prefix.removesuffix(".")))


def _around(path: str) -> Iterator[str]:
    parts = path.split(".") if path else []
    return (".".join(parts[:count]) for count in range(len(parts)))


def _kept(tops: Sequence[Frame], dtype: str) -> re.Pattern[str] | None:
    """What stays in single precision: `_get_dtype_plan` of `modeling_utils.py`."""
    names: set[str] = set()
    for frame in tops:
        if dtype == "F16":
            names |= frame.outline.keep_fp32
        if dtype in ("F16", "BF16"):
            names |= frame.outline.keep_fp32_strict
    return _any(tuple(sorted(names))) if names else None


@lru_cache(maxsize=64)
def _any(names: tuple[str, ...]) -> re.Pattern[str]:
    """`build_glob_alternation` of `core_model_loading.py`: patterns in which `*` stands for anything."""
    return re.compile("|".join(f"(?:{name.replace('*', '.*')})" for name in names))
