"""Makes the examples: `tiny-llama`, a small real checkpoint, and `tiny-llama-broken`, the same after four accidents.

Run it with the versions of `constraints.txt`; `--check` writes nothing and compares the bytes with those in the folder.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
CORPUS = ROOT / "LICENSE"
"""What the tokenizer learns from: a text that ships with the project and never changes."""

WHOLE, BROKEN = "tiny-llama", "tiny-llama-broken"
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# {name}

{text} Made by `tools/make_examples.py` of hfcheck.
"""
CARDS = {
    WHOLE: "A Llama of 36,000 random weights in three shards, with a tokenizer. Nothing is wrong with it.",
    BROKEN: "`tiny-llama` after four accidents, each of a kind that published models have had.",
}


def make_whole(folder: Path) -> None:
    """A checkpoint as `save_pretrained` writes it, in three shards."""
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        dtype=torch.bfloat16,
    )
    model = LlamaForCausalLM(config).bfloat16()
    fill(model)
    model.save_pretrained(folder, max_shard_size="32KB")
    tokenizer(config.vocab_size).save_pretrained(folder)
    for_all_readers(folder)
    (folder / "README.md").write_text(CARD.format(name=WHOLE, text=CARDS[WHOLE]))


def fill(model: LlamaForCausalLM) -> None:
    """Weights from the standard library: those of torch differ in the last bit from one kind of CPU to the next."""
    numbers = random.Random(0)  # noqa: S311 - weights, no secrets
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if name.endswith("norm.weight"):
                continue  # ones, as they begin in every Llama
            values = [(byte - 127.5) / 4096 for byte in numbers.randbytes(weight.numel())]
            weight.copy_(torch.tensor(values).view(weight.shape))


def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of `size` tokens."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learner.train_from_iterator(CORPUS.read_text().splitlines(), trainer)
    # The constructor has no types in transformers 5.23.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=learner, model_max_length=256, **SPECIAL
    )


def for_all_readers(folder: Path) -> None:
    """The tokenizer in the forms that transformers 4 reads as well."""
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["model"]["merges"] = [" ".join(merge) for merge in document["model"]["merges"]]
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def lose_a_tensor(folder: Path) -> None:
    """A shard saved again without one tensor, beside the index of before. The loader fills in random numbers."""
    shard = folder / "model-00001-of-00003.safetensors"
    tensors = load_file(shard)
    del tensors["model.layers.0.mlp.gate_proj.weight"]
    save_file(tensors, shard, metadata={"format": "pt"})


def leave_a_conflict(folder: Path) -> None:
    """A merge that nobody finished. The loader drops the whole file without a word."""
    path = folder / "generation_config.json"
    line = '  "use_cache": true'
    sides = f'<<<<<<< HEAD\n{line}\n=======\n  "temperature": 0.6,\n{line}\n>>>>>>> feature/sampling'
    path.write_text(path.read_text().replace(line, sides))


def leave_a_pointer(folder: Path) -> None:
    """A clone made without git-lfs, uploaded again. The loader says `Expecting value: line 1 column 1 (char 0)`."""
    path = folder / "tokenizer.json"
    data = path.read_bytes()
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(data).hexdigest()}\nsize {len(data)}\n"
    path.write_text(text)


def name_foreign_code(folder: Path) -> None:
    """Code of another repository, at whatever its main branch holds on the day: `trust_remote_code` would run it."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "example-org/tiny--modeling_tiny.TinyForCausalLM"}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


ACCIDENTS: tuple[Callable[[Path], None], ...] = (
    lose_a_tensor, leave_a_conflict, leave_a_pointer, name_foreign_code,
)  # fmt: skip
"""Not one of them stops `AutoModelForCausalLM.from_pretrained`; the pointer stops `AutoTokenizer`."""


def make(folder: Path) -> None:
    """Both examples, below `folder`."""
    whole, broken = folder / WHOLE, folder / BROKEN
    for path in (whole, broken):
        shutil.rmtree(path, ignore_errors=True)
    make_whole(whole)
    shutil.copytree(whole, broken)
    for accident in ACCIDENTS:
        accident(broken)
    (broken / "README.md").write_text(CARD.format(name=BROKEN, text=CARDS[BROKEN]))
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # save_pretrained leaves shards to their owner alone


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of both examples."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for name in (WHOLE, BROKEN)
        for path in (folder / name).rglob("*")
        if path.is_file()
    }


def check() -> int:
    """Exit code 1 where the examples in the folder are not what this script makes."""
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        make(fresh)
        wanted, found = contents(fresh), contents(EXAMPLES)
    stale = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    for path in stale:
        print(f"examples/{path} is not what tools/make_examples.py makes", file=sys.stderr)
    return 1 if stale else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    if parser.parse_args().check:
        return check()
    make(EXAMPLES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
