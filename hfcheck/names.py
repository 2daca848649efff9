"""What a file name can do besides naming a file: lead out, forge output, or be refused by another system.

Windows: https://learn.microsoft.com/windows/win32/fileio/naming-a-file . Text that reorders or hides: Unicode UAX 9.
"""

import re
from unicodedata import category, name, normalize

MAX_BYTES = 255
"""Of one name, on ext4, XFS, APFS and most others."""

_DEVICES = frozenset({
    "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$",
    *(f"{port}{number}" for port in ("COM", "LPT") for number in "123456789\u00b9\u00b2\u00b3"),
})  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:")
_REFUSED = re.compile(r'[<>:"|?*]')

_JOINED = re.compile(
    "(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])|\U0001f3f4[\U000e0020-\U000e007f]+"
    "|(?<=[^\x00-\x7f])[\u061c\u200e\u200f]|[\u061c\u200e\u200f](?=[^\x00-\x7f])"
)
"""Joiners inside a script that needs them or inside an emoji, the tags of a flag, and the marks of direction beside a
letter of such a script, as keyboards for Arabic and Hebrew type them: these hide nothing."""


def hostile(text: str) -> str | None:
    """What a name, or a folder's, could do to who copies or prints it, as a phrase after "it"; None where nothing."""
    parts = text.split("\\")
    if len(parts) > 1 and ".." in parts:
        return "climbs with `..` where a backslash separates folders, as on Windows"
    if len(parts) > 1 and not parts[0]:
        return "is an absolute path where a backslash separates folders, as on Windows"
    if _DRIVE.match(text):
        return "names a drive of Windows"
    for char in "" if text.isascii() and text.isprintable() else _JOINED.sub("", text):
        match category(char):
            case "Cc":
                return f"holds the control character U+{ord(char):04X}, which can forge lines of a terminal or a log"
            case "Cf" | "Zl" | "Zp":
                called = name(char, "a character that is not seen").lower()
                return f"holds U+{ord(char):04X} ({called}), which hides or reorders what is read"
    return None


def not_portable(text: str) -> str | None:
    """Which system refuses or changes a name, or a folder's, as a phrase after "it"; None where none does."""
    if text.split(".", maxsplit=1)[0].rstrip(" ").upper() in _DEVICES:
        return "is the name of a device on Windows, whatever its suffix"
    if text.endswith((".", " ")):
        return "ends in a dot or a space, which Windows drops"
    if "\\" in text:
        return "holds a backslash, which separates folders on Windows"
    if found := _REFUSED.search(text):
        return f"holds `{found.group()}`, which Windows refuses"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "holds bytes that are not UTF-8, which Windows, macOS and the Hub refuse"
    size = len(text.encode())
    return f"has {size} bytes, and most file systems take {MAX_BYTES}" if size > MAX_BYTES else None


def folded(text: str) -> str:
    """What is left of a name on a file system that takes upper and lower case, and both ways to write `é`, as one."""
    return text if text.isascii() and text.islower() else normalize("NFC", normalize("NFC", text).casefold())
