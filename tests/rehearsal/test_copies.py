"""Copies of tensors to the devices of a plan, by a torch that is really there, or is not."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest

from hfcheck import config, engine, registry, testing
from hfcheck.company import Aim, Company
from hfcheck.example import Example, Sparse
from hfcheck.example_models import LLAMA, llama_tensors, repository, without
from hfcheck.facts import Facts
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rehearsal.rehearse import rehearse

from .conftest import Worker, facts_of

FILE = "model.safetensors"
ALL = llama_tensors()
NBYTES = 4 * sum(rows * (columns[0] if columns else 1) for _, (rows, *columns) in ALL.values())

with_torch = pytest.mark.loader


def aimed(folder: Path, *texts: str) -> Facts:
    testing.write(Example("", repository(LLAMA, ALL)), folder)
    return replace(facts_of(folder), target=Target(devices(texts)))


@with_torch
def test_to_what_is_here(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("device 0 is here")
    found = rehearse(aimed(tmp_path, "0=1GiB", "cpu=1GiB"))
    assert found.torch == f"torch {torch.__version__}"
    (copied,) = found.copied
    assert (copied.device, copied.on, copied.tensors, copied.nbytes) == (0, "meta", len(ALL), NBYTES)
    assert [skip.what for skip in found.skipped] == ["the copies to device 0"]
    assert not found.failures


@with_torch
def test_a_process_that_dies_while_it_copies(tmp_path: Path, worker: Worker) -> None:
    """The file is read to its end all the same."""
    pytest.importorskip("torch")
    worker("copy", "    device, nbytes, at, begin, end = piece\n", "    os.kill(os.getpid(), 9)\n")
    found = rehearse(aimed(tmp_path, "cpu=1GiB"))
    (failure,) = found.failures
    first = next(iter(ALL))
    assert (failure.device, failure.path, failure.tensor, failure.is_fatal) == ("cpu", FILE, first, True)
    assert failure.reason.startswith("the process that copies was ended by SIGKILL")
    (file,) = found.files
    assert (file.failed, file.read) == ("", file.size)
    assert not found.copied


OUT_OF_MEMORY = """\
import resource, sys
from dataclasses import replace
from hfcheck.facts import units
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.rehearsal.rehearse import rehearse
from hfcheck.repository import scan
resource.setrlimit(resource.RLIMIT_DATA, (700 * 2**20, 700 * 2**20))
(facts,) = units(scan(sys.argv[1]))
found = rehearse(replace(facts, target=Target(devices(["cpu=64GiB"]))))
(failure,), (copied,) = found.failures, found.copied
print(failure.tensor, failure.is_fatal, copied.tensors, found.files[0].failed or "read", failure.reason)
"""


@with_torch
def test_a_tensor_that_memory_does_not_hold(tmp_path: Path) -> None:
    """One of 640 MiB, a hole in the file, where a process may have 700: the others are copied."""
    pytest.importorskip("torch")
    rows = 20 * 2**20
    tensors = {**without(ALL, "lm_head"), "model.embed_tokens.weight": ("F32", [rows, 8])}
    header, end = dict[str, object](), 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + 4 * prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    files = repository(LLAMA, {}, vocab_size=rows, tie_word_embeddings=True)
    head = struct.pack("<Q", len(text)) + text
    testing.write(Example("", {**files, FILE: Sparse(len(head) + end, head)}), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"model.embed_tokens.weight False {len(tensors) - 1} read "), done.stdout
    assert "memory" in done.stdout


@with_torch
def test_torch_that_is_broken_or_absent(tmp_path: Path, interpreter: Callable[[str], None]) -> None:
    interpreter('exec {python} -S "$@"')
    found = rehearse(aimed(tmp_path, "cpu=1GiB"))
    assert [skip.reason for skip in found.skipped] == [
        "torch cannot be imported: ModuleNotFoundError: No module named 'torch'"
    ]
    assert (found.torch, found.copied, found.failures) == ("", (), ())
    assert found.files[0].scanned == len(ALL)


def test_the_findings_of_a_run(tmp_path: Path, interpreter: Callable[[str], None]) -> None:
    """Through the engine: the rehearsal takes place before the rules, and its findings are among theirs."""
    interpreter('exec {python} -S "$@"')
    aimed(tmp_path, "cpu=1GiB")
    aim = Aim(Target(devices(["cpu=1GiB"])), "")
    rules = tuple(rule for rule in registry.load() if rule.id in {"DEV060", "DEV061", "DEV064", "DEV065"})
    report = engine.check(str(tmp_path), str(tmp_path), rules, config.Settings(), Company(aim=aim, rehearse=rehearse))
    assert report.rehearsed is not None
    assert not report.crashed
    assert {located.finding.id for located in report.findings} == {"DEV064", "DEV065"}
