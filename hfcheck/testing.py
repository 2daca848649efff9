"""Runs the examples of a rule, for its own tests and for those of a plugin.

@pytest.mark.parametrize("case", hfcheck.testing.cases(MyRule))
def test_example(case, tmp_path): hfcheck.testing.check(case, tmp_path)
"""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hfcheck.example import (
    Append,
    Archive,
    Content,
    Cut,
    Example,
    Gguf,
    Header,
    Link,
    Pickle,
    Pipe,
    Pointer,
    Replace,
    Sparse,
    TorchLegacy,
    TorchZip,
)
from hfcheck.example_torch import legacy, members
from hfcheck.facts import Facts, units
from hfcheck.finding import Finding
from hfcheck.formats import lfs
from hfcheck.formats.safetensors import BITS
from hfcheck.pickle_assembler import assembled
from hfcheck.placement.target import Target
from hfcheck.repository import scan
from hfcheck.rule import Rule

if TYPE_CHECKING:
    from hfcheck.placement.rehearsed import Rehearsed

Tensors = dict[str, tuple[str, list[int]]]
"""Tensors of a safetensors file, as an example writes them."""

LLAMA_INDEX = "model.safetensors.index.json"
LLAMA_SHARDS = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"

EPOCH = (1980, 1, 1, 0, 0, 0)
GGUF_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class Case:
    """One example of one rule; `str` of it is the name of the test."""

    rule: type[Rule]
    example: Example
    bad: bool

    def __str__(self) -> str:
        return f"{self.rule.name}: {'bad' if self.bad else 'good'}: {self.example.title}"


def cases(rule: type[Rule]) -> list[Case]:
    """The examples of a rule, bad ones first."""
    return [Case(rule, example, bad=True) for example in rule.bad] + [
        Case(rule, example, bad=False) for example in rule.good
    ]


def check(case: Case, folder: Path) -> None:
    """Write the example into an empty folder and compare the places that the rule finds with those that it must."""
    write(case.example, folder)
    found = findings(case.rule, folder, case.example.target, rehearsal=case.example.rehearsal)
    assert [finding.at for finding in found] == list(case.example.at), [finding.message for finding in found]  # noqa: S101 - what a test helper is for
    assert bool(case.example.at) == case.bad, "a bad example has places, a good one has none"  # noqa: S101 - as above


def findings(
    rule: type[Rule], folder: Path, target: Target | None = None, *, rehearsal: "Callable[[], Rehearsed] | bool" = False
) -> list[Finding]:
    """What one rule finds in all units of the repository in a folder; `target` and `rehearsal` are as in an example."""
    parts = [replace(facts, target=target) for facts in units(scan(str(folder)))]
    if rehearsal:
        parts = [replace(facts, rehearsed=_rehearsed(facts, rehearsal)) for facts in parts]
    return [finding for facts in parts for finding in rule().check(facts)]


def _rehearsed(facts: Facts, rehearsal: "Callable[[], Rehearsed] | Literal[True]") -> "Rehearsed":
    from hfcheck.rehearsal.rehearse import rehearse  # noqa: PLC0415 - few rules need it

    return rehearse(facts, digest=True) if rehearsal is True else rehearsal()


def write(example: Example, folder: Path) -> None:
    """The files of an example, below a folder that exists."""
    for name, content in example.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case Link():
                path.symlink_to(content.target)
            case Pipe():
                os.mkfifo(path)
            case Sparse():
                path.write_bytes(content.head)
                os.truncate(path, content.size)
            case _:
                path.write_bytes(to_bytes(name, content))


def llama_layer(number: int) -> Tensors:
    """The tensors of one layer of `llama`."""
    shapes = {
        "input_layernorm": [16],
        "mlp.down_proj": [16, 32],
        "mlp.gate_proj": [32, 16],
        "mlp.up_proj": [32, 16],
        "post_attention_layernorm": [16],
        "self_attn.k_proj": [8, 16],
        "self_attn.o_proj": [16, 16],
        "self_attn.q_proj": [16, 16],
        "self_attn.v_proj": [8, 16],
    }
    return {f"model.layers.{number}.{name}.weight": ("BF16", shape) for name, shape in shapes.items()}


