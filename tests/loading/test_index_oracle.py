"""hfcheck against transformers: an index is at fault if, and only if, the model does not come back as it was saved.

A tiny sharded Llama is changed in one place at a time. The loader either raises, or reports missing tensors, or gives
other values, or gives the model back; hfcheck has an error in the first three cases and none in the last.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Pointer
from hfcheck.finding import Severity

pytestmark = pytest.mark.loader

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
HEAD, NORM, EMBEDDING = "lm_head.weight", "model.norm.weight", "model.embed_tokens.weight"

Change = Callable[[Path], object]
State = dict[str, Any]


def edit(change: Callable[[Any], object]) -> Change:
    """Change the index in place."""

    def apply(folder: Path) -> None:
        document = json.loads((folder / INDEX).read_text())
        change(document)
        (folder / INDEX).write_text(json.dumps(document))

    return apply


def remap(change: Callable[[str, str], str | None]) -> Change:
    """Give each tensor the entry that `change` makes of its name and its old entry; None takes it out."""

    def apply(document: Any) -> None:  # noqa: ANN401 - a JSON document
        entries = {tensor: change(tensor, shard) for tensor, shard in document["weight_map"].items()}
        document["weight_map"] = {tensor: shard for tensor, shard in entries.items() if shard is not None}

    return edit(apply)


def entry(tensor: str, value: object) -> Change:
    return edit(lambda document: document["weight_map"].update({tensor: value}))


def resave(shard: str, change: Callable[[State, State], State]) -> Change:
    """Save a shard with what `change` makes of its tensors and those of the other."""

    def apply(folder: Path) -> None:
        torch = pytest.importorskip("safetensors.torch")
        own, other = (torch.load_file(folder / name) for name in (shard, TWO if shard == ONE else ONE))
        torch.save_file(change(own, other), folder / shard, metadata={"format": "pt"})

    return apply


def together(change: Callable[[Any], Any], *remove: str) -> Change:
    """Save all tensors as one file beside the shards, then remove some files."""

    def apply(folder: Path) -> None:
        torch = pytest.importorskip("safetensors.torch")
        tensors = torch.load_file(folder / ONE) | torch.load_file(folder / TWO)
        changed = {name: change(tensor) for name, tensor in tensors.items()}
        torch.save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
        for name in remove:
            (folder / name).unlink()

    return apply


def moved(where: str) -> Change:
    """Put the second shard somewhere else and map it there; `{}` stands for the folder above."""

    def apply(folder: Path) -> None:
        target = where.format(folder.parent)
        (folder / target).parent.mkdir(exist_ok=True)
        shutil.move(folder / TWO, folder / target)
        remap(lambda _, shard: target if shard == TWO else shard)(folder)

    return apply


def renamed(old: str, new: str) -> Change:
    """Write the shards' names another way, on disk and in the index."""

    def apply(folder: Path) -> None:
        for shard in (ONE, TWO):
            (folder / shard).rename(folder / shard.replace(old, new))
        remap(lambda _, shard: shard.replace(old, new))(folder)

    return apply


def pointer_for(shard: str) -> Change:
    return lambda folder: (folder / shard).write_bytes(testing.to_bytes(shard, Pointer(4096)))


def cut(shard: str) -> Change:
    return lambda folder: (folder / shard).write_bytes((folder / shard).read_bytes()[:-2])


