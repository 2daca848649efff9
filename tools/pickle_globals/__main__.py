"""Writes `schemas/pickle-globals.json` and `pickle-library.json`: `python -m tools.pickle_globals --wheels FOLDER`.

The wheels of the releases named in `library.py` are read from that folder and downloaded into it where they are
missing, about 1 GB. Nothing of them is imported. `--check` compares without writing and exits with 1 on a difference.
Where a method that unpickling runs was not read yet, nothing is written: its source is shown, and once it was read its
digest goes into `read.json` by hand, or all at once with `--read`. `--left-out` lists the classes that do not enter.
"""

import argparse
import difflib
import json
import sys
from pathlib import Path

from tools.pickle_globals import tables

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMAS = ROOT / "schemas"


def main() -> int:
    options = _options()
    options.wheels.mkdir(parents=True, exist_ok=True)
    try:
        if options.left_out:
            print(*(f"{name}: {why}" for name, why in sorted(tables.library(options.wheels)[1].items())), sep="\n")
            return 0
        texts = {name: tables.render(found) for name, found in tables.documents(options.wheels).items()}
    except tables.UnreadError as unread:
        for digest, (where, method) in unread.methods.items():
            print(f"## {digest} {where}\n{method.source}\n")
        if options.read:
            _note({digest: where for digest, (where, _) in unread.methods.items()})
        print(f"{unread}: see above", file=sys.stderr)
        return 1
    stale = 0
    for name, text in texts.items():
        file = SCHEMAS / name
        if not options.check:
            file.write_text(text, encoding="utf-8")
            continue
        before = file.read_text(encoding="utf-8")
        print(*difflib.unified_diff(before.splitlines(), text.splitlines(), name, "generated", lineterm=""), sep="\n")
        stale += before != text
    return int(stale > 0)


def _note(read: dict[str, str]) -> None:
    known = json.loads(tables.READ.read_text(encoding="utf-8")) if tables.READ.exists() else {}
    known |= read
    text = json.dumps(dict(sorted(known.items(), key=lambda item: (item[1], item[0]))), indent=1)
    tables.READ.write_text(text + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, required=True, metavar="FOLDER", help="where the wheels are, or will be")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the file is stale")
    parser.add_argument("--read", action="store_true", help="note that the methods shown were read")
    parser.add_argument("--left-out", action="store_true", help="list the classes that do not enter, and why")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
