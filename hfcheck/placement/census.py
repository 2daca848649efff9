"""Every tensor that a model of a known class has in memory, stored or not, with its shape and its type."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from hfcheck.loading import atlas
from hfcheck.loading.atlas import Part
from hfcheck.loading.classes import Tensor, Variant
from hfcheck.loading.expand import NotCertain, split
from hfcheck.loading.judge import Load, of_choice
from hfcheck.loading.spec import Shape
from hfcheck.placement.outline import Buffer, Outline, outline


@dataclass(frozen=True, slots=True)
class Frame:
    """A model, the whole or one that is mounted in it, and what the atlas says of its placement."""

    part: Part
    outline: Outline


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter or buffer. `dtype` is that of the constructor, None for the type that the model is built in.

    `shape` is None where the atlas does not know it: that of a buffer that no file holds.
    """

    shape: Shape | None
    dtype: str | None = None
    is_buffer: bool = False
    is_persistent: bool = True

    @property
    def elements(self) -> int:
        return prod(self.shape) if self.shape is not None else 0


def frames(load: Load, config: Mapping[str, Any]) -> tuple[Frame, ...]:
    """The class that a load is judged by and all that is mounted in it, the outermost first.

    Raises NotCertain and TooMany, and whatever `resolve` raises.
    """
    choice = load.choice
    entry = atlas.entry(choice.model_type) if choice is not None else None
    if choice is None or entry is None:
        raise NotCertain("", "", "the atlas has no data for its class")
    return tuple(
        Frame(part, outline(_entry(part.model_type), part.model.name))
        for part in atlas.parts(entry, choice.class_name, of_choice(config, choice))
    )


def _entry(model_type: str) -> atlas.Entry:
    found = atlas.entry(model_type)
    if found is None:
        raise NotCertain("", "", "the atlas has no data for a type that is mounted")
    return found


def census(whole: Sequence[Frame]) -> dict[str, Member]:
    """All tensors by full name, those of a model before those of what is mounted in it.

    Raises NotCertain and TooMany.
    """
    found: dict[str, Member] = {}
    for frame in whole:
        expansion = frame.part.expansion
        for variant, shapes in expansion.tensors():
            for name, shape in shapes.items():
                found[name] = Member(shape, variant.dtype, variant.is_buffer)
        for template, forms in frame.outline.buffers.items():
            found.update(_buffers(frame, template, forms))
    return found


def _buffers(frame: Frame, template: str, forms: Sequence[Buffer]) -> Iterator[tuple[str, Member]]:
    """The instances of a buffer that is not in the state dict; what is not known of it says nothing of the rest."""
    expansion = frame.part.expansion
    variants = {Variant(form.shape or (), form.condition, is_buffer=True, dtype=form.dtype): form for form in forms}
    tensor = Tensor(template, tuple(variants))
    try:
        found = list(expansion.instances(tensor))
    except NotCertain:  # whether it is there
        return
    for variant, rows in found:
        try:
            shapes: Mapping[str, Shape | None] = expansion.shaped(tensor, variant, rows)
        except NotCertain:
            shapes = {}
        if variants[variant].shape is None or not shapes:
            _, tail = split(template)
            shapes = dict.fromkeys((stem + tail for stem in rows.stems), None)
        for name, shape in shapes.items():
            yield name, Member(shape, variant.dtype, is_buffer=True, is_persistent=False)
