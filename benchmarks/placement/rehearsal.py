"""What a rehearsal costs beside `cat`, and whether it finds what is planted.

`python -m benchmarks.placement.rehearsal [--gib 2] [--files 100] [--seed 1]` writes a sharded checkpoint to the folder
for temporary files, reads it with `cat` and rehearses it, in turn and with a warm cache; then it writes files of random
values, with NaN, infinities and zeros in random places. It needs numpy, and torch for the copies.
"""

import argparse
import hashlib
import json
import resource
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic, process_time

import numpy as np

from benchmarks.placement.planted import Census, bits, planted
from hfcheck.facts import Facts, units
from hfcheck.placement.device import devices
from hfcheck.placement.rehearsed import NonFinite
from hfcheck.placement.target import Target
from hfcheck.rehearsal.rehearse import rehearse
from hfcheck.repository import scan

ROUNDS = 5
SHARD = 256 * 2**20
ROWS, COLUMNS = 2048, 4096
LAYER = 2 * ROWS * COLUMNS
"""Bytes of the largest tensor."""

CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16", "vocab_size": 64,
    "hidden_size": COLUMNS, "intermediate_size": ROWS, "num_attention_heads": 32,
}  # fmt: skip

WITHOUT_PACKAGES = '#!/bin/sh\nexec "{python}" -S "$@"\n'


