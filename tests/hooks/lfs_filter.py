"""What git-lfs does to a file on its way into the index (`clean`) and out of it (`smudge`), for tests without git-lfs.

Git is told with `git config filter.lfs.clean "python lfs_filter.py clean STORE"`, and so on for `smudge`.
"""

import sys
from hashlib import sha256
from pathlib import Path

VERSION = b"version https://git-lfs.github.com/spec/v1\n"


def clean(content: bytes, store: Path) -> bytes:
    """The pointer to the content, which is put aside. A pointer stays what it is, as with git-lfs."""
    if not content or content.startswith(VERSION):
        return content
    digest = sha256(content).hexdigest()
    (store / digest).write_bytes(content)
    return VERSION + f"oid sha256:{digest}\nsize {len(content)}\n".encode()


def smudge(content: bytes, store: Path) -> bytes:
    """What the pointer stands for, where it was put aside."""
    if not content.startswith(VERSION):
        return content
    digest = content.split(b"sha256:")[1][:64].decode()
    kept = store / digest
    return kept.read_bytes() if kept.exists() else content


if __name__ == "__main__":
    direction, folder = sys.argv[1:]
    convert = {"clean": clean, "smudge": smudge}[direction]
    sys.stdout.buffer.write(convert(sys.stdin.buffer.read(), Path(folder)))
