"""Benign files of torch and transformers: tensors, state dicts, optimizers, training arguments, modules, programs."""

# ruff: noqa: E501 - tables

import argparse
import collections
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shelf import Shelf, shelf  # type: ignore[import-not-found,unused-ignore] # pyright: ignore[reportMissingImports]
from torch import nn

DTYPES = """
float32 float64 float16 bfloat16 float8_e4m3fn float8_e5m2 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128
"""


def main() -> None:
    place = shelf()
    torch.manual_seed(1)
    for part in (_tensors, _states, _optimizers, _arguments, _modules, _programs, _models):
        part(place)


def _save(place: Shelf, group: str, name: str, value: object, file: str = "pytorch_model.bin", **options: Any) -> None:  # noqa: ANN401
    write: Callable[[Path], object] = partial(torch.save, value, **options)
    place.put(group, name, file, write)


def _legacy(place: Shelf, group: str, name: str, value: object, file: str = "pytorch_model.bin") -> None:
    _save(place, group, f"{name}-legacy", value, file, _use_new_zipfile_serialization=False)


def _tensors(place: Shelf) -> None:
    for name in DTYPES.split():
        value = {"weight": torch.ones(4, 3).to(getattr(torch, name))}
        _save(place, "tensors", name, value)
        if name in ("float32", "bfloat16", "int64", "bool", "complex64"):
            _legacy(place, "tensors", name, value)
    base = torch.arange(24.0).reshape(4, 6)
    quantised = torch.quantize_per_tensor(base, 0.1, 0, torch.qint8)
    values: dict[str, object] = {
        "bare": base,
        "list": [base, base[0]],
        "scalar": {"x": torch.tensor(3.5)},
        "empty": {"x": torch.zeros(0, 4)},
        "transposed": {"x": base.t()},
        "slice": {"x": base[1:3, ::2]},
        "expanded": {"x": torch.ones(1, 5).expand(3, 5)},
        "shared": {"a": base, "b": base, "c": base.view(-1)},
        "parameter": {"x": nn.Parameter(base)},
        "requires-grad": {"x": base.clone().requires_grad_()},
        "sparse-coo": {"x": base.to_sparse()},
        "sparse-csr": {"x": base.to_sparse_csr()},
        "quantised": {"x": quantised},
        "quantised-channel": {"x": torch.quantize_per_channel(base, torch.ones(4), torch.zeros(4), 0, torch.qint8)},
        "nested": {"x": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])},
        "meta": {"x": torch.empty(3, 3, device="meta")},
        "size-device-dtype": {"s": torch.Size([1, 2]), "d": torch.device("cpu"), "t": torch.float16},
        "channels-last": {"x": torch.ones(1, 3, 4, 4).to(memory_format=torch.channels_last)},
        "with-values": {"x": base, "epoch": 3, "names": ["a", "b"], "lr": 1e-3, "set": {1, 2}, "none": None},
        "storage": {"x": base.untyped_storage()},
        "buffer": {"x": nn.Buffer(base)},
        "with-attribute": _marked(base.clone()),
        "conjugate": {"x": torch.ones(2, dtype=torch.complex64).conj()},
    }
    for name, kept in values.items():
        _save(place, "tensors", name, kept, "weights.pt")
        if name in ("bare", "shared", "slice", "parameter", "with-values"):
            _legacy(place, "tensors", name, kept, "weights.pt")
    for protocol in (3, 4, 5):
        _save(place, "tensors", f"protocol-{protocol}", {"x": base}, "weights.pt", pickle_protocol=protocol)


def _marked(tensor: torch.Tensor) -> torch.Tensor:
    vars(tensor)["tag"] = "embedding"
    return tensor


def _networks() -> dict[str, nn.Module]:
    return {
        "mlp": nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2)),
        "conv": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.AdaptiveAvgPool2d(1)),
        "lstm": nn.LSTM(4, 6, 2, bidirectional=True),
        "attention": nn.MultiheadAttention(8, 2),
        "encoder": nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False),
        "embedding": nn.Embedding(10, 4),
    }


