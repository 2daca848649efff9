"""Does hfcheck's specification of a class agree with the real class? The certification gate of the atlas.

    python -m tools.atlas.validate [--types ...] [--classes all|main] [--cases N] [--seed S] [--out results.jsonl]

Each class is compared on its tiny config and on `N` variations that together move every field it reads. A results file
is continued where it stopped. Exit code 1 if anything is wrong. Needs torch and transformers; takes about 20 minutes.
`--record FILE` keeps what the real classes said, `--replay FILE` compares with that again, in a minute or two.
"""

import argparse
import json
import logging
import os
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TextIO

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a few constructors would ask the Hub

import torch

from hfcheck.loading import atlas
from hfcheck.loading.conversions import transforms
from hfcheck.loading.draft import ConfigRaises, Unresolvable
from hfcheck.loading.resolve import resolve
from hfcheck.loading.spec import Spec, Submodel
from hfcheck.loading.tie import Untieable, pairs
from tools.atlas import classes
from tools.atlas.reality import TooLong
from tools.atlas.recorded import Case, Reality, Record, Refused, append, read
from tools.atlas.vary import cases, variations

Verdict = Literal["exact", "wrong", "not-certain", "refused", "refused-wrongly", "refusal-missed", "refusal-unknown"]
SHOWN: Final = 5
SAFE: Final = frozenset({"exact", "refused", "not-certain", "refusal-unknown", "refusal-missed"})
"""What makes no false finding. A refusal that is missed is a config of which hfcheck says less than there is to say."""

_LAST_WORDS: Final = 200


class Ours(ValueError):
    """hfcheck says that the config is refused."""


@dataclass(frozen=True, slots=True)
class Result:
    """One config of one class: what hfcheck made of it, and where it differs from the real class."""

    model_type: str
    class_name: str
    moves: tuple[str, ...]
    verdict: Verdict
    differences: tuple[str, ...]
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Certification:
    """Whether a class passed: no wrong answer, its tiny config known, every field that its constructor reads moved.

    `why_not` names what stands against it. `cases` counts the configs that the real class accepts, `agree` those of
    them that are exact; on the others hfcheck says that it does not know.
    """

    ok: bool
    cases: int
    why_not: tuple[str, ...]
    agree: int = 0


