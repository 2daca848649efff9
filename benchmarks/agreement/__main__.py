"""Gives tiny damaged models to transformers and to hfcheck, and compares: `python -m benchmarks.agreement --out FILE`.

The file has one line for each case; a run that was stopped goes on where it was. With `--report` the table in
docs/agreement.md is written from it.
"""

import argparse
import logging
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch

from benchmarks.agreement import cases, compare, models, table
from benchmarks.agreement.models import Architecture
from benchmarks.agreement.plan import Plan


def main() -> int:
    options = _parser().parse_args()
    _quiet()
    if options.rejudge:
        cases.rejudge(cases.read(options.rejudge), options.out)
    elif not options.only_report:
        _run(options)
    if options.part:
        return 0
    agreement = compare.agreement(cases.read(options.out))
    print(table.summary(agreement))
    if options.misses:
        print(table.misses(agreement, limit=options.misses))
    if options.report:
        table.write(agreement)
    return 0 if agreement.verdicts >= options.bar and not agreement.alarms and not agreement.crashes else 1


def _run(options: argparse.Namespace) -> None:
    """In this process, or in several that each take a share and append to the same file."""
    if options.jobs == 1 or options.part:
        plan = Plan.of(options.seed, _chosen(options.classes, options.types), options.cases)
        share = plan.part(*options.part) if options.part else plan
        cases.run(share, options.out, _end(options.minutes), judged=not options.oracle_only)
        return
    command = [sys.executable, "-m", "benchmarks.agreement", *sys.argv[1:], "--part"]
    parts = [f"{number}/{options.jobs}" for number in range(options.jobs)]
    workers = [subprocess.Popen([*command, part]) for part in parts]
    codes = [worker.wait() for worker in workers]  # of all: none may go on after this process
    if any(codes):
        sys.exit("a process failed; the same command goes on where they were")


def _end(minutes: float | None) -> float:
    return float("inf") if minutes is None else time.monotonic() + 60 * minutes


def _chosen(classes: str, types: list[str] | None) -> list[Architecture]:
    found = models.certified() if classes == "certified" else models.architectures()
    return [architecture for architecture in found if types is None or architecture.model_type in types]


def _quiet() -> None:
    """One thread, and nothing of what the loader prints about each damaged model."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)


def _part(text: str) -> tuple[int, int]:
    number, of = text.split("/")
    return int(number), int(of)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.agreement", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="lines of JSON, gone on with if it is there")
    parser.add_argument("--seed", type=int, default=7, help="default: 7")
    parser.add_argument("--cases", type=int, default=5000, help="about so many, spread over the classes")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--classes", choices=("certified", "all"), default="certified")
    parser.add_argument("--types", nargs="+", help="of these model types only")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--part", type=_part, help=argparse.SUPPRESS)
    parser.add_argument("--oracle-only", action="store_true", help="ask the loader and not hfcheck")
    parser.add_argument("--rejudge", type=Path, metavar="FILE", help="ask only hfcheck, about the cases of this file")
    parser.add_argument("--only-report", action="store_true", help="run nothing")
    parser.add_argument("--misses", type=int, nargs="?", const=50, default=0, help="show so many disagreements")
    parser.add_argument("--report", action="store_true", help="write the table into docs/agreement.md")
    parser.add_argument(
        "--bar",
        type=float,
        default=0.0,
        help="share of agreeing verdicts below which to exit with 1, as with any false alarm or crash",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
