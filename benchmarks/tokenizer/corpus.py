"""The token table against `AutoTokenizer`, for every folder below another one that has a tokenizer.

python -m benchmarks.tokenizer.corpus FOLDER
"""

import os
import sys
from collections import Counter

from benchmarks.tokenizer.compare import compare
from hfcheck.tokens.build import MARKERS


def main(root: str) -> int:
    verdicts: Counter[str] = Counter()
    for folder, _, names in sorted(os.walk(root)):
        if MARKERS.isdisjoint(names):
            continue
        outcome = compare(folder)
        verdicts[outcome.verdict] += 1
        print(f"{outcome.verdict:12} {outcome.class_name:22} {os.path.relpath(folder, root)}", flush=True)
        for difference in outcome.differences:
            print(f"             {difference}")
    print(dict(verdicts))
    return 1 if verdicts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