@dataclass(slots=True)
class Tally:
    """The verdicts of one class."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.counts[result.verdict] += 1
        if result.verdict not in SAFE and len(self.reasons) < SHOWN:
            at = ", ".join(result.moves[:SHOWN]) or "tiny config"
            self.reasons.append(f"{result.verdict} at {at}: {'; '.join(result.differences[:2])}"[:_LAST_WORDS])


def certify(
    model_type: str, class_name: str, count: int = 5, seed: int = 0, entries: atlas.Entries = atlas.entry
) -> Certification:
    """Compare a class on its tiny config and `count` variations. Never raises for what the class itself does.

    `entries` are those of the atlas; the generator hands in the ones that it has not written yet.
    """
    return certified(record(model_type, class_name, count, seed), entries)


def certified(known: Record, entries: atlas.Entries = atlas.entry) -> Certification:
    """The same on recorded cases."""
    if known.unbuildable:
        return Certification(ok=False, cases=0, why_not=(f"its tiny config does not build: {known.unbuildable}",))
    tally = Tally()
    found = list(results(known, entries))
    for result in found:
        tally.add(result)
    why_not = list(tally.reasons)
    if found[0].verdict == "not-certain":
        why_not.append(f"its tiny config is not certain: {'; '.join(found[0].differences)}"[:_LAST_WORDS])
    if known.unmoved:
        why_not.append(f"never moved: {', '.join(known.unmoved)}"[:_LAST_WORDS])
    accepted = sum(tally.counts[verdict] for verdict in ("exact", "wrong", "not-certain", "refused-wrongly"))
    return Certification(not why_not, accepted, tuple(why_not), tally.counts["exact"])


def record(model_type: str, class_name: str, count: int, seed: int) -> Record:
    """Ask the real class about its tiny config and its variations."""
    try:
        varied = variations(model_type, class_name)
        found = list(cases(varied, count, seed))
    except (Refused, TooLong) as error:
        return Record(model_type, class_name, (), (), str(error)[:_LAST_WORDS])
    return Record(model_type, class_name, found, varied.unmoved())


def results(known: Record, entries: atlas.Entries = atlas.entry) -> Iterator[Result]:
    """One for each case."""
    for case in known.cases:
        verdict, found = judged(known.model_type, known.class_name, case, entries)
        yield Result(known.model_type, known.class_name, case.moves, verdict, found[:SHOWN], case.config)


def judged(
    model_type: str, class_name: str, case: Case, entries: atlas.Entries = atlas.entry
) -> tuple[Verdict, tuple[str, ...]]:
    """The answer of hfcheck to one config, held against what the real class made of it."""
    refused = isinstance(case.truth, Refused)
    try:
        spec = ours(model_type, class_name, case.config, entries)
        ties = pairs(spec.tied, spec.submodels, spec.state)
    except (ConfigRaises, Ours, Untieable) as error:
        said = f"hfcheck: {type(error).__name__}: {error}"[:_LAST_WORDS]
        return ("refused", ()) if refused else ("refused-wrongly", (said,))
    except (Unresolvable, atlas.NotCertain, atlas.TooMany) as error:
        return ("refusal-unknown" if refused else "not-certain"), (str(error)[:_LAST_WORDS],)
    except Exception as error:  # noqa: BLE001 - a crash of ours is a wrong answer, whatever the real class says
        return "wrong", (f"hfcheck crashed: {type(error).__name__}: {error}"[:_LAST_WORDS],)
    if isinstance(case.truth, Refused):
        return "refusal-missed", (f"{case.truth.stage}: {case.truth}"[-_LAST_WORDS:],)
    found = tuple(differences(spec, ties, case.truth))
    return ("wrong" if found else "exact"), found


def ours(model_type: str, class_name: str, config: Mapping[str, Any], entries: atlas.Entries = atlas.entry) -> Spec:
    """What hfcheck says, from the atlas alone. Raises `Ours` where it says that the constructor raises."""
    entry = entries(model_type)
    if entry is None:
        raise Unresolvable(f"no entry for {model_type}")

    def configs(known: str) -> Mapping[str, Any] | None:
        found = entries(known)
        return None if found is None else found.config

    resolved = resolve(config, model_type, configs)
    broken = atlas.violated(entry, class_name, resolved, entries=entries)
    if broken is not None:
        raise Ours(broken.require)
    return atlas.spec(entry, class_name, resolved, entries=entries)


def differences(spec: Spec, ties: Mapping[str, str], truth: Reality) -> Iterator[str]:
    """What differs, most telling first: nothing if the specification is exact."""
    real = truth.spec
    yield from _named("missing", (name for name in real.state if name not in spec.state))
    yield from _named("extra", (name for name in spec.state if name not in real.state))
    wrong = [name for name in real.state if name in spec.state and spec.state[name] != real.state[name]]
    shown = (f"{name} {spec.state[name]} is {real.state[name]}" for name in wrong)
    yield from _named("shape", shown)
    yield from _named("integer", sorted(set(spec.integers) ^ set(real.integers)))
    if spec.base_prefix != real.base_prefix:
        yield f"base prefix {spec.base_prefix!r} is {real.base_prefix!r}"
    mine, other = ({_as_renamed(spec, one) for one in found.submodels} for found in (spec, real))
    if mine != other:  # among siblings the order does not matter: their renames have scopes of their own
        yield f"submodels {_few(mine - other)} are {_few(other - mine)}"
    if dict(ties) != dict(truth.ties):
        yield f"ties {_few(ties.items() - truth.ties.items())} are {_few(truth.ties.items() - ties.items())}"
    for key in ("ignore_missing", "ignore_unexpected"):
        mine, other = set(getattr(spec, key)), set(getattr(real, key))
        if mine != other:
            yield f"{key} {_few(mine - other)} is {_few(other - mine)}"
    if spec.model_type != real.model_type:
        yield f"model_type {spec.model_type!r} is {real.model_type!r}"


def _as_renamed(spec: Spec, submodel: Submodel) -> Submodel:
    """A submodel as far as its renames depend on it: few ask for the number of heads."""
    operations = (operation for one in transforms(spec) for operation in one.transform.operations)
    asks = any(operation.name == "PermuteForRope" for operation in operations)
    return submodel if asks else replace(submodel, heads=None)


def _named(what: str, names: Iterable[str]) -> Iterator[str]:
    found = list(names)
    if found:
        yield f"{what} {len(found)}: {', '.join(found[:3])}"


def _few(items: Iterable[object]) -> str:
    return str(sorted(map(str, items))[:3])


def main() -> int:
    """Compare, print a table of the types that are not exact, and say how fast it went."""
    options = _options()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    done = _done(options.out)
    started, judged_now = time.process_time(), 0
    with options.out.open("a", encoding="utf-8") as out:
        for known in _records(options, done):
            line = _line(known, options, out)
            judged_now += len(known.cases)
            done[known.model_type, known.class_name] = line
            out.write(json.dumps(line) + "\n")
            out.flush()
    seconds = time.process_time() - started
    print(_table(done))
    print(f"{judged_now} configs in {seconds:.0f} CPU seconds, {1000 * seconds / max(judged_now, 1):.1f} ms each")
    return int(any(line["counts"].get(verdict) for line in done.values() for verdict in ("wrong", "refused-wrongly")))


def _records(options: argparse.Namespace, done: Collection[tuple[str, str]]) -> Iterator[Record]:
    """What is still to be compared: of the file to replay, or asked now."""
    if options.replay:
        for known in read(options.replay):
            wanted = not options.types or known.model_type in options.types
            if wanted and (known.model_type, known.class_name) not in done:
                yield known
        return
    for model_type in options.types or classes.types():
        for class_name in _classes(model_type, options.classes):
            if (model_type, class_name) not in done:
                known = record(model_type, class_name, options.cases, options.seed)
                if options.record:
                    append(options.record, known)
                yield known


def _line(known: Record, options: argparse.Namespace, out: TextIO) -> dict[str, Any]:
    """The summary of a class; what is not exact is written at once."""
    tally = Tally()
    for result in results(known):
        tally.add(result)
        if result.verdict != "exact":
            shown = asdict(result)
            if result.verdict in SAFE:
                shown.pop("config")
            out.write(json.dumps(shown) + "\n")
    return {
        "type": known.model_type,
        "class": known.class_name,
        "seed": options.seed,
        "unmoved": known.unmoved,
        "unbuildable": known.unbuildable,
        "counts": dict(tally.counts),
        "reasons": tally.reasons,
    }


def _classes(model_type: str, which: str) -> tuple[str, ...]:
    names = classes.classes(model_type)
    if which == "all":
        return names
    auto = classes.auto(model_type).values()
    first = next((entry if isinstance(entry, str) else entry[0] for entry in auto), "")
    return tuple(name for name in names if name == first)


def _done(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The classes that an earlier run finished."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {(line["type"], line["class"]): line for line in lines if "counts" in line}


def _table(done: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    by_type: dict[str, Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    whole = 0
    for (model_type, _), line in done.items():
        by_type[model_type].update(line["counts"])
        by_type[model_type]["unbuildable"] += bool(line["unbuildable"])
        total.update(line["counts"])
        whole += bool(line["counts"]) and set(line["counts"]) <= SAFE
    names = [*Verdict.__args__, "unbuildable"]  # type: ignore[attr-defined]
    rows = [f"{'type':40}" + "".join(f"{name[:15]:>16}" for name in names)]
    for model_type, counts in sorted(by_type.items()):
        if any(counts[name] for name in names if name not in SAFE):
            rows.append(f"{model_type:40}" + "".join(f"{counts[name]:16}" for name in names))
    rows.append(f"{'all ' + str(len(by_type)) + ' types':40}" + "".join(f"{total[name]:16}" for name in names))
    return "\n".join([*rows, f"{whole} of {len(done)} classes without a wrong answer"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.atlas.validate", description=__doc__)
    parser.add_argument("--types", nargs="*", default=[])
    parser.add_argument("--classes", choices=("all", "main"), default="all")
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
