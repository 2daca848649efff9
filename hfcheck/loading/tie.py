"""Tied parameters: one tensor under several names, of which a checkpoint needs only one.

`get_expanded_tied_weights_keys`, `post_init` and `tie_weights` of
https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/modeling_utils.py
"""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle

from hfcheck.loading.spec import Submodel, TiedKeys

_EXPANDED = re.compile(r"^[A-Za-z0-9_\.]+(weight)|(bias)$")
"""Upstream's test of a key that is no pattern and no module, with the brackets where it has them."""


class Untieable(ValueError):
    """The model ties parameters that it does not have: its constructor raises."""


def pairs(tied: Sequence[TiedKeys], submodels: Sequence[Submodel], state: Collection[str]) -> dict[str, str]:
    """Target to source, by full name and in the order in which the loader ties them.

    A sub-model hands its pairs to its parent module, which keeps them only if it is a `PreTrainedModel` itself.
    Raises `Untieable`.
    """
    known = {submodel.at for submodel in submodels}
    found: dict[str, str] = {}
    for each in tied:
        if all(ancestor in known for ancestor in _ancestors(each.at)):
            prefix = f"{each.at}." if each.at else ""
            found |= {
                prefix + target: prefix + source for target, source in _expanded(each.keys, prefix, state).items()
            }
    return found


def still_missing(missing: Collection[str], tied: Mapping[str, str]) -> set[str]:
    """The missing parameters that no tie fills: one side of a pair is enough, or another pair with the same source."""
    left = set(missing)
    order = list(tied.items())
    for index, (target, source) in enumerate(order):
        if source not in left:
            left.discard(target)
        elif target not in left:
            left.discard(source)
        elif any(other_source == source and other not in left for other, other_source in order[index + 1 :]):
            left.discard(target)
    return left


def _ancestors(at: str) -> list[str]:
    parts = at.split(".") if at else []
    return [".".join(parts[:count]) for count in range(len(parts))]


def _expanded(keys: Mapping[str, str], prefix: str, state: Collection[str]) -> Mapping[str, str]:
    """Patterns and modules become the parameters that they match, targets and sources paired in order of names."""
    if all(_EXPANDED.match(name) for pair in keys.items() for name in pair):
        return keys
    names = sorted(name[len(prefix) :] for name in state if name.startswith(prefix))
    found: dict[str, str] = {}
    for target, source in keys.items():
        sources = [name for name in names if re.search("^" + source, name)]
        targets = [name for name in names if re.search("^" + target, name)]
        if not sources or not targets or len(targets) % len(sources):
            raise Untieable(f"{len(targets)} parameters are to be tied to {len(sources)}: {target} to {source}")
        for name, other in zip(targets, cycle(sources), strict=False):
            found[name] = found.get(other, other)
    return found