def _states(place: Shelf) -> None:
    for name, network in _networks().items():
        state = network.state_dict()
        _save(place, "state_dicts", name, state)
        _legacy(place, "state_dicts", name, state)
        _save(place, "state_dicts", f"{name}-plain", dict(state), "model.pth")
    network = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    optimizer, scheduler = _stepped(network, "AdamW")
    checkpoint = {
        "epoch": 3, "global_step": 1200, "pytorch-lightning_version": "2.4.0", "state_dict": network.state_dict(), "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.tensor(0.5), "best_model_path": "a/b.ckpt"}},
        "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [scheduler.state_dict()],
        "hparams_name": "kwargs", "hyper_parameters": {"lr": 1e-3, "layers": [8, 2]},
    }  # fmt: skip
    _save(place, "state_dicts", "lightning", checkpoint, "last.ckpt")
    _legacy(place, "state_dicts", "lightning", checkpoint, "last.ckpt")
    _save(place, "state_dicts", "lightning-namespace", checkpoint | {"args": argparse.Namespace(lr=1)}, "last.ckpt")
    ddp = {"model": {f"module.{key}": value for key, value in network.state_dict().items()}, "best": np.float64(0.5)}
    _save(place, "state_dicts", "ddp", ddp, "checkpoint.pth.tar")
    ordered = collections.OrderedDict(network.state_dict())
    _save(place, "state_dicts", "ordered", {"model_ema": ordered, "updates": 10}, "ema.pt")


def _stepped(network: nn.Module, name: str) -> tuple[Any, Any]:
    optimizer = getattr(torch.optim, name)(network.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    sum(parameter.sum() for parameter in network.parameters()).backward()  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue]
    optimizer.step()
    scheduler.step()
    return optimizer, scheduler


def _optimizers(place: Shelf) -> None:
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam"):
        optimizer, _ = _stepped(nn.Linear(4, 3), name)
        _save(place, "optimizer", name, optimizer.state_dict(), "optimizer.pt")
    optimizer, _ = _stepped(nn.Linear(4, 3), "Adam")
    _legacy(place, "optimizer", "Adam", optimizer.state_dict(), "optimizer.pt")
    schedule = torch.optim.lr_scheduler
    schedulers: dict[str, Any] = {
        "StepLR": schedule.StepLR(optimizer, 2),
        "OneCycleLR": schedule.OneCycleLR(optimizer, 0.1, 100),
        "LambdaLR": schedule.LambdaLR(optimizer, lambda step: 0.9**step),
        "ReduceLROnPlateau": schedule.ReduceLROnPlateau(optimizer),
        "MultiStepLR": schedule.MultiStepLR(optimizer, [3, 5]),
        "LinearLR": schedule.LinearLR(optimizer),
    }
    for name, scheduler in schedulers.items():
        _save(place, "optimizer", name, scheduler.state_dict(), "scheduler.pt")
    states = {"python": random.getstate(), "numpy": np.random.get_state(), "cpu": torch.random.get_rng_state()}  # noqa: NPY002
    _save(place, "optimizer", "rng-state", states, "rng_state.pth")
    _legacy(place, "optimizer", "rng-state", states, "rng_state_0.pth")
    _save(place, "optimizer", "scaler", torch.amp.GradScaler("cpu").state_dict(), "scaler.pt")
    _save(place, "optimizer", "whole-optimizer", optimizer, "optimizer.pt")