def llama_tensors() -> tuple[Tensors, Tensors]:
    """The tensors of the two shards of `llama`."""
    first: Tensors = {"model.embed_tokens.weight": ("BF16", [64, 16]), **llama_layer(0)}
    last: Tensors = {"model.norm.weight": ("BF16", [16]), "lm_head.weight": ("BF16", [64, 16])}
    return first, {**llama_layer(1), **last}


def llama_without_weights() -> dict[str, Content]:
    """Config, generation config and tokenizer of `llama`."""
    tokens = {chr(ord("!") + number): number for number in range(60)}
    return {
        "config.json": {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "bfloat16", "vocab_size": 64,
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 4, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
            "tie_word_embeddings": False, "transformers_version": "5.23.0",
        },
        "generation_config.json": {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2},
        "tokenizer.json": {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": tokens, "unk_token": "!"},
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, "pad_token": "#",
        },
    }  # fmt: skip


def llama(first: Tensors | None = None, second: Tensors | None = None) -> dict[str, Content]:
    """A whole repository with nothing to find in it, to be damaged: a Llama of two layers in two shards, and its index.

    `first` and `second` replace the tensors of a shard; the index follows.
    """
    one, two = llama_tensors()
    shards = dict(zip(LLAMA_SHARDS, (one if first is None else first, two if second is None else second), strict=True))
    weight_map = {tensor: shard for shard, tensors in shards.items() for tensor in tensors}
    stored = {name: tensor for tensors in shards.values() for name, tensor in tensors.items()}
    size = sum(_size(shape) * BITS[dtype] // 8 for dtype, shape in stored.values())
    metadata = {"total_parameters": sum(_size(shape) for _, shape in stored.values()), "total_size": size}
    index = {"metadata": metadata, "weight_map": weight_map}
    return {**llama_without_weights(), LLAMA_INDEX: index, **shards}


def to_bytes(name: str, content: Content) -> bytes:
    """The bytes that an example means by the content of a file of this name."""
    match content:
        case bytes():
            return content
        case str():
            return content.encode()
        case Append():
            return to_bytes(name, content.content) + to_bytes(name, content.data)
        case Cut() | Replace():
            return _edited(to_bytes(name, content.content), content)
        case Header():
            text = content.text.encode()
            return struct.pack("<Q", len(text)) + text + bytes(content.data)
        case Pointer():
            return lfs.MAGIC + f"\noid sha256:{content.sha256}\nsize {content.size}\n".encode()
        case Archive() | Gguf() | Pickle() | TorchZip():
            return _container(content)
        case dict() if name.endswith(".safetensors"):
            return _safetensors(content)
    return (json.dumps(content, indent=2) + "\n").encode()


def _edited(data: bytes, edit: Cut | Replace) -> bytes:
    return data[: -edit.by] if isinstance(edit, Cut) else data.replace(edit.old, edit.new, 1)


def _safetensors(tensors: dict[str, Any]) -> bytes:
    header: dict[str, Any] = {}
    metadata = tensors.get("__metadata__", {"format": "pt"})
    if metadata is not None:
        header["__metadata__"] = metadata
    end = 0
    for name, value in tensors.items():
        if name != "__metadata__":
            dtype, shape = value
            begin, end = end, end + _size(shape) * BITS[dtype] // 8
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(end)


def _size(shape: Sequence[int]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


def _container(content: Archive | Gguf | Pickle | TorchZip) -> bytes:
    match content:
        case Pickle():
            return assembled(content.lines)
        case Gguf():
            return _gguf(content)
        case TorchLegacy():
            return legacy(content)
        case TorchZip():
            return _archive(Archive(members(content)))
    return _archive(content)


def _gguf(content: Gguf) -> bytes:
    infos, data = b"", b""
    for name, shape in content.tensors.items():
        infos += struct.pack("<Q", len(name.encode())) + name.encode()
        infos += struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += _aligned(bytes(4 * _size(shape)), GGUF_ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(content.tensors), 0) + infos
    return _aligned(head, GGUF_ALIGNMENT) + data if content.tensors else head


def _aligned(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)


def _archive(content: Archive) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, data in content.members.items():
            archive.writestr(zipfile.ZipInfo(member, EPOCH), to_bytes(member, data))
    return buffer.getvalue()