PYTHON = sys.executable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=int, default=2)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--way", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        _measure(Path(asked.measure), asked.way)
        return
    with tempfile.TemporaryDirectory(prefix="hfcheck-rehearsal-") as folder:
        _costs(Path(folder), asked.gib)
    for eyes, files in (("numpy", asked.files), ("the standard library", max(asked.files // 10, 1))):
        with tempfile.TemporaryDirectory(prefix="hfcheck-rehearsal-") as folder:
            _found(Path(folder), files, asked.seed, eyes)


WAYS = {
    "scan": "",
    "scan + sha256": "digest",
    "scan, standard library": "bare",
    "scan + copies to the cpu": "copies",
}


def _costs(folder: Path, gib: int) -> None:
    _sharded(folder, gib)
    shards = sorted(folder.glob("*.safetensors"))
    print(f"{gib} GiB in {len(shards)} shards of BF16, largest tensor {LAYER >> 20} MiB; the least of {ROUNDS} rounds")
    cat = min(_cat(shards) for _ in range(ROUNDS))
    print(f"{'cat':26} {cat:7.3f} CPU s")
    hashed = min(_hashed(shards) for _ in range(2))
    print(f"{'sha256 alone':26} {hashed:7.3f} CPU s = {hashed / cat:5.2f} x cat")
    starts = {way: [_measured(folder, f"{way} empty") for _ in range(2)] for way in WAYS.values()}
    for name, way in WAYS.items():
        rounds = [_measured(folder, way) for _ in range(1 if way == "bare" else ROUNDS)]
        start, cpu = (min(cost["cpu"] for cost in costs) for costs in (starts[way], rounds))
        print(
            f"{name:26} {cpu - start:7.3f} CPU s = {(cpu - start) / cat:5.2f} x cat, and {start:.3f} s to start; "
            f"peak {_peak(rounds, 'read')}; {min(cost['seconds'] for cost in rounds):.2f} s on the clock"
        )
        if way == "copies":
            print(
                f"{'':26} the process that copies: peak {_peak(rounds, 'copy')}, {_peak(starts[way], 'copy')} at 16 MiB"
            )


def _peak(costs: list[dict[str, float]], program: str) -> str:
    return f"{max(cost[program] for cost in costs) / 2**20:.0f} MiB"


def _hashed(shards: list[Path]) -> float:
    begin, buffer = process_time(), memoryview(bytearray(2**23))
    for shard in shards:
        digest = hashlib.sha256()
        with shard.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
    return process_time() - begin


def _cat(shards: list[Path]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["cat", *shards], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _measured(folder: Path, way: str) -> dict[str, float]:
    """What the processes of a rehearsal take: those of a process that does nothing else."""
    command = [sys.executable, "-m", "benchmarks.placement.rehearsal", "--measure", str(folder), "--way", way]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def _measure(folder: Path, way: str) -> None:
    with tempfile.TemporaryDirectory() as other:
        if "empty" in way:
            folder = Path(other)
            _sharded(folder, 0)
        if "bare" in way:
            _without_packages(Path(other))
        (facts,) = units(scan(str(folder)))
        if "copies" in way:
            facts = replace(facts, target=Target(devices(["cpu=1024GiB"])))
        begin = monotonic()
        with _watched() as peaks:
            found = rehearse(facts, digest="digest" in way)
        seconds = monotonic() - begin
    if found.skipped or any(file.failed for file in found.files) or ("copies" in way) != bool(found.copied):
        raise SystemExit(f"not all of it took place: {found}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "seconds": seconds, **peaks}))


@contextmanager
def _watched() -> Iterator[dict[str, int]]:
    """The most memory of each process below this one, by program. Not `ru_maxrss`: it has that of the parent in it."""
    peaks = {"read": 0, "copy": 0}
    done = Event()

    def watch() -> None:
        while not done.wait(0.01):
            for process in _below():
                with suppress(OSError, StopIteration):
                    command = (process / "cmdline").read_bytes()
                    lines = (process / "status").read_text().splitlines()
                    peak = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
                    for name, before in peaks.items():
                        if f"{name}_worker.py".encode() in command:
                            peaks[name] = max(before, peak)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def _below() -> list[Path]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [Path("/proc") / number for task in tasks for number in task.read_text().split()]


def _without_packages(folder: Path) -> None:
    """From now on, processes are started without numpy and torch."""
    python = folder / "python"
    python.write_text(WITHOUT_PACKAGES.format(python=PYTHON))
    python.chmod(0o755)
    sys.executable = str(python)


def _sharded(folder: Path, gib: int) -> None:
    """A checkpoint of layers with a matrix and a norm, and nothing else of a llama; a single layer for 0 GiB."""
    generator = np.random.default_rng(0)
    block = (generator.normal(0, 0.02, LAYER // 2).astype("<f4").view("<u4") >> np.uint32(16)).astype("<u2").tobytes()
    total = max(gib * 2**30 // SHARD, 1)
    weight_map: dict[str, str] = {}
    for shard in range(total):
        name = f"model-{shard + 1:05d}-of-{total:05d}.safetensors"
        layers = range(shard * SHARD // LAYER, (shard + 1) * SHARD // LAYER if gib else 1)
        tensors: dict[str, list[int]] = {}
        for layer in layers:
            tensors[f"model.layers.{layer}.mlp.up_proj.weight"] = [ROWS, COLUMNS]
            tensors[f"model.layers.{layer}.input_layernorm.weight"] = [COLUMNS]
        weight_map |= dict.fromkeys(tensors, name)
        _write(folder / name, tensors, block)
    index = {"metadata": {"total_size": gib * 2**30}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": len(weight_map) // 2}))


def _write(path: Path, tensors: dict[str, list[int]], block: bytes) -> None:
    header: dict[str, object] = {}
    sizes = [2 * int(np.prod(shape)) for shape in tensors.values()]
    end = 0
    for (name, shape), size in zip(tensors.items(), sizes, strict=True):
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(block[:size] for size in sizes)


def _found(folder: Path, files: int, seed: int, eyes: str) -> None:
    generator = np.random.default_rng(seed)
    plants = tensors = missed = false = size = 0
    if eyes != "numpy":
        _without_packages(folder)
    for _ in range(files):
        made = planted(folder / "model.safetensors", generator, 20 * 2**20)
        (facts,) = units(scan(str(folder)))
        seen = rehearse(facts)
        (file,) = seen.files
        if file.failed or not seen.scanner.startswith(eyes):
            raise SystemExit(f"not all of it took place: {seen}")
        found = {one.tensor: _census(facts, one) for one in file.non_finite}
        plants += made.plants
        tensors += file.scanned
        size += file.read
        missed += sum(found.get(name) != census for name, census in made.non_finite.items())
        missed += len(made.zero.difference(file.zero))
        false += len(found.keys() - made.non_finite.keys()) + len(set(file.zero) - made.zero)
    sys.executable = PYTHON
    outcome = f"{missed} missed or miscounted, {false} false"
    print(f"{eyes}: {plants} plants in {tensors} tensors of {size >> 20} MiB: {outcome}")


def _census(facts: Facts, seen: NonFinite) -> Census:
    header = facts.safetensors("model.safetensors")
    if header is None:
        raise SystemExit("hfcheck does not read the header")
    tensor = header.tensors[seen.tensor]
    first = (seen.offset - header.data_start - tensor.begin) // np.dtype(bits(tensor.dtype)).itemsize
    return seen.nan, seen.inf, seen.negative_inf, first


if __name__ == "__main__":
    main()
