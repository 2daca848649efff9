"""Feeds hostile bytes to the readers: `python tools/fuzz.py --seconds 600 [--reader NAME]`.

Whatever the bytes, a reader gives facts or its one error, within a second and 64 MiB. With atheris (`pip install
atheris`) the search follows the coverage; without it, it is blind. The seeds are the examples of all rules and some
whole files. An input that breaks the property is saved as hexadecimal digits, and the exit code is 1.
"""

import argparse
import contextlib
import importlib
import json
import random
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

SECONDS = 1.0
GROWTH = 64 * 2**20
LARGEST = 2**16
"""Bytes of an input that is made here: budgets for large files have tests of their own."""

DICTIONARIES = Path(__file__).parent / "fuzz"
"""Words for each target in the form that libFuzzer reads, one in quotes on each line."""

Mutate = Callable[[bytes, random.Random, Sequence[bytes]], bytes]
Run = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """`begin` makes the function that takes an input: it imports what it needs, under the eyes of atheris."""

    begin: Callable[[], Run]
    dictionary: str
    mutate: Mutate
    belongs: Callable[[str, bytes], bool]
    """Whether a file of an example is a seed."""

    def words(self) -> list[bytes]:
        lines = (DICTIONARIES / f"{self.dictionary}.dict").read_text(encoding="ascii").splitlines()
        escape = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))")
        return [
            escape.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], line[1:-1].encode())
            for line in lines
        ]


@dataclass(slots=True)
class Tally:
    """What a run came to. Times are seconds of CPU, sizes bytes."""

    inputs: int = 0
    coverage: int = 0
    slowest: float = 0.0
    largest: int = 0
    growth: int = 0
    faults: list[str] = field(default_factory=list)


class Disagreement(Exception):
    """The reader and the library that it speaks for do not agree about an input."""


def reads(name: str) -> Callable[[], Run]:
    """A reader of hfcheck.formats: facts, or a subclass of Invalid."""

    def begin() -> Run:
        module, base = importlib.import_module(f"hfcheck.formats.{name}"), importlib.import_module("hfcheck.formats")

        def run(data: bytes) -> object:
            try:
                return module.read(BytesIO(data))
            except base.Invalid as error:
                str(error)
                return None

        return run

    return begin


def safetensors() -> Run:
    """The reader, held against the library itself."""
    run, library = reads("safetensors")(), importlib.import_module("safetensors")

    def both(data: bytes) -> None:
        accepted = run(data) is not None
        try:
            library.deserialize(data)
        except library.SafetensorError as error:
            # serde_json rounds the largest floats otherwise: what is out of range there may be in range here.
            if accepted and "out of range" not in str(error):
                raise Disagreement(f"accepted, the library says: {error}") from error
        else:
            if not accepted:
                raise Disagreement("refused, the library accepts it")

    return both


def zip_archive() -> Run:
    run, torch_zip = reads("zip_")(), importlib.import_module("hfcheck.formats.torch_zip")

    def both(data: bytes) -> None:
        facts = run(data)
        if facts is not None:
            torch_zip.describe(facts)

    return both


def index() -> Run:
    parse, module = reads("json_")(), importlib.import_module("hfcheck.formats.index")

    def run(data: bytes) -> None:
        document = parse(data)
        with contextlib.suppress(module.IndexInvalid):
            _ = module.read(document).total_size if document is not None else None

    return run


def gitattributes() -> Run:
    parse = reads("gitattributes")()

    def run(data: bytes) -> None:
        facts: Any = parse(data)
        if facts is not None:
            for path in ("model.safetensors", "a/b/c.bin", "a" * 200 + "b", "[a]/\\x y\udcff"):
                facts.filter_of(path)

    return run


def positions() -> Run:
    """Each pointer of a valid document is found where the parser finds the same key or element."""
    parse, json_ = reads("json_")(), importlib.import_module("hfcheck.formats.json_")
    pointer, decode = importlib.import_module("hfcheck.finding").pointer, json.JSONDecoder(strict=False).raw_decode

    def run(data: bytes) -> None:
        document: Any = parse(data)
        text = data.decode("utf-8-sig", "replace")
        json_.positions(text, {"", "/a", "/a/0", "/weight_map/b"})
        if document is None:
            return
        paths = [(path, node) for path, node in json_.walk(document.value) if path][:200]
        found = json_.positions(text, {pointer(*path) for path, _ in paths})
        for path, node in paths:
            if pointer(*path) not in found:
                raise Disagreement(f"{path!r} was not found")
            value = decode(text, found[pointer(*path)])[0]
            expected = path[-1] if isinstance(path[-1], str) else node
            if repr(value) != repr(expected).replace("_MinusZero", ""):
                raise Disagreement(f"{path!r} was found at another value")

    return run