CHANGES: dict[str, Change] = {
    "nothing": lambda _: None,
    "first shard lost": lambda folder: (folder / ONE).unlink(),
    "second shard lost": lambda folder: (folder / TWO).unlink(),
    "shard cut short": cut(TWO),
    "shard is a pointer": pointer_for(TWO),
    "shard unlisted": remap(lambda _, shard: shard if shard == ONE else None),
    "all mapped to the first shard": remap(lambda *_: ONE),
    "ghost tensor": entry("mtp.fc.weight", TWO),
    "tensor lost": resave(TWO, lambda own, _: {name: own[name] for name in own if name != NORM}),
    "head lost": resave(TWO, lambda own, _: {name: own[name] for name in own if name != HEAD}),
    "tensor misplaced": entry(HEAD, ONE),
    "tensor unmapped": edit(lambda document: document["weight_map"].pop(HEAD)),
    "copy in the later shard": resave(TWO, lambda own, other: own | {EMBEDDING: other[EMBEDDING] + 1}),
    "copy in the earlier shard": resave(ONE, lambda own, other: own | {HEAD: other[HEAD] + 1}),
    "no metadata": edit(lambda document: document.pop("metadata")),
    "metadata null": edit(lambda document: document.update(metadata=None)),
    "metadata an array": edit(lambda document: document.update(metadata=[])),
    "metadata empty": edit(lambda document: document.update(metadata={})),
    "no weight_map": edit(lambda document: document.pop("weight_map")),
    "weight_map empty": edit(lambda document: document.update(weight_map={})),
    "weight_map an array": edit(lambda document: document.update(weight_map=[ONE, TWO])),
    "entry null": entry(HEAD, None),
    "entry a number": entry(HEAD, 2),
    "entry an array": entry(HEAD, [TWO]),
    "entry empty": entry(HEAD, ""),
    "entry with ./": remap(lambda _, shard: f"./{shard}"),
    "index is an array": lambda folder: (folder / INDEX).write_text("[]"),
    "index is cut off": lambda folder: (folder / INDEX).write_text((folder / INDEX).read_text()[:-3]),
    "index is lost": lambda folder: (folder / INDEX).unlink(),
    "total_size wrong": edit(lambda document: document["metadata"].update(total_size=5)),
    "total_size a float": edit(lambda document: document["metadata"].update(total_size=13472.0)),
    "shard in a subfolder": moved(f"part/{TWO}"),
    "shard beside the folder": moved(f"../elsewhere/{TWO}"),
    "shard by an absolute path": moved(f"{{}}/elsewhere/{TWO}"),
    "other case": entry(HEAD, TWO.replace("model", "Model")),
    "other total": remap(lambda _, shard: shard.replace("-of-00002", "-of-00004")),
    "fewer zeros in the index": entry(HEAD, "model-2-of-2.safetensors"),
    "fewer zeros everywhere": renamed("0000", ""),
    "another stem everywhere": renamed("model-", "consolidated-"),
    "single file beside the shards": together(lambda tensor: tensor),
    "single file beside the index": together(lambda tensor: tensor, ONE, TWO),
    "single file of another dtype": together(lambda tensor: tensor.float()),
    "variant alone": lambda folder: (folder / INDEX).rename(folder / "model.safetensors.index.fp16.json"),
}

EXCEPTIONS = {
    "shard is a pointer": "the loader raises; the content was not fetched, which says nothing about the repository",
    "ghost tensor": "this model needs no such tensor; one that does gets random values, and headers do not say which",
    "copy in the earlier shard": "the later file happens to hold the right one; other loaders take the other",
    "shard beside the folder": "the loader follows the path out of the repository, which is the fault",
    "shard by an absolute path": "as above",
    "single file of another dtype": "transformers takes one of the two models, other engines the other or both",
}
"""Changes of which loader and hfcheck rightly say different things, and why."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=4, bos_token_id=0, eos_token_id=1, pad_token_id=2, dtype="bfloat16",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("saved")
    transformers.LlamaForCausalLM(config).bfloat16().save_pretrained(folder, max_shard_size="10KB")
    assert (folder / TWO).exists()
    return folder


def load(folder: Path) -> State | str:
    """The tensors of the model that the loader makes of a folder, or how it failed."""
    transformers = pytest.importorskip("transformers")
    try:
        model, report = transformers.LlamaForCausalLM.from_pretrained(folder, output_loading_info=True)
    except Exception as error:  # noqa: BLE001 - whatever the loader raises is what is compared
        return f"raises {type(error).__name__}: {error}"
    missing = sorted(report["missing_keys"])
    return f"random: {missing}" if missing else dict(model.state_dict())


@pytest.fixture(scope="module")
def reference(saved: Path) -> State:
    state = load(saved)
    assert isinstance(state, dict)
    return state


@pytest.mark.parametrize("name", CHANGES)
def test_agrees_with_the_loader(name: str, saved: Path, reference: State, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    CHANGES[name](folder)
    state = load(folder)
    same = isinstance(state, dict) and all(tensor.equal(state[key]) for key, tensor in reference.items())
    report = engine.check(".", str(folder), registry.load(), Settings())
    errors = [located.finding for located in report.findings if located.finding.severity is Severity.ERROR]
    agree = bool(errors) != same
    assert agree == (name not in EXCEPTIONS), (state if isinstance(state, str) else f"same: {same}", errors)


def test_exceptions_are_changes() -> None:
    assert EXCEPTIONS.keys() <= CHANGES.keys()
