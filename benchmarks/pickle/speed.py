"""CPU seconds and memory on large pickles and large archives: `python -m benchmarks.pickle.speed --work FOLDER`.

Each command runs as a user would run it, imports included, with a limit of CPU time; the result goes to `speed.json` in
the folder, from which `benchmarks.pickle.peers --report` writes its table. The archives take no room: their records are
holes.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.pickle.archives import Member, write_sparse
from benchmarks.pickle.assembler import (
    APPENDS,
    EMPTY_DICT,
    EMPTY_LIST,
    MARK,
    MEMOIZE,
    SETITEMS,
    STOP,
    Apply,
    Name,
    pickle,
    proto,
    push,
    short_text,
)
from benchmarks.pickle.peers import QUIET, ROOT, program
from benchmarks.pickle.torch_files import storage

OPCODES, BATCH, LIMIT_S = 2_000_000, 1000, 120
GIB = 1 << 30
HIDDEN, MIDDLE, WORDS, LAYERS, SHARDS = 2048, 5504, 32_000, 8, 5
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": MIDDLE,
    "num_hidden_layers": LAYERS, "num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": WORDS,
    "tie_word_embeddings": False, "dtype": "bfloat16", "transformers_version": "5.23.0",
}  # fmt: skip
GENOPS = "import pickletools, sys\nfor _ in pickletools.genops(open(sys.argv[1], 'rb')): pass"
LAUNCHER = """
import os, resource, sys
null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1]) + 1))
_, status, used = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=null), 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status))
"""
"""Linux counts to the memory of a program that of the one that started it: this one has 8 MB, and does nothing else."""


def integers() -> bytes:
    """A list of numbers, three bytes for each opcode."""
    batch = MARK + b"".join(b"M" + struct.pack("<H", 300 + number) for number in range(BATCH)) + APPENDS
    return proto(2) + EMPTY_LIST + batch * (OPCODES // (BATCH + 2)) + STOP


def vocabulary() -> bytes:
    """A dict of words of protocol 4: text, MEMOIZE and number for each."""
    each = 3
    parts = [proto(4), EMPTY_DICT, MEMOIZE]
    for start in range(0, OPCODES // each, BATCH):
        parts.append(MARK)
        numbers = range(start, start + BATCH)
        parts += [short_text(f"w{number:x}") + MEMOIZE + b"J" + struct.pack("<i", number) for number in numbers]
        parts.append(SETITEMS)
    return b"".join([*parts, STOP])


def optimizer() -> bytes:
    """What Adam keeps for each parameter: a dict of a step and two tensors, as torch writes them."""
    hooks = Apply(Name("collections", "OrderedDict"), ())
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    state = {
        name: Apply(rebuild, (storage("0", 4096), 0, (64, 64), (64, 1), False, hooks))
        for name in ("exp_avg", "exp_avg_sq")
    }
    one = push({"step": 10.0, **state, "shape": [1, 2, 3]}, 2)
    each = 62
    parts = [proto(2), EMPTY_DICT]
    for start in range(0, OPCODES // each, BATCH):
        items = (b"J" + struct.pack("<i", number) + one for number in range(start, start + BATCH))
        parts += [MARK, *items, SETITEMS]
    return b"".join([*parts, STOP])


def _weights(*named: tuple[str, tuple[int, ...]]) -> tuple[bytes, dict[str, int]]:
    """`data.pkl` of bfloat16 tensors, and the size of each record."""
    hooks = Apply(Name("collections", "OrderedDict"), ())
    state, sizes = {}, {}
    for key, (name, shape) in enumerate(named):
        numel = shape[0] * (shape[1] if len(shape) > 1 else 1)
        strides = (shape[1], 1) if len(shape) > 1 else (1,)
        args = (storage(str(key), numel, "BFloat16Storage"), 0, shape, strides, False, hooks)
        state[name] = Apply(Name("torch._utils", "_rebuild_tensor_v2"), args)
        sizes[f"archive/data/{key}"] = 2 * numel
    return pickle(state, 2), sizes


def _write(path: Path, *named: tuple[str, tuple[int, ...]]) -> None:
    stream, holes = _weights(*named)
    records = (Member(name) for name in holes)
    marks = (Member("archive/byteorder", b"little"), Member("archive/version", b"3\n"))
    write_sparse(path, Member("archive/data.pkl", stream), *records, *marks, holes=holes)


def _llama() -> list[tuple[str, tuple[int, ...]]]:
    shapes: list[tuple[str, tuple[int, ...]]] = [("model.embed_tokens.weight", (WORDS, HIDDEN))]
    for layer in range(LAYERS):
        stem = f"model.layers.{layer}."
        shapes += [(f"{stem}self_attn.{name}_proj.weight", (HIDDEN, HIDDEN)) for name in "qkvo"]
        shapes += [(f"{stem}mlp.{name}_proj.weight", (MIDDLE, HIDDEN)) for name in ("gate", "up")]
        shapes += [(f"{stem}mlp.down_proj.weight", (HIDDEN, MIDDLE))]
        shapes += [(f"{stem}{name}_layernorm.weight", (HIDDEN,)) for name in ("input", "post_attention")]
    return [*shapes, ("model.norm.weight", (HIDDEN,)), ("lm_head.weight", (WORDS, HIDDEN))]


def make(work: Path) -> dict[str, Path]:
    """The files, each in a folder of its own, by the name that the table has for it."""
    found = {}
    for name, build in {"integers": integers, "vocabulary": vocabulary, "optimizer": optimizer}.items():
        path = work / "speed" / name / "model.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(build())
        found[name] = path
    one = work / "speed" / "torch-1-GiB" / "pytorch_model.bin"
    one.parent.mkdir(exist_ok=True)
    _write(one, ("weight", (GIB // 2 // 4096, 4096)))
    found["torch-1-GiB"] = one
    folder = work / "speed" / "shards-5x200-MB"
    folder.mkdir(exist_ok=True)
    tensors = _llama()
    share = -(-len(tensors) // SHARDS)
    weight_map: dict[str, str] = {}
    for part in range(SHARDS):
        file = f"pytorch_model-{part + 1:05}-of-{SHARDS:05}.bin"
        mine = tensors[part * share : (part + 1) * share]
        _write(folder / file, *mine)
        weight_map |= dict.fromkeys((name for name, _ in mine), file)
    size = sum(2 * shape[0] * (shape[1] if len(shape) > 1 else 1) for _, shape in tensors)
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    found["shards-5x200-MB"] = folder
    return found


def commands(programs: dict[str, Path], path: Path) -> dict[str, list[str]]:
    folder = path if path.is_dir() else path.parent
    listed = {
        "hfcheck": [str(programs["hfcheck"].with_name("hfcheck")), "check", "--isolated", str(folder)],
        "picklescan": [str(programs["picklescan"].with_name("picklescan")), "--path", str(path)],
        "modelscan": [str(programs["modelscan"].with_name("modelscan")), "-p", str(path)],
        "modelaudit": [str(programs["modelaudit"].with_name("modelaudit")), "scan", "--format", "json", str(path)],
    }
    if path.suffix == ".pkl":
        listed["genops"] = [str(programs["hfcheck"]), "-c", GENOPS, str(path)]
        listed["fickling"] = [str(programs["fickling"].with_name("fickling")), "--check-safety", str(path)]
    return listed


def measure(command: list[str], home: Path) -> tuple[float, float, int]:
    """CPU seconds, megabytes and exit code."""
    environ = {**os.environ, **QUIET, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(LIMIT_S), *command]
    done = subprocess.run(launcher, env=environ, cwd=home, stdout=subprocess.PIPE, check=True, text=True)
    seconds, kilobytes, code = done.stdout.split()
    return float(seconds), int(kilobytes) / 1024, int(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "pickle-benchmark", help="for everything that is made"
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="TOOL=PYTHON", help="an environment that is there"
    )
    parser.add_argument("--runs", type=int, default=5, help="of a command that takes less than five seconds")
    parser.add_argument("--tools", nargs="*", help="only these; the others' figures stay")
    options = parser.parse_args()
    work = options.work.resolve()
    given = dict(entry.split("=", 1) for entry in options.python)
    programs = {
        tool: Path(program(work, tool, given))
        for tool in ("hfcheck", "picklescan", "modelscan", "modelaudit", "fickling")
    }
    home = work / "home"
    home.mkdir(parents=True, exist_ok=True)
    record = work / "speed.json"
    results = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    hfcheck, empty = str(programs["hfcheck"].with_name("hfcheck")), work / "speed" / "empty"
    empty.mkdir(parents=True, exist_ok=True)
    (empty / "README.md").write_text("Nothing to see.\n", encoding="utf-8")
    results["start-up"] = {
        "--version": _median([hfcheck, "--version"], home, options.runs),
        "empty": _median([hfcheck, "check", "--isolated", str(empty)], home, options.runs),
    }
    print("start-up", results["start-up"], flush=True)
    for name, path in make(work).items():
        for tool, command in commands(programs, path).items():
            if not options.tools or tool in options.tools:
                results.setdefault(name, {})[tool] = _median(command, home, options.runs)
                print(name, tool, *results[name][tool], flush=True)
    record.write_text(json.dumps(results, indent=1), encoding="utf-8")


def _median(command: list[str], home: Path, runs: int) -> tuple[float, float, int]:
    """Of several runs after one that does not count, or that one where it takes long."""
    first = measure(command, home)
    if first[0] > 5:  # noqa: PLR2004
        return first
    times = [measure(command, home) for _ in range(runs)]
    return round(median(seconds for seconds, _, _ in times), 3), round(max(mb for _, mb, _ in times), 1), times[-1][2]


if __name__ == "__main__":
    main()
