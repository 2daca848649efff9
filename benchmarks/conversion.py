"""Converts tiny models of many architectures, and does the same with torch: `python -m benchmarks.conversion`.

Each model is written with `torch.save` in several forms. `hfcheck convert` must write the very bytes that come of
`torch.load(weights_only=True)`, `remove_tied_weights_from_state_dict` of transformers and `save_file` of safetensors,
and `from_pretrained` must say and load the same of both folders.

`--speed` converts a file of 1 GiB instead, and says what that costs beside `torch.load` and `save_file`.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch
import transformers
from safetensors.torch import save_file
from transformers.modeling_utils import remove_tied_weights_from_state_dict

from benchmarks.agreement import models
from benchmarks.agreement.models import Architecture
from hfcheck import registry
from hfcheck.conversion.command import run

State = dict[str, torch.Tensor]
SINGLE, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SHARDS = 3


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write a state dict into a folder."""

    name: str
    write: Callable[[State, Path], None]


def _zip(state: State, folder: Path) -> None:
    torch.save(state, folder / SINGLE)


def _legacy(state: State, folder: Path) -> None:
    torch.save(state, folder / SINGLE, _use_new_zipfile_serialization=False)


def _cast(dtype: torch.dtype) -> Callable[[State, Path], None]:
    def write(state: State, folder: Path) -> None:
        # Tied tensors stay one tensor.
        seen: dict[int, torch.Tensor] = {}
        cast = {
            name: seen.setdefault(tensor.data_ptr(), tensor.to(dtype)) if tensor.is_floating_point() else tensor
            for name, tensor in state.items()
        }
        torch.save(cast, folder / SINGLE)

    return write


def _sharded(state: State, folder: Path) -> None:
    names = list(state)
    size = -(-len(names) // SHARDS)
    parts = [names[begin : begin + size] for begin in range(0, len(names), size)]
    weight_map: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        shard = f"pytorch_model-{number:05d}-of-{len(parts):05d}.bin"
        torch.save({name: state[name] for name in part}, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))


def _strided(state: State, folder: Path) -> None:
    """Every matrix transposed in memory, and every vector a part of one large storage."""
    large = torch.zeros(sum(tensor.numel() for tensor in state.values() if tensor.dtype is torch.float32) + 8)
    odd: State = {}
    at = 3
    for name, tensor in state.items():
        if tensor.dim() > 1:
            odd[name] = tensor.transpose(0, -1).contiguous().transpose(0, -1)
        elif tensor.dtype is torch.float32:
            odd[name] = large[at : at + tensor.numel()].view(tensor.shape).copy_(tensor)
            at += tensor.numel()
        else:
            odd[name] = tensor
    torch.save(odd, folder / SINGLE)


