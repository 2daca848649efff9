"""The files of a folder, as the readers of their formats have them."""

from collections.abc import Callable
from dataclasses import dataclass
from posixpath import join
from typing import Any, TypeVar

from hfcheck.formats.json_ import JsonFacts

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Folder:
    """`names` are its regular files, relative to it; `read` gives the facts of a path, None for what has none.

    `refused` is whether the reader of a path says that no library would read it.
    """

    path: str
    names: frozenset[str]
    read: Callable[[str], object]
    refused: Callable[[str], bool]

    def at(self, name: str) -> str:
        """The path of a file from the root of the repository."""
        return join(self.path, name)

    def of(self, name: str, kind: type[F]) -> F | None:
        """The facts of a file, where it has some of this type."""
        found = self.read(self.at(name)) if name in self.names else None
        return found if isinstance(found, kind) else None

    def json(self, name: str) -> Any:  # noqa: ANN401 - a document may be anything
        """The document in a JSON file; None where there is none."""
        facts = self.of(name, JsonFacts)
        return facts.value if facts is not None else None

    def table(self, name: str) -> dict[str, Any]:
        """The object in a JSON file; an empty one where there is none."""
        found = self.json(name)
        return found if type(found) is dict else {}
