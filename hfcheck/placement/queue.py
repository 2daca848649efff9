"""What is still to be placed, in order, and the largest layer in it, without a pass over all of it for each step."""

from collections.abc import Iterable
from heapq import heappop, heappush

from hfcheck.placement.model import Module
from hfcheck.placement.prepared import Entry, Prepared


class _Link:
    """An entry between its neighbours; on its own it is its own neighbour."""

    __slots__ = ("after", "before", "module", "name")

    def __init__(self, name: str, module: Module | None) -> None:
        self.name = name
        self.module = module
        self.before = self.after = self


class Queue:
    """Entries in order: a module with its path, or a tensor (None). No two of them hold the same tensor.

    Modules are also kept by the size of their largest layer, so that the largest of all is known at each moment.
    """

    def __init__(self, prepared: Prepared, entries: Iterable[Entry]) -> None:
        self._prepared = prepared
        self._end = _Link("", None)
        self._length = 0
        self._links: dict[str, _Link] = {}
        self._by_size: dict[float, dict[str, None]] = {}
        self._sizes: list[float] = []
        self._insert(self._end, entries)

    def __len__(self) -> int:
        return self._length

    def pop(self) -> Entry:
        """The first entry, taken out."""
        first = self._end.after
        self._unlink(first)
        return first.name, first.module

    def push(self, entries: Iterable[Entry]) -> None:
        """Puts these entries in front of all others, in their order."""
        self._insert(self._end.after, entries)

    def remove(self, name: str) -> None:
        """Takes this module out, where it is in."""
        link = self._links.get(name)
        if link is not None:
            self._unlink(link)

    def replace(self, name: str, entries: Iterable[Entry]) -> None:
        """Puts these entries where that module stood."""
        link = self._links[name]
        self._unlink(link)
        self._insert(link.after, entries)

    def around(self, tensor: str) -> Entry | None:
        """The module of the queue that this tensor is in; an entry that is the tensor itself is none."""
        dot = tensor.find(".")
        while dot >= 0:
            link = self._links.get(tensor[:dot])
            if link is not None:
                return link.name, link.module
            dot = tensor.find(".", dot + 1)
        return None

    def largest(self) -> tuple[float, dict[str, None]]:
        """The size of the largest layer of a module in the queue, and the modules that have a layer of that size."""
        while self._sizes and not self._by_size[-self._sizes[0]]:
            del self._by_size[-heappop(self._sizes)]
        if not self._sizes:
            return 0, {}
        size = -self._sizes[0]
        return size, dict(self._by_size[size])

    def _insert(self, after: _Link, entries: Iterable[Entry]) -> None:
        for name, module in entries:
            link = _Link(name, module)
            link.before, link.after = after.before, after
            link.before.after = after.before = link
            self._length += 1
            if module is not None:
                self._links[name] = link
                self._by_size_of(name)[name] = None

    def _unlink(self, link: _Link) -> None:
        link.before.after, link.after.before = link.after, link.before
        self._length -= 1
        if link.module is not None:
            del self._links[link.name]
            del self._by_size_of(link.name)[link.name]

    def _by_size_of(self, name: str) -> dict[str, None]:
        size = self._prepared.layers[name].size
        bucket = self._by_size.get(size)
        if bucket is None:
            bucket = self._by_size[size] = {}
            heappush(self._sizes, -size)
        return bucket
