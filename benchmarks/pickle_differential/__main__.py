"""Compares hfcheck with the unpicklers of this Python: `python -m benchmarks.pickle_differential --streams 200000`.

Each stream is made from its number, so that `--generator NAME --first NUMBER --streams 1` makes one again. What does
not agree is printed once for each sort, with the shortest stream that was met, and the exit code is 1.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic

from benchmarks.pickle_differential.compare import Disagreement
from benchmarks.pickle_differential.oracle import Oracle
from benchmarks.pickle_differential.search import GENERATORS, Compared, Stream, compared, stream

PROGRESS = 10_000
"""Streams after which a line is printed."""


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    streams: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    exhausted: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    sorts: Counter[str] = field(default_factory=Counter)
    shortest: dict[str, tuple[Stream, Disagreement]] = field(default_factory=dict)
    slowest: tuple[float, Stream | None] = (0.0, None)
    seconds: float = 0.0
    disagreeing: int = 0

    def add(self, one: Compared) -> None:
        self.streams[one.stream.generator] += 1
        for answer in one.answers:
            self.answers += 1
            self.exhausted += not answer.loads
            for load in answer.loads:
                self.ended["STOP" if load.error is None else load.error.split(":")[0]] += 1
                self.notes.update(note.kind for note in load.notes)
        self.seconds += one.seconds
        self.disagreeing += bool(one.disagreements)
        self.slowest = max(self.slowest, (one.seconds, one.stream), key=lambda entry: entry[0])
        for what in one.disagreements:
            self.sorts[what.sort] += 1
            known = self.shortest.get(what.sort)
            if known is None or len(one.stream.data) < len(known[0].data):
                self.shortest[what.sort] = one.stream, what


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2000, help="in all (default: 2000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first of each generator")
    parser.add_argument("--generator", action="append", choices=list(GENERATORS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--python", default=sys.executable, help="whose unpicklers are asked (default: this one's)")
    options = parser.parse_args()
    names = options.generator or list(GENERATORS)

    def streams() -> Iterator[Stream]:
        for number in range(options.streams):
            yield stream(names[number % len(names)], options.first + number // len(names), options.seed)

    tally, start = Tally(), monotonic()
    with Oracle(options.python) as oracle:
        for one in compared(streams(), oracle):
            tally.add(one)
            if not sum(tally.streams.values()) % PROGRESS:
                done = sum(tally.streams.values())
                print(f"{done:,} streams, {tally.disagreeing} disagreements", file=sys.stderr, flush=True)
    _print(tally, monotonic() - start)
    return 1 if tally.sorts else 0


def _print(tally: Tally, seconds: float) -> None:
    total = sum(tally.streams.values())
    print(f"{total:,} streams in {seconds:.0f} s: " + ", ".join(f"{name} {n:,}" for name, n in tally.streams.items()))
    print(f"{tally.answers:,} runs of real machines, {tally.exhausted} of them killed or exhausted")
    print("they did: " + ", ".join(f"{name} {n:,}" for name, n in tally.notes.most_common()))
    print("they ended with: " + ", ".join(f"{name} {n:,}" for name, n in tally.ended.most_common(12)))
    slowest, which = tally.slowest
    place = "" if which is None else f" ({which.generator} {which.number}, {len(which.data)} bytes)"
    print(f"hfcheck: {tally.seconds:.0f} s of CPU in all, the slowest stream {slowest:.3f} s{place}")
    print(f"{tally.disagreeing:,} streams on which they disagree, of {len(tally.sorts)} sorts")
    for sort, count in tally.sorts.most_common():
        one, what = tally.shortest[sort]
        print(
            f"\n{sort}: {count} times, the shortest {one.generator} {one.number}\n  {one.data.hex()}\n  {what.detail}"
        )


if __name__ == "__main__":
    sys.exit(main())
