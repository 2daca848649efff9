"""What transformers says to tiny repositories with a changed config, and what hfcheck says: an error where it raises.

Nothing is ever trusted: no repository here has code, and `trust_remote_code` is never given.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck import engine, registry
from hfcheck.config import Settings
from hfcheck.finding import Severity

pytestmark = pytest.mark.loader

Change = Callable[[Path], object]

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer_config.json", "model.safetensors"
DROPPED = object()


def config(name: str = CONFIG, **values: object) -> Change:
    """Set these fields of a JSON file, or take them out."""

    def apply(folder: Path) -> None:
        path = folder / name
        document = json.loads(path.read_text()) if path.exists() else {}
        document |= values
        path.write_text(json.dumps({key: value for key, value in document.items() if value is not DROPPED}))

    return apply


def whole(name: str, value: object) -> Change:
    """Write this JSON value as the whole file."""
    return lambda folder: (folder / name).write_bytes(json.dumps(value).encode())


def moved(name: str, target: str) -> Change:
    def apply(folder: Path) -> None:
        (folder / target).parent.mkdir(exist_ok=True)
        (folder / name).rename(folder / target)

    return apply


def removed(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def pipe(name: str) -> Change:
    def apply(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return apply


def together(*changes: Change) -> Change:
    def apply(folder: Path) -> None:
        for change in changes:
            change(folder)

    return apply


CHANGES: dict[str, tuple[Change, str | None]] = {
    "nothing": (config(), None),
    "config is a list": (whole(CONFIG, []), "CFG001"),
    "config is a string": (whole(CONFIG, "llama"), "CFG001"),
    "config is null": (whole(CONFIG, None), "CFG001"),
    "tokenizer config is a list": (whole(TOKENIZER, []), "CFG001"),
    "tokenizer is a number": (whole("tokenizer.json", 5), "CFG001"),
    "generation config is a list": (whole("generation_config.json", []), "CFG001"),
    "legacy special tokens are a list": (whole("special_tokens_map.json", []), "CFG001"),
    "legacy added tokens nobody opens": (
        together(whole("added_tokens.json", []), config(TOKENIZER, added_tokens_decoder={})),
        None,
    ),
    "vocabulary is a list": (whole("vocab.json", ["a"]), None),
    "no model type": (config(model_type=DROPPED), "CFG002"),
    "model type is null": (config(model_type=None), "CFG002"),
    "model type is a list": (config(model_type=["llama"]), "CFG002"),
    "architectures is a string": (config(architectures="LlamaForCausalLM"), None),
    "architectures is null": (config(architectures=None), None),
    "architectures is empty": (config(architectures=[]), None),
    "architectures has a number": (config(architectures=[1]), None),
    "architectures is unknown": (config(architectures=["Nope"]), None),
    "weights under another name": (
        together(moved(WEIGHTS, "w.safetensors"), config(transformers_weights="w.safetensors")),
        None,
    ),
    "weights in a folder": (
        together(moved(WEIGHTS, "a/w.safetensors"), config(transformers_weights="a/w.safetensors")),
        None,
    ),
    "weights name is null": (config(transformers_weights=None), None),
    "weights name of torch": (config(transformers_weights="pytorch_model.bin"), "CFG004"),
    "weights name in upper case": (config(transformers_weights="MODEL.SAFETENSORS"), "CFG004"),
    "weights name climbs": (config(transformers_weights="../model.safetensors"), "CFG004"),
    "weights name is a number": (config(transformers_weights=5), "CFG004"),
    "weights name is not there": (config(transformers_weights="w.safetensors"), "CFG004"),
    "auto_map is null": (config(auto_map=None), "RMC004"),
    "auto_map names no config class": (config(auto_map={"AutoConfig": None}), "RMC004"),
    "auto_map is empty": (config(auto_map={}), None),
    "auto_map of the tokenizer is null": (config(TOKENIZER, auto_map=None), "RMC004"),
    "auto_map of the tokenizer has one entry": (config(TOKENIZER, auto_map={"AutoTokenizer": ["o/r--t.T"]}), "RMC004"),
    "auto_map of the tokenizer names nothing": (config(TOKENIZER, auto_map=[None, None]), "RMC004"),
    "auto_map of the tokenizer has no entry": (config(TOKENIZER, auto_map={"AutoTokenizer": None}), None),
    "weights under a name of the author's own": (moved(WEIGHTS, "llama.safetensors"), "REP008"),
    "no config": (removed(CONFIG), "REP010"),
    "no weights": (removed(WEIGHTS), None),
    "weights are a pipe": (pipe(WEIGHTS), "REP007"),
}
"""Each change, and the rule that finds an error."""

EXCEPTIONS = {
    "no weights": "a config and a tokenizer without weights are a repository of their own, and the model stops at once",
}
"""Changes of which loader and hfcheck rightly say different things, and why."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("saved")
    shape = transformers.LlamaConfig(
        vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1,
    )  # fmt: skip
    transformers.LlamaForCausalLM(shape).save_pretrained(folder)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    return folder


def refusal(folder: Path) -> str | None:
    """How the loader fails on the model or the tokenizer; None where it does not."""
    transformers = pytest.importorskip("transformers")
    try:
        transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001 - whatever the loader raises is what is compared
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize("name", CHANGES)
def test_agrees_with_the_loader(name: str, saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    change, rule = CHANGES[name]
    change(folder)
    report = engine.check(".", str(folder), registry.load(), Settings())
    errors = {located.finding.id for located in report.findings if located.finding.severity is Severity.ERROR}
    assert errors == ({rule} if rule else set()), "hfcheck names the one cause"
    found = refusal(folder)
    assert ((found is None) == (rule is None)) == (name not in EXCEPTIONS), found


def test_exceptions_are_changes() -> None:
    assert EXCEPTIONS.keys() <= CHANGES.keys()