def _arguments(place: Shelf) -> None:
    from transformers import Seq2SeqTrainingArguments, TrainingArguments  # noqa: PLC0415 - takes seconds

    chosen: dict[str, dict[str, Any]] = {
        "default": {},
        "cosine": {"lr_scheduler_type": "cosine", "learning_rate": 2e-5, "save_strategy": "epoch"},
        "steps": {"eval_strategy": "steps", "logging_steps": 10, "optim": "adamw_torch", "seed": 7},
        "bf16": {"bf16": True, "gradient_checkpointing": True, "max_steps": 100},
        "accelerator": {"accelerator_config": {"split_batches": True}, "report_to": "none"},
    }
    for name, options in chosen.items():
        arguments = TrainingArguments(output_dir="out", use_cpu=True, **options)
        _save(place, "training_args", name, arguments, "training_args.bin")
    _save(
        place, "training_args", "seq2seq", Seq2SeqTrainingArguments(output_dir="out", use_cpu=True), "training_args.bin"
    )
    _legacy(place, "training_args", "default", TrainingArguments(output_dir="out", use_cpu=True), "training_args.bin")


def _modules(place: Shelf) -> None:
    for name, network in _networks().items():
        _save(place, "modules", name, network, "model.pt")
    _save(place, "modules", "in-a-dict", {"model": nn.Linear(2, 2), "epoch": 1}, "checkpoint.pt")
    _legacy(place, "modules", "mlp", _networks()["mlp"], "model.pt")


def _programs(place: Shelf) -> None:
    networks = {name: network.eval() for name, network in _networks().items()}
    inputs = {"mlp": torch.ones(1, 4), "conv": torch.ones(1, 3, 8, 8), "embedding": torch.ones(1, 2, dtype=torch.long)}
    for name, example in inputs.items():
        network = networks[name]

        def script(path: Path, network: nn.Module = network) -> None:
            torch.jit.script(network).save(str(path))  # type: ignore[no-untyped-call,unused-ignore]

        def trace(path: Path, network: nn.Module = network, example: torch.Tensor = example) -> None:
            torch.jit.trace(network, example).save(str(path))  # type: ignore[no-untyped-call]

        def export(path: Path, network: nn.Module = network, example: torch.Tensor = example) -> None:
            torch.export.save(torch.export.export(network, (example,)), path)

        place.put("programs", f"script-{name}", "model.pt", script)
        place.put("programs", f"trace-{name}", "model.pt", trace)
        place.put("programs", f"export-{name}", "model.pt2", export)


def _models(place: Shelf) -> None:
    """Small models of transformers, as `save_pretrained` wrote them while it wrote pickles: with config, and sharded."""
    from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM  # noqa: PLC0415

    size: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 64,
    }
    made: dict[str, Any] = {
        "bert": BertModel(BertConfig(**size)),
        "llama": LlamaForCausalLM(LlamaConfig(**size)),
        "gpt2": GPT2LMHeadModel(
            GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=64, bos_token_id=1, eos_token_id=2)
        ),
    }
    for name, model in made.items():
        model.config.architectures = [type(model).__name__]
        for form in ("zip", "legacy"):

            def write(path: Path, model: Any = model, form: str = form) -> None:  # noqa: ANN401
                model.config.save_pretrained(path.parent)
                torch.save(model.state_dict(), path, _use_new_zipfile_serialization=form == "zip")

            place.put("repositories", f"{name}-{form}", "pytorch_model.bin", write)

    def shards(path: Path) -> None:
        model = made["llama"]
        model.config.save_pretrained(path.parent)
        state = list(model.state_dict().items())
        files = [f"pytorch_model-{part + 1:05}-of-00003.bin" for part in range(3)]
        for part, file in enumerate(files):
            torch.save(dict(state[part::3]), path.with_name(file))
        weight_map = {name: files[number % 3] for number, (name, _) in enumerate(state)}
        size = sum(tensor.nbytes for _, tensor in state)
        path.write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map}), encoding="utf-8")

    place.put("repositories", "shards", "pytorch_model.bin.index.json", shards)
    _save(place, "modules", "transformers-bert", made["bert"], "model.pt")


if __name__ == "__main__":
    main()
