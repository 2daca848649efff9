"""From the name of a stored tensor to the name in the model.

`WeightTransform` and `rename_source_key` of
https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/core_model_loading.py

Regular expressions run once for each template of names, not for each name: an index, a number between two dots, is a
placeholder in a template unless a pattern of the model asks for its value. The patterns are our own data; the names
are a stranger's, and on a name made for it a pattern with `.*` takes time quadratic in the length. Hence two limits:
the worst list of patterns needs 0.3 ms for a name of 256 characters, 0.9 ms for one of 512.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

from hfcheck.loading.conversions import Scoped, Transform, Unmodelled

LONGEST = 256
"""Characters of a name that may be a tensor of a model; of 395,568 in checkpoints of 585 types, the longest has 131."""

MOST = 20_000
"""Names that are renamed one by one, or templates; a checkpoint of those types has 374 at most."""

_SLOTS = "".join(chr(0x0660 + digit) for digit in range(10))
r"""Arabic digits stand for the indices of a template: `\d` matches them, and no name that has a template holds one."""

INDEX = _SLOTS[0]
"""Stands in a template for each index."""

_EQUAL = str.maketrans(_SLOTS, INDEX * len(_SLOTS))
_ASKED = re.compile(r"(?<=\.)\d+|\[0-9\]")
_REFERENCE = re.compile(r"\\(\d+)")


@dataclass(frozen=True, slots=True)
class Route:
    """What becomes of the names of one template: `form`, filled with parts of the name; without it, the name stays."""

    form: str | None
    parts: Callable[[Sequence[str]], object] | None
    source: str | None

    def target(self, name: str) -> str:
        """The name in the model."""
        if self.form is None:
            return name
        return self.form if self.parts is None else self.form % self.parts(name.split("."))


class Renamer:
    """Renames the names of one checkpoint, once and in natural order: some renames apply only after another has."""

    def __init__(self, scoped: Sequence[Scoped]) -> None:
        compiled = [(each, _compiled(each.transform.sources)) for each in scoped]
        self._renames = [pair for pair in compiled if not pair[0].transform.operations]
        self._converters = [pair for pair in compiled if pair[0].transform.operations]
        self._opened: set[Scoped] = set()
        self._alone = False  # whether a name met a transform for which its template is not all that counts
        self._indices = _indices(tuple(each.transform for each in scoped))
        self.converters = {source: each.transform for each, _ in self._converters for source in each.transform.sources}
        """By source pattern, which is what upstream finds a converter by: the last one counts."""

    def all(self, names: Sequence[str]) -> Iterator[tuple[str, str | None]]:
        """For each name the new one, and the source pattern of the converter that takes the tensor, or None.

        Raises `Unmodelled` where there are too many.
        """
        routes: dict[str | None, Route | None] = {}
        alone = 0
        for name, template in zip(names, self._templates(names), strict=True):
            if template in routes:
                route = routes[template]
            else:
                route = None if template is None else self._route(template)
                routes[template] = route
            if route is None:
                alone += 1
                yield self._one(name)
            else:
                yield route.target(name), route.source
            if alone + len(routes) > MOST:
                raise Unmodelled(f"more than {MOST} names have a form of their own")

    def _one(self, name: str) -> tuple[str, str | None]:
        """All renames in turn, then the first converter that matches."""
        for scoped, pattern in self._renames:
            name, _ = self._apply(scoped, pattern, name)
        for scoped, pattern in self._converters:
            name, source = self._apply(scoped, pattern, name)
            if source is not None:
                return name, source
        return name, None

    def _templates(self, names: Sequence[str]) -> Sequence[str | None]:
        """The template of each name, None where the name has to be renamed by itself."""
        text = "\n".join(names)
        found = self._indices.sub("." + INDEX, text).split("\n") if text.isascii() else ()
        if len(found) == len(names):
            return found
        return [self._indices.sub("." + INDEX, name) if name.isascii() else None for name in names]

    def _route(self, template: str) -> Route | None:
        """What becomes of all names of a template; None where each name has to be renamed by itself."""
        first, *pieces = template.split(INDEX)
        if len(pieces) > len(_SLOTS):
            return None
        probe = first + "".join(slot + piece for slot, piece in zip(_SLOTS, pieces, strict=False))
        self._alone = False
        target, source = self._one(probe)
        if self._alone:
            return None
        if target == probe:
            return Route(None, None, source)
        if len(pieces) > 1 and self._one(probe.translate(_EQUAL))[0] != target.translate(_EQUAL):
            return None  # a match is replaced where its text first occurs, which equal indices can move
        places = {part: place for place, part in enumerate(probe.split("."))}
        found = [places[char] for char in target if char in _SLOTS]
        if not found:
            return Route(target, None, source)
        form = "".join("%s" if char in _SLOTS else char for char in target.replace("%", "%%"))
        return Route(form, itemgetter(*found), source)

    def _apply(self, scoped: Scoped, pattern: re.Pattern[str], name: str) -> tuple[str, str | None]:
        prefix = next((prefix for prefix in scoped.prefixes if name.startswith(prefix)), None)
        if prefix is None:
            return name, None
        rest = name[len(prefix) :]
        match = pattern.search(rest)
        if match is None:
            return name, None
        transform = scoped.transform
        group = next(group for group, value in match.groupdict().items() if value is not None)
        branch = int(group[1:])
        self._alone |= transform.group or transform.offset is not None
        if transform.group and not branch:
            self._opened.add(scoped)
        elif transform.group and scoped not in self._opened:
            return name, None
        replacement = _replacement(transform, branch, match, pattern.groupindex[group])
        return prefix + rest.replace(match.group(), replacement, 1), transform.sources[branch]


def _replacement(transform: Transform, branch: int, match: re.Match[str], group: int) -> str:
    r"""The target with `\1`, the first group inside the branch that matched, filled in."""
    if transform.group:
        return _REFERENCE.sub(lambda found: match[group + int(found[1])], transform.targets[branch])
    target = transform.targets[0]
    if r"\1" not in target:
        return target
    value: str = match[group + 1]
    return target.replace(r"\1", value if transform.offset is None else str(int(value) + transform.offset))


@lru_cache(maxsize=1 << 11)
def _compiled(sources: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all sources, the longest first; one that ends in a letter or digit ends at the end of a word."""
    branches = []
    for index, source in sorted(enumerate(sources), key=lambda each: -len(each[1])):
        pattern = source.replace("*.", r".*\.")
        end = r"(?!\w)" if re.search("[a-zA-Z0-9]$", pattern) else ""
        branches.append(f"(?P<g{index}>{pattern}{end})")
    return re.compile("|".join(branches))


@lru_cache(maxsize=64)
def _indices(transforms: tuple[Transform, ...]) -> re.Pattern[str]:
    r"""What is an index in a name: a number between dots that no pattern asks for.

    The last part of a name is never one: there a pattern like `(\d+).` takes its last digit for the dot. Neither is a
    number with leading zeros, of which a dot of a pattern could be one.
    """
    asked = {number for each in transforms for source in each.sources for number in _ASKED.findall(source)}
    if "[0-9]" in asked:
        asked = asked - {"[0-9]"} | {str(digit) for digit in range(10)}
    but = f"(?!(?:{'|'.join(sorted(asked))})\\.)" if asked else ""
    return re.compile(rf"\.{but}(?:0|[1-9][0-9]*)(?=\.)")
