"""Makes a stream on which the machines disagree shorter: `python -m benchmarks.pickle_differential.shrink HEX SORT`."""

import sys
from collections.abc import Callable

from benchmarks.pickle_differential.oracle import Oracle
from benchmarks.pickle_differential.search import Compared, Stream, judged, variants


def shrunk(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A stream from which no run of bytes can be taken, and still `fails`."""
    size = max(len(data) // 2, 1)
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def ask(oracle: Oracle, data: bytes, number: int = 0) -> Compared:
    one = Stream("", number, data)
    return judged(one, tuple(oracle.ask([(data, variant) for variant in variants(one)])))


def main() -> None:
    data, sort = bytes.fromhex(sys.argv[1]), sys.argv[2]
    with Oracle() as oracle:

        def fails(stream: bytes) -> bool:
            return any(what.sort == sort for n in range(4) for what in ask(oracle, stream, n).disagreements)

        data = shrunk(data, fails)
        print(data.hex(), data)
        for n in range(4):
            for what in ask(oracle, data, n).disagreements:
                print(what.sort, what.detail)
        for answer in ask(oracle, data).answers:
            print(answer)


if __name__ == "__main__":
    main()
