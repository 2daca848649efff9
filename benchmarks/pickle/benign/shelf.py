"""Where the scripts put what they make; shared by them all, so it needs nothing but Python."""

import sys
from collections.abc import Callable
from pathlib import Path


class Shelf:
    """Folders `CLASS/SOURCE-NAME/`, one for each file or small repository."""

    def __init__(self, out: Path, source: str) -> None:
        self.out, self.source, self.made, self.failed = out, source, 0, 0

    def put(self, group: str, name: str, file: str, write: Callable[[Path], object]) -> None:
        """`write` gets the path of the file; what this version of the library cannot write is left out, and said."""
        path = self.out / group / f"{self.source}-{name}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(path)
        except Exception as problem:  # noqa: BLE001 - a dtype that one version lacks must not end the script
            print(f"{self.source}: {group}/{name}: {type(problem).__name__}: {problem}"[:200], file=sys.stderr)
            path.unlink(missing_ok=True)
            path.parent.rmdir()
            self.failed += 1
        else:
            self.made += 1

    def bytes(self, group: str, name: str, file: str, data: bytes) -> None:
        self.put(group, name, file, lambda path: path.write_bytes(data))


def shelf() -> Shelf:
    return Shelf(Path(sys.argv[1]), sys.argv[2])
