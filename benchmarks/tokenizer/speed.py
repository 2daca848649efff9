"""What a tokenizer costs to check and to load, side by side: seconds of CPU and MB, the least of several runs.

    python -m benchmarks.tokenizer.speed [FOLDER ...]

Without a folder: a tokenizer.json of 30 MB, with 262,000 tokens and 500,000 merges as pairs, and one of a few KB.
"""

import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

RUNS = 5

LOAD = "import sys; from transformers import AutoTokenizer; print(len(AutoTokenizer.from_pretrained(sys.argv[1])))"
READ = "import sys; from tokenizers import Tokenizer; Tokenizer.from_file(sys.argv[1] + '/tokenizer.json')"
PARSE = "import sys, json; json.load(open(sys.argv[1] + '/tokenizer.json', encoding='utf-8'))"
TABLE = (
    "import sys; from hfcheck.facts import units; from hfcheck.repository import scan\n"
    "table = units(scan(sys.argv[1]))[0].tokens; print(len(table), table.highest, table.certain)"
)

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "json.load of tokenizer.json": [sys.executable, "-c", PARSE],
    "hfcheck check": [sys.executable, "-m", "hfcheck", "check", "--isolated"],
    "the token table alone": [sys.executable, "-c", TABLE],
    "tokenizers.Tokenizer.from_file": [sys.executable, "-c", READ],
    "AutoTokenizer.from_pretrained": [sys.executable, "-c", LOAD],
}

LETTERS = "abcdefghijklmnopqrstuvwxyzäöüßéèçñ"


def make(folder: Path, words: int) -> None:
    """A BPE tokenizer of so many tokens, and about two merges for each."""
    letters = [*LETTERS, "▁"]
    tokens = list(letters)
    merges: list[list[str]] = []
    for left, right in product(range(words), range(len(letters))):
        if len(tokens) >= words:
            break
        made = tokens[left] + letters[right]
        tokens.append(made)
        merges.append([tokens[left], letters[right]])
    known = set(tokens)
    for token in tokens:  # another way to each, as real ones have it
        if len(merges) < 2 * words and len(token) > 2 and token[1:] in known:
            merges.append([token[0], token[1:]])
    document = {
        "version": "1.0",
        "added_tokens": [],
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(dict.fromkeys(tokens))},
            "merges": merges,
        },
    }
    folder.mkdir()
    text = json.dumps(document, ensure_ascii=False, indent=2)
    folder.joinpath("tokenizer.json").write_text(text, encoding="utf-8")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def cost(command: list[str]) -> tuple[float, float]:
    """Seconds of CPU and MB of a program."""
    probe = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, "
        "stderr=subprocess.DEVNULL); used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    found = subprocess.run([sys.executable, "-c", probe, *command], capture_output=True, text=True, check=True)
    seconds, memory = found.stdout.split()
    return float(seconds), int(memory) / 1024


def main(folders: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        if not folders:
            for name, words in (("large", 262_144), ("small", 300)):
                make(Path(scratch, name), words)
                folders.append(str(Path(scratch, name)))
        for folder in folders:
            size = Path(folder, "tokenizer.json").stat().st_size
            print(f"tokenizer.json of {size:,} bytes ({Path(folder).name})")
            for name, command in COMMANDS.items():
                found = [cost([*command, folder]) for _ in range(RUNS)]
                print(f"  {name:32} {min(row[0] for row in found):6.2f} s {min(row[1] for row in found):7.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
