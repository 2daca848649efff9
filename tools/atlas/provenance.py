"""Where the facts of an atlas entry come from: files of transformers, their digests and their licence."""

import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import transformers

from tools.atlas import classes

LICENSE = "Apache-2.0"

_ROOT = Path(transformers.__file__).parent


def source(model_type: str) -> dict[str, Any]:
    """The key `source` of an entry: paths in the package `transformers` to `sha256:` and hex digits.

    All modelling and configuration files beside the config class, and those of classes that the type borrows
    (`internlm3` loads as `LlamaForCausalLM`).
    """
    home = _file(classes.config_class(model_type)).parent
    borrowed = {_file(classes.model_class(model_type, name)) for name in classes.classes(model_type)}
    files = {*home.glob("modeling_*.py"), *home.glob("configuration_*.py"), *borrowed}
    digests = {path.relative_to(_ROOT).as_posix(): f"sha256:{_digest(path)}" for path in files}
    return {"license": LICENSE, "files": dict(sorted(digests.items()))}


def notice() -> str:
    """What the Apache licence asks for, as the file NOTICE says it."""
    return (
        "The files in schemas/architectures, schemas/config and schemas/conversions.json, and schemas/auto.json, are\n"
        f"derived from Hugging Face transformers {version('transformers')}, Apache License 2.0,\n"
        "https://github.com/huggingface/transformers . They hold facts about its classes, and no text of it.\n"
    )


def _file(cls: type) -> Path:
    return Path(sys.modules[cls.__module__].__file__ or "")


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