FORMS = (
    Form("zip", _zip),
    Form("legacy", _legacy),
    Form("bfloat16", _cast(torch.bfloat16)),
    Form("float16", _cast(torch.float16)),
    Form("sharded", _sharded),
    Form("strided", _strided),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--types", nargs="*", help="only these model types")
    parser.add_argument("--limit", type=int, default=60, help="model types that are tried, one class of each")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    if options.speed:
        return _speed()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity(logging.CRITICAL)
    counts: Counter[str] = Counter()
    for architecture, model in _built(options.seed, options.types, options.limit):
        counts["models"] += 1
        for form in FORMS:
            with tempfile.TemporaryDirectory() as work:
                faults = list(compared(model, form, Path(work), counts))
            counts["conversions"] += 1
            counts["wrong"] += bool(faults)
            for fault in faults:
                print(f"{architecture} {form.name}: {fault}")
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["wrong"] or not counts["models"] else 0


THROUGH_TORCH = """\
import sys, torch
from safetensors.torch import save_file
state = torch.load(sys.argv[1], weights_only=True)
save_file({name: tensor.contiguous() for name, tensor in state.items()}, sys.argv[2])
"""


def _speed() -> int:
    """Three ways of one file, each in a process of its own, the second of two runs."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        torch.save({f"layer.{number}.weight": torch.randn(2048, 4096) for number in range(32)}, folder / SINGLE)
        transposed = {f"layer.{number}.weight": torch.randn(4096, 2048).t() for number in range(32)}
        torch.save(transposed, folder / "strided.bin")
        convert = [sys.executable, "-m", "hfcheck", "convert", "--force"]
        torch_ = [sys.executable, "-c", THROUGH_TORCH]
        rows = {
            "hfcheck convert": [*convert, str(folder / SINGLE)],
            "torch.load and save_file": [*torch_, str(folder / SINGLE), str(folder / "out")],
            "hfcheck convert, transposed": [*convert, str(folder / "strided.bin")],
            "torch.load and save_file, transposed": [*torch_, str(folder / "strided.bin"), str(folder / "out")],
        }
        print("| 1 GiB | CPU s | wall s | peak MiB |\n|---|---|---|---|")
        for name, command in rows.items():
            _measured(command)
            cpu, wall, peak = _measured(command)
            print(f"| {name} | {cpu:.2f} | {wall:.2f} | {peak:.0f} |")
    return 0


def _measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds of CPU and on the clock, and the peak of resident memory without mapped files, in MiB."""
    begin, before = time.monotonic(), _children()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))])
        time.sleep(0.005)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return _children() - before, time.monotonic() - begin, peak / 1024


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _built(seed: int, types: list[str] | None, limit: int) -> Iterator[tuple[Architecture, Any]]:
    """One class of a type, and a tiny model of it; a head that is tied rather than a base."""
    rng, seen = Random(seed), set[str]()  # noqa: S311 - a sample
    for architecture in sorted(models.certified(), key=lambda one: ("For" not in one.class_name, rng.random())):
        if len(seen) >= limit:
            return
        if architecture.model_type in seen or (types and architecture.model_type not in types):
            continue
        with contextlib.suppress(Exception):  # a package that is not installed
            model = models.build(architecture, rng)
            seen.add(architecture.model_type)
            yield architecture, model


def compared(model: Any, form: Form, work: Path, counts: Counter[str]) -> Iterator[str]:  # noqa: ANN401 - a model
    """What is wrong with the conversion of a model that is written in this form."""
    source, expected, found = work / "source", work / "expected", work / "found"
    for folder in (source, expected, found):
        folder.mkdir()
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(source)
    form.write(model.state_dict(), source)
    for path in sorted(source.glob("*.bin")):
        state = torch.load(path, weights_only=True)
        counts["tensors"] += len(state)
        save_file(_untied(state, model, counts), expected / _renamed(path.name), {"format": "pt"})
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(str(source), registry.load(), output=str(found), max_shard_size=None, force=False)
    if code:
        yield f"exit code {code}: {said.getvalue().strip()}"
        return
    for path in sorted(expected.iterdir()):
        if (found / path.name).read_bytes() != path.read_bytes():
            yield f"{path.name} is another file than torch and safetensors write"
    shutil.copy(source / "config.json", found)
    yield from _loads_the_same(type(model), source, found)


def _untied(state: State, model: Any, counts: Counter[str]) -> State:  # noqa: ANN401 - a model
    before = len(state)
    try:
        state = remove_tied_weights_from_state_dict(dict(state), model)
    except RuntimeError:  # transformers would not save it: they are shared, and no config says so
        counts["with undeclared sharing"] += 1
    counts["tied tensors"] += before - len(state)
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def _renamed(name: str) -> str:
    return name.replace("pytorch_model", "model").replace(".bin", ".safetensors")


def _loads_the_same(model_class: Any, source: Path, found: Path) -> Iterator[str]:  # noqa: ANN401
    first, told = _loaded(model_class, source)
    second, told_now = _loaded(model_class, found)
    if told != told_now:
        yield f"from_pretrained says {told} of the source, and {told_now} of what was converted"
    if isinstance(first, str) or isinstance(second, str):
        return
    # What was missing is random in both.
    missing = set(told["missing_keys"])
    for name, tensor in first.items():
        if name not in missing and not torch.equal(tensor, second[name]):
            yield f"{name} has other values"


def _loaded(model_class: Any, folder: Path) -> tuple[Mapping[str, torch.Tensor] | str, dict[str, Any]]:  # noqa: ANN401
    try:
        model, info = model_class.from_pretrained(folder, output_loading_info=True)
    except Exception as error:  # noqa: BLE001 - of both folders alike
        return str(error), {"error": type(error).__name__}
    return model.state_dict(), {key: sorted(map(str, value)) for key, value in info.items()}


if __name__ == "__main__":
    sys.exit(main())
