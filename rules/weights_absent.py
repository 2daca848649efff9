"""The config declares a model, and none of the weight files beside it has a name that its loader opens.

## What it finds
A `config.json` of transformers with `architectures`, in a folder with weight files such as `projector.bin` or
`weights-v2.pt`, and neither `model.safetensors`, `pytorch_model.bin` nor an index of either. Where a repository has
no weights at all, a note says so: that may be meant, for a config and a tokenizer. Legal are the weights of other
runtimes (GGUF, ONNX, TensorFlow, Flax, OpenVINO, MLX, CTranslate2, ExLlama, HQQ, TorchScript), what FSDP and vLLM save
for each process, parts for a model that lies elsewhere (the projector of LLaVA, the heads of Medusa), variants
(`model.fp16.safetensors`), adapters, and models whose own code loads them.

## Why it matters
transformers 5.23.0 looks for four names: `OSError: Error no file named model.safetensors, or pytorch_model.bin, found
in directory ...`. A repository with nothing but its projector: https://github.com/codefanw/FlashSloth/issues/2 . A
folder that was given without the weights of its root: https://github.com/cswry/SeeSR/issues/8 .

## How to put it right
Upload the weights, or rename the file if it holds all of them. Where it is meant to be a part only, say so in the model
card and take `architectures` out of the config.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck import layout, runtimes
from hfcheck.example import Archive, Link, Pointer, Sparse
from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats import torch_zip
from hfcheck.formats.sniff import Content
from hfcheck.formats.zip_ import ZipFacts
from hfcheck.repository import Entry, Form
from hfcheck.rule import Example, Rule
from hfcheck.shelf import Reading
from hfcheck.weights import candidates

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
F16 = ("F16", [2, 3])
TORCH = Archive({"archive/data.pkl": b"\x80\x02}q\x00.", "archive/version": b"3\n"})

SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
TENSORS = frozenset({Content.SAFETENSORS, Content.ZIP, Content.PICKLE})
"""What torch and safetensors write. A `.bin` with anything else in it belongs to another runtime."""

STATE = ("training_args.", "optimizer", "scheduler", "scaler", "rng_state", "random_states", "pytorch_lora_weights.")
"""What a trainer leaves: no weights of the model, in whose place they could be meant to stand."""

LARGE = 10 * 2**20
"""Bytes from which on a file that hfcheck does not know may hold weights."""

UPLOAD = "Upload the weights, unless a config without them is meant."


class WeightsAbsent(Rule):
    id = "REP008"
    name = "weights-absent"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Upload the weights under a name that the loader opens: model.safetensors, or shards with their index."
    bad = (
        Example(
            "only the projector was uploaded",
            {"config.json": CONFIG, "projector.bin": TORCH, "tokenizer_config.json": {}},
            at=(At("config.json", "/architectures"),),
        ),
        Example(
            "weights under names of the author's own",
            {"config.json": CONFIG, "llama.safetensors": {"a": F16}, "llama-ema.pth": TORCH},
            at=(At("config.json", "/architectures"),),
        ),
        Example(
            "no weights at all: a note, since a repository of a config and a tokenizer may be meant",
            {"config.json": CONFIG, "tokenizer_config.json": {}, "training_args.bin": TORCH},
            at=(At("config.json", "/architectures"),),
        ),
        Example(
            "a component of a pipeline",
            {"text_encoder/config.json": CONFIG, "text_encoder/clip.safetensors": {"a": F16}},
            at=(At("text_encoder/config.json", "/architectures"),),
        ),
    )
    good = (
        Example("the weights", {"config.json": CONFIG, "model.safetensors": {"a": F16}, "projector.bin": TORCH}),
        Example("a config without a class", {"config.json": {"model_type": "llama"}}, near_miss=True),
        Example(
            "the config of a component without weights",
            {"model_index.json": {"_class_name": "X"}, "text_encoder/config.json": CONFIG},
            near_miss=True,
        ),
        Example(
            "weights that were not fetched", {"config.json": CONFIG, "pytorch_model.bin": Pointer(9)}, near_miss=True
        ),
        Example("a variant", {"config.json": CONFIG, "model.fp16.safetensors": {"a": F16}}, near_miss=True),
        Example(
            "weights of another runtime",
            {"config.json": CONFIG, "onnx/model.onnx": b"\x08\x07\x12\x00", "head.bin": TORCH},
            near_miss=True,
        ),
        Example(
            "a model that was quantised for a loader of its own",
            {"config.json": CONFIG, "llama-7b-4bit-128g.pt": TORCH},
            near_miss=True,
        ),
        Example(
            "what vLLM saves for each process",
            {"config.json": CONFIG, "model-rank-0-part-0.safetensors": {"a": F16}},
            near_miss=True,
        ),
        Example("the projector of LLaVA", {"config.json": CONFIG, "mm_projector.bin": TORCH}, near_miss=True),
        Example(
            "a traced model is a program",
            {"config.json": CONFIG, "model.pt": Archive({"m/data.pkl": b"\x80\x02}q\x00.", "m/constants.pkl": b"."})},
            near_miss=True,
        ),
        Example(
            "weights of a kind that is not known here",
            {"config.json": CONFIG, "x.blob": Sparse(LARGE + 1)},
            near_miss=True,
        ),
        Example("the model of CTranslate2", {"config.json": CONFIG, "model.bin": bytes(64)}, near_miss=True),
        Example(
            "code of the repository loads them as it likes",
            {"config.json": CONFIG | {"auto_map": {"AutoModel": "m.M"}}, "m.py": "class M: ...\n", "x.bin": TORCH},
            near_miss=True,
        ),
        Example(
            "what a trainer left beside a link to the weights of another folder",
            {
                "config.json": CONFIG,
                "training_args.bin": TORCH,
                "model.safetensors": Link("x/a.safetensors"),
                "x/a.safetensors": {"a": F16},
            },
            near_miss=True,
        ),
        Example(
            "timm calls its class `architecture`",
            {"config.json": {"architecture": "vit"}, "x.bin": TORCH},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        config = facts.config or {}
        names = config.get("architectures")
        if facts.kind is not Kind.TRANSFORMERS or not isinstance(names, list) or config.get("auto_map"):
            return
        if not names or not isinstance(names[0], str):
            return
        # A link that leads nowhere and a name that config.json demands are faults of their own.
        present = {entry.path for entry in facts.files}
        if "transformers_weights" in config or not present.isdisjoint(candidates(facts.folder)):
            return
        if any(map(_is_of_another_loader, facts.files)):
            return
        odd = [entry for entry in facts.direct() if _looks_like_weights(entry)]
        at = At(facts.inside(layout.CONFIG), "/architectures")
        if not facts.folder and not any(map(_may_hold_weights, facts.entries)):
            message = f"the config declares {quote(names[0], 60)}, and the repository holds no weights"
            yield self.finding(at, message, hint=UPLOAD, severity=Severity.NOTE)
        if not odd or not all(_holds_weights(facts.reading(entry.path)) for entry in odd):
            return
        listed = ", ".join(quote(basename(entry.path), 60) for entry in odd[:4])
        more = f" and {len(odd) - 4} more" if len(odd) > 4 else ""  # noqa: PLR2004 - as many as are named
        message = f"the config declares {quote(names[0], 60)}, and its loader opens none of the weights: {listed}{more}"
        yield self.finding(at, message)


def _looks_like_weights(entry: Entry) -> bool:
    name = basename(entry.path).lower()
    return entry.form is Form.FILE and name.endswith(SUFFIXES) and not name.startswith(STATE)


def _may_hold_weights(entry: Entry) -> bool:
    return _looks_like_weights(entry) or (entry.size > LARGE and not layout.is_read_by_loaders(entry.path))


def _holds_weights(reading: Reading | None) -> bool:
    if reading is None or reading.content not in TENSORS:
        return False
    archive = torch_zip.describe(reading.facts) if isinstance(reading.facts, ZipFacts) else None
    return archive is None or not archive.torchscript  # a traced model is a program, and torch.jit.load opens it


def _is_of_another_loader(entry: Entry) -> bool:
    """Whether a file tells that the weights are meant for somebody else, or are shards, of which IDX002 speaks."""
    name = basename(entry.path).lower()
    if runtimes.is_of_another(name):
        return True
    if layout.index_name(name) is not None or (name.endswith(SUFFIXES) and layout.shard_name(name) is not None):
        return True
    stem, _, rest = name.partition(".")
    return f"{stem}.{rest.rpartition('.')[2]}" in layout.SINGLE_WEIGHTS and "." in rest
