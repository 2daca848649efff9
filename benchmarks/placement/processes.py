"""What transformers really makes of a parallel load: in one process that stands for a rank, or in real processes.

A fake process group of torch has any number of ranks in one process, and its collectives do nothing: shapes are right
and numbers are not. `in_processes` starts real ones, which load a checkpoint and compute, over gloo on the CPU.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from torch import distributed, nn
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import PreTrainedModel, logging
from transformers.distributed.configuration_utils import DistributedConfig

from hfcheck.loading import atlas
from hfcheck.loading.choose import Choice
from hfcheck.loading.judge import Load
from hfcheck.loading.resolve import resolve
from hfcheck.placement.model import Model
from hfcheck.placement.parallel import Parallel, parallel
from hfcheck.placement.target import Target
from hfcheck.placement.tree import model_of
from tools.atlas import classes
from tools.atlas.reality import resolved_config

ROOT = Path(__file__).resolve().parent.parent.parent
TOKENS = 5
TIMEOUT = 40


@dataclass(frozen=True)
class Case:
    """A class under a config, and the sizes of the groups that load it."""

    model_type: str
    class_name: str
    config: Mapping[str, Any]
    tp: int = 1
    ep: int = 1
    pp: int = 1

    @property
    def ranks(self) -> int:
        return self.tp * self.pp


@dataclass(frozen=True)
class Seen:
    """What a rank holds, or why it does not: `loads` and `computes` are names of exceptions, empty where all went well.

    `difference` is that of the first output from the one of an undivided model, relative to its largest number.
    """

    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    loads: str = ""
    computes: str = ""
    difference: float = 0.0


def predicted(case: Case) -> tuple[Parallel, Model, Load]:
    """What hfcheck says of it; the weights are stored under the names that they have in memory, in float32."""
    entry = atlas.entry(case.model_type)
    if entry is None:
        raise KeyError(case.model_type)
    spec = atlas.spec(entry, case.class_name, resolve(case.config, case.model_type))
    choice = Choice(case.model_type, case.class_name, "", "named", case.class_name)
    load = Load(case.class_name, "loads", spec=spec, choice=choice)
    target = Target((), dtype="float32", tp=case.tp, ep=case.ep, pp=case.pp)
    model = model_of(load, case.config, {}, target)
    return parallel(load, case.config, model, target), model, load


def as_rank(case: Case, rank: int) -> Seen:
    """The shapes of a rank on the meta device, in this process."""
    try:
        model = _divided(case, rank, torch.device("meta"))
    except Exception as error:  # noqa: BLE001 - whatever the load stops with is the answer
        return Seen(loads=_told(error))
    return Seen(_shapes(model))


def first_forward(case: Case, rank: int) -> Seen:
    """Whether a rank gets through a first forward of text, in this process."""
    try:
        model = _divided(case, rank, torch.device("cpu"))
    except Exception as error:  # noqa: BLE001 - as above
        return Seen(loads=_told(error))
    try:
        _computed(model)
    except Exception as error:  # noqa: BLE001 - as above
        return Seen(_shapes(model), computes=_told(error))
    return Seen(_shapes(model))


def undivided(case: Case) -> str:
    """Why the class does not compute text at all, under this config: empty where it does."""
    try:
        _computed(_built(case, torch.device("cpu")))
    except Exception as error:  # noqa: BLE001 - as above
        return _told(error)
    return ""


def in_processes(cases: Sequence[Case], ranks: int) -> list[list[Seen]]:
    """What each of as many processes sees of each case, by case and by rank; all cases have that many ranks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "cases.json").write_text(json.dumps([asdict(case) for case in cases]))
        started = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "benchmarks.placement.processes", folder, str(rank), str(ranks)],
                cwd=ROOT,
                env={**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for rank in range(ranks)
        ]
        errors = [process.communicate(timeout=TIMEOUT * (len(cases) + 1))[1] for process in started]
        if any(process.returncode for process in started):
            raise RuntimeError(errors[0].decode(errors="replace")[-2000:])
        seen = [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(ranks)]
    return [[Seen(**of_rank[number]) for of_rank in seen] for number in range(len(cases))]


def _built(case: Case, device: torch.device) -> PreTrainedModel:
    """The model with random weights, or without any; what is tied is not tied yet, as when it is divided."""
    cls = classes.model_class(case.model_type, case.class_name)
    config = resolved_config(cls, case.config, case.model_type)
    contexts = cls.get_init_context(torch.float32, False, False, None)  # noqa: FBT003 - upstream's signature
    contexts = [one for one in contexts if device.type == "meta" or not isinstance(one, torch.device)]
    torch.manual_seed(0)
    for context in contexts:
        context.__enter__()
    try:
        model: PreTrainedModel = cls(config)
    finally:
        for context in reversed(contexts):
            context.__exit__(None, None, None)
    model.train(mode=False)
    return model


def _divided(case: Case, rank: int, device: torch.device) -> PreTrainedModel:
    if distributed.is_initialized():
        distributed.destroy_process_group()
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(case.ranks))
    distributed.init_process_group("fake", rank=rank, world_size=case.ranks, store=FakeStore())
    cls = classes.model_class(case.model_type, case.class_name)
    asked, _, mesh = cls.prepare_distribute_model(_asked(case))
    model = cast("PreTrainedModel", cls.maybe_distribute_model(_built(case, device), asked, mesh))
    if device.type == "cpu":
        model.tie_weights(recompute_mapping=False)
    return model


def _asked(case: Case) -> DistributedConfig:
    return DistributedConfig(tp_size=case.tp, ep_size=case.ep, pp_size=case.pp)


def _computed(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        output: torch.Tensor = model(input_ids=torch.arange(1, TOKENS + 1)[None])[0]
    return output


def _shapes(model: nn.Module) -> dict[str, list[int]]:
    named = model.named_parameters(remove_duplicate=False)
    return {name: list(getattr(one, "_local_tensor", one).shape) for name, one in named}


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _worker(folder: str, rank: int, ranks: int) -> None:
    """One real process: loads every case, computes, and writes what it saw."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks))
    cases = [Case(**one) for one in json.loads(Path(folder, "cases.json").read_text())]
    distributed.init_process_group("gloo", timeout=timedelta(seconds=TIMEOUT))
    found = []
    for number, case in enumerate(cases):
        path = Path(folder, f"model{number}")
        if not rank:
            whole = _built(case, torch.device("cpu"))
            whole.tie_weights(recompute_mapping=False)
            whole.save_pretrained(path)
        distributed.barrier()
        found.append(asdict(_loaded(case, path)))
        distributed.barrier()
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def _loaded(case: Case, path: Path) -> Seen:
    cls = classes.model_class(case.model_type, case.class_name)
    try:
        model = cls.from_pretrained(path, distributed_config=_asked(case), dtype="float32")
    except Exception as error:  # noqa: BLE001 - as above
        return Seen(loads=_told(error))
    shapes = _shapes(model)
    try:
        there = _computed(model)
    except Exception as error:  # noqa: BLE001 - as above
        return Seen(shapes, computes=_told(error))
    whole = _computed(cls.from_pretrained(path, dtype="float32"))
    largest = max(float(whole.abs().max()), 1e-9)
    return Seen(shapes, difference=float((there - whole).abs().max()) / largest)


if __name__ == "__main__":
    _worker(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
