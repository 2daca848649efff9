"""Whether a string that a loader joins to a folder stays inside it, under the rules of POSIX and of Windows."""

import re

_DRIVE = re.compile(r"[A-Za-z]:")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://")


def escape(path: str) -> str | None:
    """Why `path` may lead out of the folder it is joined to, as a phrase after "it"; None where it cannot.

    A subfolder (`part/model.safetensors`) is legal, and so are dots that do not climb (`a..b`, `./a`).
    """
    if "\0" in path:
        return "holds a NUL character"
    if _SCHEME.match(path):
        return "is an address"
    if path.startswith(("/", "\\")):
        return "is an absolute path"
    if _DRIVE.match(path):
        return "names a drive of Windows"
    if path.startswith("~"):
        return "begins with a home folder"
    parts = path.replace("\\", "/").split("/")
    if ".." in parts:
        return "climbs with `..`"
    if "\\" in path:
        return "holds a backslash, a separator on Windows and part of the name elsewhere"
    return None