def sniffs() -> Run:
    module = importlib.import_module("hfcheck.formats.sniff")

    def run(data: bytes) -> None:
        module.content(data[: module.HEAD], len(data))
        module.content(data[: module.HEAD], len(data) + 2**33)

    return run


def settings() -> Run:
    config = importlib.import_module("hfcheck.config")
    path = Path(tempfile.mkdtemp()) / config.SETTINGS

    def run(data: bytes) -> None:
        path.write_bytes(data)
        try:
            config.load(str(path))
        except config.SettingsError as error:
            str(error)

    return run


def change_bytes(data: bytes, dice: random.Random, words: Sequence[bytes]) -> bytes:
    """One to three changes: cut, double, swap, insert a word, flip a bit, an extreme integer."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(len(out) + 1)
        span = slice(at, at + dice.choice((1, 2, 4, 8, 32, 200)))
        word = dice.choice(words) * dice.choice((1,) * 20 + (2, 126, 2000))
        match dice.randrange(7):
            case 0:
                del out[span]
            case 1:
                out[at:at] = out[span]
            case 2:
                other = dice.randrange(len(out) + 1)
                out[other:other] = out[span]
            case 3:
                out[at:at] = word
            case 4:
                out[at : at + len(word)] = word
            case 5 if at < len(out):
                out[at] ^= 1 << dice.randrange(8)
            case _:
                width = dice.choice((1, 2, 4, 8))
                number = dice.choice((0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), len(out), len(out) + 1, 2**20))
                out[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, dice.choice(("little", "big")))
    return bytes(out[:LARGEST])


def change_tokens(data: bytes, dice: random.Random, words: Sequence[bytes]) -> bytes:
    """The same with the words of a text as units; one time in four its bytes."""
    tokens = re.findall(rb'"(?:[^"\\\n]|\\.)*"|\w+|\s+|[^\w\s]', data)
    if not tokens or not dice.randrange(4):
        return change_bytes(data, dice, words)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at, other = dice.randrange(len(tokens) + 1), dice.randrange(len(tokens) + 1)
        word = dice.choice(words) * dice.choice((1,) * 20 + (2, 126, 2000))
        match dice.randrange(5):
            case 0:
                tokens[at : at + 1] = []
            case 1:
                tokens[at:at] = tokens[other : other + dice.randrange(1, 10)] + dice.choice(([], [b","], [b"\n"]))
            case 2:
                tokens[at : at + 1] = tokens[other : other + 1]
            case 3:
                tokens[at : at + 1] = [word]
            case _:
                tokens[at:at] = [word]
    return b"".join(tokens)[:LARGEST]


def change_header(data: bytes, dice: random.Random, words: Sequence[bytes]) -> bytes:
    """A safetensors file with another header, whose length is told truly nine times in ten."""
    length = int.from_bytes(data[:8], "little")
    if length == 0 or length > len(data) or not dice.randrange(10):
        return change_bytes(data, dice, words)
    header, tail = change_tokens(data[8 : 8 + length], dice, words), data[8 + length :]
    if not dice.randrange(8):
        tail = tail[: dice.randrange(len(tail) + 1)] + bytes(dice.choice((0, 0, 1, 4)))
    return struct.pack("<Q", len(header) + dice.choice((0,) * 18 + (-1, 1)) if header else 0) + header + tail


def named(*suffixes: str) -> Callable[[str, bytes], bool]:
    return lambda name, _: name.endswith(suffixes)


def begins(*magic: bytes) -> Callable[[str, bytes], bool]:
    return lambda _, data: data.startswith(magic)


TARGETS = {
    "safetensors": Target(safetensors, "safetensors", change_header, named(".safetensors")),
    "json_": Target(reads("json_"), "json", change_tokens, named(".json")),
    "zip_": Target(zip_archive, "zip", change_bytes, begins(b"PK")),
    "gguf": Target(reads("gguf"), "gguf", change_bytes, begins(b"GGUF")),
    "index": Target(index, "json", change_tokens, named(".index.json")),
    "lfs": Target(reads("lfs"), "lfs", change_bytes, begins(b"version ")),
    "onnx": Target(reads("onnx"), "onnx", change_bytes, begins(b"\x08")),
    "gitattributes": Target(gitattributes, "gitattributes", change_bytes, named(".gitattributes")),
    "python_": Target(reads("python_"), "python", change_tokens, named(".py")),
    "sniff": Target(sniffs, "magic", change_bytes, lambda _, __: True),
    "positions": Target(positions, "json", change_tokens, named(".json")),
    "settings": Target(settings, "toml", change_tokens, named(".toml")),
}


def seeds(target: Target) -> list[bytes]:
    """The files of all examples and the whole files below that belong to a target."""
    testing, registry = importlib.import_module("hfcheck.testing"), importlib.import_module("hfcheck.registry")
    example = importlib.import_module("hfcheck.example")
    found = dict.fromkeys(data for name, data in whole_files() if target.belongs(name, data))
    for rule in registry.load():
        for case in (*rule.bad, *rule.good):
            for name, content in case.files.items():
                if not isinstance(content, (example.Link, example.Pipe, example.Sparse)):
                    data = testing.to_bytes(name, content)
                    if target.belongs(name, data) and len(data) <= LARGEST:
                        found[data] = None
    return list(found) or [b""]


def whole_files() -> Iterator[tuple[str, bytes]]:
    """Valid files with what the examples of the rules have little of."""
    entry = '{"dtype":{"U8":null},"shape":[0,5],"data_offsets":[4,4],"x":{"y":[1.5,-0]}}'
    header = f'{{"a":["F32",[1],[0,4]],"b":{entry}}}'.encode()
    yield "a.safetensors", struct.pack("<Q", len(header)) + header + bytes(4)
    yield "a.json", '{"a": [1, -0, 2.5e3, NaN, {"b/~": null}], "é\\u0061\\ud83d\\ude00": "\\n", "a": [{}]}'.encode()
    text = struct.pack("<Q", 20) + b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama"
    tensor = struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 32, 0, 0)
    header = struct.pack("<4sIQQ", b"GGUF", 3, 1, 1) + text + tensor
    yield "a.gguf", header + bytes(-len(header) % 32) + bytes(128)
    yield "a.onnx", b"\x08\x07\x12\x04test\x3a\x04\x12\x02ab\x42\x04\x0a\x00\x10\x0d"
    yield ".gitattributes", b'[attr]lfs filter=lfs -text\n*.bin lfs\n"a b" -filter\na/**/[!x-z]?.pt filter=lfs # no\n'
    yield "a.py", b"import a.b as c\nfrom .d import *\ntry:\n    class E(F): x = 1\nexcept G as h: pass\n"
    yield "a.py", b"for i, *j in k: l: int = 1\nmatch m:\n    case {'n': o, **p}: (q := lambda: f'{r!s:>{t}}')\n"
    yield "a.toml", b'select = ["IDX"]\nfail-on = "note"\n[ignore]\nRMC001 = "why"\n[per-path."*.json"]\nFMT = "x"\n'


def measured(name: str, run: Run, tally: Tally, save: Path) -> Callable[[bytes], None]:
    """A function that runs one input and notes what it came to; a kind of fault is noted once."""
    known: set[str] = set()

    def fault(kind: str, data: bytes) -> None:
        if kind not in known:
            known.add(kind)
            save.mkdir(parents=True, exist_ok=True)
            path = save / f"{name}-{len(known)}.hex"
            path.write_text(data.hex(), encoding="ascii")
            tally.faults.append(f"{kind} ({path})")

    def one(data: bytes) -> None:
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            run(data)
        except Exception as error:  # noqa: BLE001 - any error but the typed one is what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault(f"{type(error).__name__} at {place.name}:{place.lineno}: {str(error)[:100]!r}", data)
        seconds = time.process_time() - start
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        tally.inputs += 1
        tally.slowest, tally.largest = max(tally.slowest, seconds), max(tally.largest, len(data))
        if tally.inputs > 100:  # the first inputs pay for imports and caches  # noqa: PLR2004
            tally.growth = max(tally.growth, growth)
        if seconds > SECONDS:
            fault("more than a second", data)
        if growth > GROWTH:
            fault("more than 64 MiB", data)

    return one


def search(name: str, seconds: float, save: Path, report: Path) -> None:
    """One target in this process; the tally is written to `report` every second or so."""
    target, tally = TARGETS[name], Tally()
    words = target.words()
    written = 0.0

    def write(*, now: bool = False) -> None:
        nonlocal written
        if now or time.monotonic() - written > 1:
            written = time.monotonic()
            report.write_text(json.dumps(asdict(tally)), encoding="ascii")

    start = seeds(target)
    atheris = _atheris()
    if atheris is None:
        one, dice, end = measured(name, target.begin(), tally, save), random.Random(0), time.monotonic() + seconds  # noqa: S311 - to be repeated
        corpus = [*start]
        while time.monotonic() < end:
            data = target.mutate(dice.choice(corpus), dice, words)
            one(data)
            if not dice.randrange(100):  # blind: now and then a change is kept, so that changes add up
                corpus = [*corpus[-1000:], data] if len(corpus) > 1000 else [*corpus, data]  # noqa: PLR2004
            write()
        write(now=True)
        return
    for module in [module for module in sys.modules if module.startswith("hfcheck")]:
        del sys.modules[module]  # to be imported again, with counters
    with atheris.instrument_imports(include=["hfcheck"]):
        one = measured(name, target.begin(), tally, save)

    def test(data: bytes) -> None:
        one(data)
        write()

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        dice = random.Random(seed)  # noqa: S311 - to be repeated
        changed = target.mutate(data, dice, words) if dice.randrange(3) else atheris.Mutate(data, size)
        return bytes(changed[:size])

    corpus_folder = Path(tempfile.mkdtemp())
    for number, data in enumerate(start):
        (corpus_folder / str(number)).write_bytes(data)
    # Zero seconds would mean: without end.
    limits = f"-max_total_time={max(round(seconds), 1)} -max_len={LARGEST} -timeout=60 -rss_limit_mb=2048"
    options = [*limits.split(), f"-dict={DICTIONARIES / target.dictionary}.dict"]
    atheris.Setup([sys.argv[0], *options, str(corpus_folder)], test, custom_mutator=mutate)
    atheris.Fuzz()


def _atheris() -> ModuleType | None:
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


def run_apart(name: str, seconds: float, save: Path) -> Tally:
    """One target in a process of its own: atheris does not return, and a crash of the interpreter is a result too."""
    with tempfile.TemporaryDirectory() as folder:
        report, log = Path(folder) / "tally.json", Path(folder) / "log"
        command = [sys.executable, __file__, "--reader", name, "--seconds", str(seconds), "--save", str(save)]
        with log.open("wb") as stream:
            done = subprocess.run([*command, "--report", str(report)], stdout=stream, stderr=stream, check=False)  # noqa: S603 - ourselves
        tally = Tally(**json.loads(report.read_text(encoding="ascii"))) if report.exists() else Tally()
        text = log.read_text(encoding="utf-8", errors="replace")
    tally.coverage = max((int(number) for number in re.findall(r" cov: (\d+)", text)), default=0)
    tally.inputs = max(
        tally.inputs, *(int(number) for number in re.findall(r"^Done (\d+) runs", text, re.MULTILINE)), 0
    )
    if done.returncode:
        tally.faults.append(f"the process ended with {done.returncode}: {text[-300:]!r}")
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for each reader (default: 60)")
    parser.add_argument("--reader", action="append", choices=list(TARGETS), help="only this one; may come again")
    parser.add_argument("--save", type=Path, default=Path("fuzz-findings"), help="folder for inputs that are faults")
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.report is not None:
        search(options.reader[0], options.seconds, options.save, options.report)
        return 0
    print("guided by coverage (atheris)" if _atheris() else "blind (atheris is not installed)")
    faults = 0
    for name in options.reader or TARGETS:
        tally = run_apart(name, options.seconds, options.save)
        faults += len(tally.faults)
        print(
            f"{name}: {tally.inputs:,} inputs in {options.seconds:.0f} s, coverage {tally.coverage}, slowest "
            f"{tally.slowest:.3f} s, largest {tally.largest:,} bytes, growth {tally.growth // 2**20} MiB, "
            f"{len(tally.faults)} faults",
            flush=True,
        )
        for fault in tally.faults:
            print(f"  {fault}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
