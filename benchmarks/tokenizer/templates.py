"""The ends of turns that hfcheck finds in a folder of chat templates, against what is written down of their families.

    pip download --no-deps trl && unzip trl-*.whl 'trl/chat_templates/*'
    python benchmarks/tokenizer/templates.py trl/chat_templates

Each template is read, and none rendered. Prints the templates whose end is not the one below, those of families that
are not below, and the processor time of the slowest.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from hfcheck.chat.template import ChatTemplate, analysed

ENDS: Mapping[str, str] = {
    "cohere": "<|END_OF_TURN_TOKEN|>", "deepseek": "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "diffusion_gemma": "<turn|>", "gemma4": "<turn|>", "gemma": "<end_of_turn>", "gptoss": "<|return|>",
    "idefics3": "<end_of_utterance>",
    "lfm2": "<|im_end|>", "llama3": "<|eot_id|>", "llava_next": "</s>", "muse_glimmer": "<|eom|>",
    "nemotron": "<|im_end|>", "phi3": "<|end|>", "qwen": "<|im_end|>", "smolvlm": "<end_of_utterance>",
    "glm4moe_training": "<|user|>", "glm4moe": "",
}  # fmt: skip
"""By how the name of the file begins, the longest first; an empty one is a turn that ends with the next one's begin."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    files = sorted(parser.parse_args().folder.glob("**/*.jinja"))
    wrong, slowest = 0, 0.0
    for path in files:
        started = time.process_time()
        found = analysed(path.read_text(encoding="utf-8"))
        slowest = max(slowest, time.process_time() - started)
        family = max((name for name in ENDS if path.name.startswith(name)), key=len, default=None)
        if family is None:
            print(f"{path.name}: not written down")
        elif not isinstance(found, ChatTemplate) or not _has(found, ENDS[family]):
            wrong += 1
            print(f"{path.name}: not {ENDS[family]!r}: {found}")
    print(f"{len(files)} templates, {wrong} wrong, the slowest in {slowest * 1000:.0f} ms")
    return 1 if wrong else 0


def _has(found: ChatTemplate, end: str) -> bool:
    texts = ["".join(piece for piece in ending if isinstance(piece, str)) for ending in found.endings]
    return any(end in text for text in texts) if end else texts == [""]


if __name__ == "__main__":
    sys.exit(main())
