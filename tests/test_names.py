"""Names no disk of a test would hold, and the characters that make a name hostile."""

import pytest

from hfcheck import names


@pytest.mark.parametrize(
    "text",
    [
        "a\\..\\..\\x", "..\\x", "x\\..", "\\\\host\\share", "C:x", "a\nb", "a\x1b[2K", "a\x7fb", "a\x85b",
        "model\u202egpj.bin", "a\u2066b", "a\u200bb", "\ufeffconfig.json", "a\u2028b", "a\u00adb", "a\u200db",
    ],
)  # fmt: skip
def test_hostile(text: str) -> None:
    assert names.hostile(text)


@pytest.mark.parametrize(
    "text",
    [
        "model.safetensors", "..", "a..b", "...", "modèle.bin", "モデル.bin", "a b.txt", "a\\b", "ab:c",
        "\U0001f469\u200d\U0001f4bb.png", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f.png",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt", "❤️.md",
    ],
)  # fmt: skip
def test_not_hostile(text: str) -> None:
    assert names.hostile(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "nul",
        "NUL.txt",
        "aux.tar.gz",
        "com1.py",
        "LPT\u00b9",
        "con .x",
        "a.",
        "a ",
        "a\\b",
        "a:b",
        "a?",
        "\udcff",
        "é" * 128,
    ],
)
def test_not_portable(text: str) -> None:
    assert names.not_portable(text)


@pytest.mark.parametrize("text", ["null.txt", "com.py", "com10.txt", "console", ".gitattributes", " a", "é" * 127])
def test_portable(text: str) -> None:
    assert names.not_portable(text) is None


def test_folded() -> None:
    assert names.folded("README.md") == names.folded("readme.MD")
    assert names.folded("mode\u0301le") == names.folded("MOD\u00c9LE")
    assert names.folded("a1") != names.folded("a2")
