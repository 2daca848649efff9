"""A model of which only the names of its tensors are known: what they tell of modules, their order and their blocks.

Numbered modules that have modules inside are taken for blocks that are not split, the outermost of them; children stand
in the usual order of their names. There are no ties, no buffers, and no modules without tensors.
"""

from collections.abc import Mapping

from hfcheck.formats.tensor import Tensor
from hfcheck.placement.arrange import home, planted
from hfcheck.placement.census import Member
from hfcheck.placement.dtype import is_floating, nbytes
from hfcheck.placement.model import Model, Module, Weight
from hfcheck.placement.target import Dialect

_RANKS: tuple[tuple[str, ...], ...] = (
    ("embed_out", "lm_head", "head", "pooler", "classifier", "score", "proj_out", "output", "cls"),
    (
        "embed",
        "wte",
        "wpe",
        "word",
        "tok",
        "shared",
        "patch",
        "conv",
        "stem",
        "feature",
        "pre_layernorm",
        "pre_layrnorm",
    ),
    ("projector", "projection", "connector", "merger", "adapter", "aligner", "resampler", "qformer"),
    ("vision", "visual", "image", "audio", "speech", "encoder"),
    ("norm", "ln_f"),
    ("model", "transformer", "language", "text", "backbone", "decoder"),
    ("layers", "blocks", "layer", "block"),
)
"""Parts of names, the most telling first."""

_PLACES = (7, 0, 2, 1, 6, 3, 4)
"""Where a module stands that has a name of these rows; one with another name has the place 5."""

_OTHER = 5
_TWINS = frozenset({"logit_scale", "text_projection", "visual_projection"})
"""A model with one of these has two encoders side by side, that of the text first."""


def approximate(architecture: str, tensors: Mapping[str, Tensor], dtype: str, dialect: Dialect, reason: str) -> Model:
    """A model with these tensors, in this type; `reason` says why no more is known of it."""
    root = planted(tensors)
    blocks = _arrange(root)
    weights: dict[str, Weight] = {}
    for name, tensor in tensors.items():
        own = dtype if is_floating(tensor.dtype) else tensor.dtype
        member = Member(tensor.shape, own)
        module, last = home(root, name)
        size = nbytes(member.elements, own)
        module.parameters[last] = member.elements / 8 if own == "BOOL" and dialect == "accelerate" else size
        weights[name] = Weight(name, size, own, (name,))
    return Model(
        architecture=architecture,
        root=root,
        weights=weights,
        ties={},
        no_split=blocks,
        no_placement=frozenset(),
        dtype=dtype,
        exact=False,
        inexact=f"the modules and their order are guessed from the names of the tensors: {reason}",
    )


def _arrange(root: Module) -> frozenset[str]:
    """Put all children into order and mark the blocks; returns the kinds of these."""
    blocks: set[str] = set()
    stack = [(root, "", False)]
    while stack:
        module, path, is_inside = stack.pop()
        names = sorted(module.children, key=_twin if _TWINS & module.children.keys() else _rank)
        module.children = {name: module.children[name] for name in names}
        for name, child in module.children.items():
            is_block = not is_inside and name.isdecimal() and bool(child.children)
            if is_block:
                child.kind = f"{path}*"
                blocks.add(child.kind)
            stack.append((child, f"{path}{name}.", is_inside or is_block))
    return frozenset(blocks)


def _rank(name: str) -> tuple[int, int, str]:
    if name.isdecimal():
        return 0, int(name) if len(name) < _LONG else 0, name
    row = next((row for row, words in enumerate(_RANKS) if any(word in name for word in words)), None)
    return _OTHER if row is None else _PLACES[row], 0, name


_LONG = 10
"""Digits of a number that is no index of anything."""


def _twin(name: str) -> tuple[int, int, str]:
    return (-1, 0, name) if "text" in name and "projection" not in name else _rank(name)
