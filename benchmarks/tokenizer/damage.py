"""The files of one repository in memory, to be damaged: JSON as values, everything else as bytes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.tokenizer.clean import Clean

FULL, SETTINGS, CONFIG, GENERATION = (
    "tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json")  # fmt: skip
TEMPLATE = "chat_template.jinja"


@dataclass(slots=True)
class Files:
    """What lies in the folder. `raw` replaces a file's bytes whatever `json` says of it."""

    clean: Clean
    json: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, clean: Clean) -> "Files":
        files = cls(clean)
        for path in sorted(clean.folder.iterdir()):
            if path.suffix == ".json":
                files.json[path.name] = json.loads(path.read_text(encoding="utf-8"))
            else:
                files.raw[path.name] = path.read_bytes()
        return files

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name, value in self.json.items():
            if name not in self.raw:
                text = json.dumps(value, ensure_ascii=False, indent=2)
                folder.joinpath(name).write_text(text, encoding="utf-8")
        for name, data in self.raw.items():
            folder.joinpath(name).write_bytes(data)

    def remove(self, *names: str) -> bool:
        """Whether one of them was there."""
        present = [name for name in names if name in self.json or name in self.raw]
        for name in present:
            self.json.pop(name, None)
            self.raw.pop(name, None)
        return bool(present)

    @property
    def full(self) -> dict[str, Any] | None:
        return self.json.get(FULL)

    @property
    def settings(self) -> dict[str, Any]:
        return self.json[SETTINGS]  # type: ignore[no-any-return]

    @property
    def config(self) -> dict[str, Any]:
        return self.json[CONFIG]  # type: ignore[no-any-return]

    @property
    def generation(self) -> dict[str, Any] | None:
        return self.json.get(GENERATION)

    @property
    def tokens(self) -> dict[str, int]:
        """Every token of tokenizer.json with its id."""
        full = self.full or {"model": {"vocab": {}}, "added_tokens": []}
        base = full["model"]["vocab"]
        ids = dict(base) if isinstance(base, dict) else {entry[0]: index for index, entry in enumerate(base)}
        return ids | {entry["content"]: entry["id"] for entry in full["added_tokens"]}

    @property
    def size(self) -> int:
        return max(self.tokens.values(), default=-1) + 1

    def add(self, tokens: list[dict[str, Any]]) -> bool:
        """Added tokens in the files that list them."""
        if self.full is None:
            return False
        self.full["added_tokens"] += tokens
        decoder = self.settings.get("added_tokens_decoder")
        if decoder is not None:
            for token in tokens:
                decoder[str(token["id"])] = {key: value for key, value in token.items() if key != "id"}
        return True

    def lines(self, name: str) -> list[str]:
        return self.raw[name].decode().splitlines()

    def set_lines(self, name: str, lines: list[str]) -> None:
        self.raw[name] = "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind: what it does to the files, or None where there is nothing of that to damage; and the rules it is for.

    `silent` is a reason why no rule can tell. `inventory` are kinds that do no harm to this reader, but to another.
    """

    name: str
    apply: Callable[[Files, Random], str | None]
    rules: tuple[str, ...]
    silent: str = ""
    inventory: bool = False


def entry(content: str, index: int, *, special: bool = True) -> dict[str, Any]:
    """An added token of tokenizer.json."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": index, "content": content, **flags, "special": special}


def stated(folder: Path) -> dict[str, set[int]]:
    """The ids that files give to added tokens, as far as they can be read."""
    found: dict[str, set[int]] = {}
    for name in (FULL, SETTINGS, "added_tokens.json"):
        try:
            value = json.loads(folder.joinpath(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if name == FULL:
            pairs = [(one["content"], one["id"]) for one in value.get("added_tokens", [])]
        elif name == SETTINGS:
            pairs = [(one["content"], int(at)) for at, one in value.get("added_tokens_decoder", {}).items()]
        else:
            pairs = list(value.items())
        for token, index in pairs:
            found.setdefault(token, set()).add(index)
    return found
