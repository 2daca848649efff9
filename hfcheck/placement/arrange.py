"""Modules in the order in which a class has them: names of tensors tell which there are, the atlas how they stand."""

from collections.abc import Iterable, Mapping, Sequence

from hfcheck.loading.classes import below
from hfcheck.loading.expand import NotCertain, TooMany, split
from hfcheck.placement.census import Frame
from hfcheck.placement.model import Module

MAX_MODULES = 1_000_000
"""Modules of a model that may stand in its order: their number may be a stranger's."""


MAX_DEPTH = 32
"""Modules within each other that are told apart; the deepest model of the atlas has 14."""


def planted(names: Iterable[str]) -> Module:
    """The modules around tensors of these names, in the order of the names, without the tensors."""
    root, left = Module(), MAX_MODULES
    for name in names:
        module = root
        for part in name.split(".", MAX_DEPTH)[:MAX_DEPTH][:-1]:
            found = module.children.get(part)
            if found is None:
                if not left:
                    break
                left -= 1
                found = module.children[part] = Module()
            module = found
    return root


def home(root: Module, name: str) -> tuple[Module, str]:
    """The innermost module that is planted around a tensor, and the name of the tensor in it."""
    module, parts = root, name.split(".", MAX_DEPTH)
    for number, part in enumerate(parts[:-1]):
        found = module.children.get(part)
        if found is None:
            return module, ".".join(parts[number:])
        module = found
    return module, parts[-1]


def at(root: Module, path: str) -> Module | None:
    """The module at a path, None where there is none."""
    found: Module | None = root
    for part in path.split(".") if path else ():
        found = found.children.get(part) if found is not None else None
    return found


def arrange(root: Module, whole: Sequence[Frame]) -> None:
    """Put the children of every module that may be divided into order, and add those that have no tensors.

    What is below a module that is not split stays as it is. Raises NotCertain and TooMany.
    """
    left = MAX_MODULES
    for frame in whole:
        place = at(root, frame.part.prefix.removesuffix("."))
        if place is not None:
            left = _arrange(place, frame, left)
        _mark(root, frame)


def _mark(root: Module, frame: Frame) -> None:
    """Say of the modules that are not split what they are."""
    expansion = frame.part.expansion
    for template, kinds in frame.outline.no_split.items():
        for kind in reversed(kinds):  # the first that applies counts
            for _, path in expansion.modules(template, kind.condition):
                module = at(root, path)
                if module is not None:
                    module.kind = kind.class_name


def _arrange(place: Module, frame: Frame, left: int) -> int:
    """The same for one model; `left` is how many modules may still be added, and what is returned then."""
    told = _told(frame)
    stack: list[tuple[Module, str, tuple[int, ...]]] = [(place, "", ())]
    while stack:
        module, template, indices = stack.pop()
        order = frame.outline.order.get(template)
        if order is None:
            continue
        given = module.children
        module.children = {}
        for child in order:
            path = below(template, child)
            numbers = _numbers(frame, path, indices, given, left) if "{}" in child else (None,)
            for number in numbers:
                name = child if number is None else child.replace("{}", str(number))
                if number is not None and (name in order or name in module.children):
                    continue  # the first of a list may stand apart from the rest
                inside: tuple[str, tuple[int, ...]] = (path, indices if number is None else (*indices, number))
                if number is not None and (literal := below(template, name)) in frame.outline.order:
                    inside = (literal, indices)
                found = given.pop(name, None)
                if found is None:
                    if not _is_present(frame, *inside, has_tensors=path in told):
                        continue
                    found, left = Module(), left - 1
                module.children[name] = found
                stack.append((found, *inside))
        module.children |= given
        if left < 0:
            raise TooMany(frame.part.prefix + template, "", MAX_MODULES)
    return left


def _is_present(frame: Frame, path: str, indices: tuple[int, ...], *, has_tensors: bool) -> bool:
    """Whether there is a module of which no tensor is there."""
    condition = frame.outline.present.get(path)
    try:
        return condition is None or frame.part.expansion.holds(condition, path, indices)
    except NotCertain:
        return not has_tensors


def _numbers(
    frame: Frame, path: str, indices: tuple[int, ...], given: Mapping[str, Module], left: int
) -> Sequence[int]:
    """The indices of the children of a stack."""
    head, _ = split(path)
    try:
        count = frame.part.expansion.number(head or "", indices)
    except NotCertain:
        return sorted(int(name) for name in given if name.isdecimal() and name.isascii())
    if count > left:
        raise TooMany(frame.part.prefix + path, frame.part.model.counts.get(head or "", ""), count)
    return range(count)


def _told(frame: Frame) -> frozenset[str]:
    """Templates of the modules that have tensors or mounts inside, so that without these they are not there."""
    model, found = frame.part.model, set[str]()
    names = [*model.tensors, *frame.outline.buffers, *(f"{mount.at}." for mount in model.mounts)]
    for name in names:
        module = name.rpartition(".")[0]
        while module and module not in found:
            found.add(module)
            module = module.rpartition(".")[0]
    return frozenset(found)
