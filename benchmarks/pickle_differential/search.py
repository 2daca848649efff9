"""Where the streams come from, which machines are asked about each, and what comes out of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from time import process_time

from benchmarks.pickle_differential import compare, mutations, natural, programs
from benchmarks.pickle_differential.compare import Disagreement
from benchmarks.pickle_differential.oracle import Answer, Oracle
from benchmarks.pickle_differential.worker import RESULTS

MAX_STREAM = 2**16
WINDOWS = (2**18, 18, 25, 64, 1000, 2**18)
"""Bytes that our machine reads at once."""

_LENGTHS = (4, 8, 16, 16, 30, 60, 120)
_BATCH = 100


def _program(dice: Random) -> bytes:
    return b"".join(programs.program(dice, dice.choice(_LENGTHS), hostile=0))


def _hostile_program(dice: Random) -> bytes:
    return b"".join(programs.program(dice, dice.choice(_LENGTHS), hostile=dice.choice((0.01, 0.03, 0.2))))


def _framed(dice: Random) -> bytes:
    made = programs.program(dice, dice.choice(_LENGTHS), protocol=dice.choice((4, 5)), hostile=0.002)
    return b"".join(programs.framed(dice, made, hostile=bool(dice.randrange(3))))


def _changed_program(dice: Random) -> bytes:
    made, other = (programs.program(dice, dice.choice(_LENGTHS), hostile=0.003) for _ in range(2))
    return b"".join(mutations.change_program(made, dice, other))


def _changed_bytes(dice: Random) -> bytes:
    made, other = (dice.choice((_program, _framed, natural.pickled))(dice) for _ in range(2))
    return mutations.change_bytes(made, dice, other)


def _changed_pickle(dice: Random) -> bytes:
    return mutations.change_bytes(natural.pickled(dice), dice, natural.pickled(dice))


def _changed_frames(dice: Random) -> bytes:
    made = dice.choice((_framed, natural.pickled))(dice)
    for _ in range(dice.choice((1, 1, 2))):
        made = mutations.change_frames(made, dice)
    return made


def _stacked(dice: Random) -> bytes:
    """Pickles one behind the other, of which a later one may name what only an earlier one has set."""
    return b"".join(
        dice.choice((_program, _framed, natural.pickled))(dice) + dice.choice((b"",) * 6 + (b"\0", b"\n", b"ab"))
        for _ in range(dice.choice((2, 2, 3)))
    )


GENERATORS: dict[str, Callable[[Random], bytes]] = {
    "program": _program,
    "hostile program": _hostile_program,
    "framed": _framed,
    "pickle": natural.pickled,
    "changed program": _changed_program,
    "changed bytes": _changed_bytes,
    "changed pickle": _changed_pickle,
    "changed frames": _changed_frames,
    "stacked": _stacked,
}


@dataclass(frozen=True, slots=True)
class Stream:
    """`generator` and `number` make it again."""

    generator: str
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Compared:
    """One stream, and what came of it. `seconds` is our CPU time; `crash` an exception of ours, if there was one."""

    stream: Stream
    answers: tuple[Answer, ...]
    seconds: float
    disagreements: tuple[Disagreement, ...]


def stream(generator: str, number: int, seed: int = 0) -> Stream:
    dice = Random(f"{seed} {generator} {number}")  # noqa: S311 - to be repeated
    return Stream(generator, number, GENERATORS[generator](dice)[:MAX_STREAM])


def variants(one: Stream) -> list[str]:
    """Both machines on stubs that let them go as far as they can, in memory and behind buffers of several sizes.

    One more has results of another kind or another encoding.
    """
    dice = Random(one.number)  # noqa: S311 - to be repeated
    buffers = "yes" if b"\x97" in one.data else "no"
    kinds = ["class", *RESULTS, "object"]
    made = [f"python,bytes,class,latin1,{buffers}", f"c,unbuffered,class,latin1,{buffers}"]
    if b"\x95" in one.data:
        made += [f"c,{size},class,latin1,{buffers}" for size in (2**20, dice.choice((16, 24, 64)))]
        made += [f"python,16,class,latin1,{buffers}"] * (not dice.randrange(4))
    else:
        made += [f"c,{dice.choice((16, 64, 8192))},class,latin1,{buffers}"] * (not dice.randrange(3))
    made.append(
        f"{dice.choice(('c', 'python'))},{dice.choice(('bytes', 'unbuffered', '16'))},{dice.choice(kinds)},"
        f"{dice.choice(('ascii', 'latin1', 'bytes', 'utf-8'))},{dice.choice(('no', buffers))}"
    )
    return made


def compared(streams: Iterator[Stream], oracle: Oracle) -> Iterator[Compared]:
    batch: list[Stream] = []
    for one in streams:
        batch.append(one)
        if len(batch) == _BATCH:
            yield from _compared(batch, oracle)
            batch = []
    yield from _compared(batch, oracle)


def _compared(batch: list[Stream], oracle: Oracle) -> Iterator[Compared]:
    questions = [(one.data, variant) for one in batch for variant in variants(one)]
    answers = oracle.ask(questions)
    for one in batch:
        given = tuple(next(answers) for _ in variants(one))
        yield judged(one, given)


def judged(one: Stream, answers: tuple[Answer, ...]) -> Compared:
    start = process_time()
    try:
        found = compare.ours(one.data, WINDOWS[one.number % len(WINDOWS)])
    except Exception as error:  # noqa: BLE001 - any error is one too many, and the run goes on
        crash = Disagreement(f"crash {type(error).__name__}", f"{error}"[:200])
        return Compared(one, answers, process_time() - start, (crash,))
    seconds = process_time() - start
    return Compared(one, answers, seconds, tuple(compare.disagreements(one.data, found, answers)))
