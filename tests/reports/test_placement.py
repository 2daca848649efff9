"""The report of a dry run, as text and as JSON, in the situations that people meet, and with hostile names."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from hfcheck.facts import Kind
from hfcheck.finding import At, Finding, Severity, visible
from hfcheck.loading.judge import Load, not_checked
from hfcheck.locate import Located
from hfcheck.placement.device import Key, devices
from hfcheck.placement.model import Model, Module
from hfcheck.placement.offload import Offload
from hfcheck.placement.parallel import Parallel, Rank, Rule
from hfcheck.placement.plan import Plan, PlannerRaises, Stop
from hfcheck.placement.rehearsed import Copied, CopyFailure, FileRead, NonFinite, Promise, Rehearsed, Skip
from hfcheck.placement.result import Change, DeviceUse, DryRun, Largest, Term
from hfcheck.placement.shards import Read
from hfcheck.placement.size import size, span
from hfcheck.placement.target import Target
from hfcheck.report import Report, RepositoryReport
from hfcheck.reports import bar, placement, placement_json, text

GIB, MIB = 2**30, 2**20
LOADS = Load("LlamaForCausalLM", "loads")
LAYERS = tuple(f"model.layers.{number}" for number in range(15))
STOP = Stop(0, "model.layers.17", 417 * MIB, 2.4 * GIB, 3.1 * GIB, 0.5 * GIB, "lm_head")
INDEX = "model-00001-of-00002.safetensors"


def model(*, inexact: str = "") -> Model:
    return Model("LlamaForCausalLM", Module(), {}, {}, frozenset(), frozenset(), "BF16", not inexact, inexact)


def terms(weights: float, cache: float = 0, estimate: tuple[float, float] = (0, 0)) -> tuple[Term, ...]:
    low, high = estimate
    parts = [("weights", weights, weights), ("kv-cache", cache, cache), ("activations", low, high)]
    return tuple(Term(name, int(low * GIB), int(high * GIB)) for name, low, high in parts if high)


def planned(*uses: DeviceUse, stops: tuple[Stop, ...] = (), inexact: str = "", **others: Any) -> DryRun:  # noqa: ANN401
    target = Target(tuple(use.device for use in uses if use.is_listed))
    plan = Plan({"model": 0, "lm_head": "cpu"}, {0: 3.1 * GIB}, stops=stops)
    return replace(DryRun(target, model(inexact=inexact), devices=uses, context=4096), **{"plan": plan, **others})


def use(device: str, parts: tuple[Term, ...], **others: Any) -> DeviceUse:  # noqa: ANN401
    return DeviceUse(devices([device])[0], parts, **others)


def report(dry_run: DryRun | None, *, load: Load = LOADS, rehearsed: Rehearsed | None = None) -> Report:
    repository = RepositoryReport("models/a", Kind.TRANSFORMERS, "LlamaForCausalLM", load, 9, (), ())
    return Report((replace(repository, dry_run=dry_run, rehearsed=rehearsed),), (), version="0.1.0")


def lines(
    dry_run: DryRun | None, width: int = 100, *, load: Load = LOADS, rehearsed: Rehearsed | None = None
) -> list[str]:
    return placement.render(report(dry_run, load=load, rehearsed=rehearsed), width).splitlines()


def with_a_finding(given: Report) -> Report:
    finding = Finding("DEV001", "does-not-fit", Severity.ERROR, At("config.json"), "It does not fit.", "Buy more.")
    (repository,) = given.repositories
    return replace(given, repositories=(replace(repository, findings=(Located(finding, 1, 1),)),))


FITS = planned(
    use(
        "0=24GiB:sm_80",
        terms(13.5, 2, (0.5, 1.9)),
        modules=("model.embed_tokens", *LAYERS, "model.norm", "lm_head"),
        reads=(Read(INDEX, ((100, 100 + 10 * GIB),)), Read("b c.safetensors", ((0, int(3.5 * GIB)),))),
    ),
    use("cpu=64GiB", ()),
    use("disk", ()),
    stops=(STOP,),
)


def test_a_model_that_fits() -> None:
    assert lines(FITS) == [
        "fits (estimated)  ./models/a  LlamaForCausalLM",
        "  device map auto of transformers 5.23.0, BF16, 1 sequence of 4,096 tokens (the default)",
        "",
        "     0 [###########################kkkk~~~~             ] 16.0 to 17.4 GiB of 24.0 GiB  fits",
        "   cpu [                                                ] 0 B of 64.0 GiB               fits",
        "  disk                                                    0 B, no limit                 fits",
        "  # weights and buffers   k cache of generation   ~ estimated, at most",
        "",
        "  device 0, sm_80",
        "    | holds model.embed_tokens, model.layers.0 to 14, model.norm, lm_head",
        "    | needs weights 13.5 GiB, kv-cache 2.00 GiB; estimated 512 MiB to 1.90 GiB for activations",
        f'    | reads 10.0 GiB of {INDEX}, 3.50 GiB of "b c.safetensors"',
        "    | full: model.layers.17 needs 417 MiB, 205 MiB left: 3.10 GiB budget - 2.40 GiB used - 512 MiB",
        "    |   kept free for lm_head",
        "  cpu",
        "    | holds nothing",
        "  disk",
        "    | holds nothing",
        "",
        "no findings",
    ]


def test_the_verdict_comes_first_and_the_remedy_last() -> None:
    change = Change("28.0 GiB on device 0 instead of 24.0 GiB", "fits", 0, 28 * GIB)
    worse = Change("--dtype float16", "tight")
    dry_run = planned(use("0=24GiB", terms(27, 1)), changes=(worse, change))
    said = placement.render(with_a_finding(report(dry_run)), 100).splitlines()
    assert said[0] == "does not fit  ./models/a  LlamaForCausalLM"
    assert said[-3:] == [
        "1 error, 0 warnings, 0 notes",
        "`hfcheck explain DEV001` says why it matters and how to put it right",
        "remedy: 28.0 GiB on device 0 instead of 24.0 GiB (fits then)",
    ]


@pytest.mark.parametrize(
    ("dry_run", "load", "verdict", "line"),
    [
        (planned(use("0=2GiB", terms(1, 0, (0.5, 1.5)))), LOADS, "tight (estimated)", "  device map auto of"),
        (planned(use("0=9GiB", terms(1)), inexact="it is code"), LOADS, "fits (approximate)", "  approximate: it is"),
        (FITS, Load("X", "loads-reinitialised", missing=("a",)), "fits (estimated), with random weights", "  transf"),
        (
            FITS,
            Load("X", "raises", "a shard is missing"),
            "does not load",
            "  transformers 5.23.0: refuses it: a shard",
        ),
        (DryRun(FITS.target, incomplete="no header"), LOADS, "not known", "  nothing could be planned: no header"),
        (None, not_checked("no config"), "not known", "  transformers 5.23.0: not checked: no config"),
        (
            DryRun(FITS.target, model(), raises=PlannerRaises("KeyError", "0 is no key")),
            LOADS,
            "does not work",
            "  the planner of transformers 5.23.0 raises KeyError: 0 is no key",
        ),
    ],
)
def test_what_is_said_first(dry_run: DryRun | None, load: Load, verdict: str, line: str) -> None:
    said = lines(dry_run, load=load)
    assert said[0] == f"{verdict}  ./models/a  LlamaForCausalLM"
    assert any(other.startswith(line) for other in said[1:4])


def test_what_has_room_and_an_error_is_not_told_to_fit_alone() -> None:
    """Heads that do not divide, a number format that the device does not have."""
    said = placement.render(with_a_finding(report(FITS)), 100).splitlines()
    assert said[0] == "fits (estimated), but with 1 error  ./models/a  LlamaForCausalLM"


def test_where_there_is_no_change_the_hint_of_the_error_is_the_remedy() -> None:
    said = placement.render(with_a_finding(report(planned(use("0=24GiB", terms(27, 1))))), 100).splitlines()
    assert said[-1] == "remedy: Buy more."
    assert "remedy" not in "\n".join(lines(FITS))
    refused = lines(FITS, load=Load("X", "raises", "a shard is gone"))
    assert refused[-1] == 'remedy: `hfcheck check "models/a"` says why it is loaded in this way or not at all'


def test_nothing_is_said_to_fit_that_does_not_load() -> None:
    refused = Load("X", "raises", "a shard is missing")
    assert "fits" not in placement.render(report(FITS, load=refused))
    document = placement_json.document(report(FITS, load=refused))
    assert (document["verdict"], document["devices"], document["device_map"]) == ("incomplete", [], None)


def test_every_figure_of_an_approximate_tree_says_so() -> None:
    approximate = replace(FITS, model=model(inexact="it is code"), offload=Offload("transformers", folder=GIB))
    said = "\n".join(lines(approximate, 1000))
    figures = re.findall(r"(about (?:[0-9.]+ (?:[KMGT]iB )?to )?)?\b([0-9.]+ (?:[KMGT]i)?B)\b", said)
    assert "    | holds about 18 modules" in said.splitlines(), "no map that could be copied"
    of_devices = {"24.0 GiB", "64.0 GiB", "3.10 GiB"}
    assert {figure for about, figure in figures if not about} == of_devices
    assert not re.search("about [0-9]", "\n".join(lines(FITS)))


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_too_long(count: int, width: int) -> None:
    several = tuple(
        replace(FITS.devices[0], device=device)
        for device in devices([f"0-{count - 1}=24GiB" if count > 1 else "0=1GiB"])
    )
    said = lines(replace(FITS, devices=several), width)
    assert max(len(line) for line in said if INDEX not in line) <= width
    assert sum(line.lstrip()[:1].isdigit() for line in said) == count


def test_a_device_that_is_not_listed() -> None:
    stranger = replace(use("3=1GiB", terms(1)), is_listed=False)
    said = lines(planned(use("0=9GiB", terms(1)), stranger))
    assert re.fullmatch(" {2}3 +1.00 GiB, not listed +does not fit", next(line for line in said if "listed" in line))


def test_why_a_device_is_empty() -> None:
    said = lines(planned(use("0=1GiB", (), minimum=3 * GIB)))
    assert "    | empty: a budget of 3.00 GiB would have taken the first module" in said
    said = lines(planned(use("0=1GiB", (), minimum=3 * GIB), stops=(STOP,)), 200)
    assert any(line.endswith("kept free for lm_head; a budget of 3.00 GiB would have taken it") for line in said)


def drawn(parts: tuple[Term, ...], given: str = "0=8GiB", columns: int = 16, stop: Stop | None = None) -> str:
    plan = Plan({}, stops=(stop,) if stop is not None else ())
    found = bar.bar(use(given, parts), plan, columns)
    assert found is not None
    assert len(found.parts) == columns
    return "".join(bar.ASCII[part] for part in found.parts)


def test_bars() -> None:
    assert drawn(()) == " " * 16
    assert drawn(terms(4, 2, (0, 1))) == "########kkkk~~  "
    assert drawn(terms(0.01)) == "#               ", "a little is seen"
    assert drawn(terms(8)) == "#" * 16
    assert drawn(terms(16)) == "########|#######", "the limit is in the middle of twice as much"
    assert drawn((*terms(2), Term("onload", GIB, GIB))) == "####++          "
    assert drawn(terms(2), stop=Stop(0, "x", 9 * GIB, 2 * GIB, 6 * GIB, GIB, "y")) == "####      --    "
    assert drawn((), "0=0GiB") == " " * 16
    assert drawn(terms(1), "0=0GiB") == "|###############"
    assert bar.bar(use("disk", terms(1)), None, 16) is None


@pytest.mark.parametrize(
    ("largest", "said"),
    [
        (Largest(9000, 12000, 0), "9,000 tokens by the high end of the estimates, 12,000 tokens by their low end"),
        (Largest(256, 256), "256 tokens"),
        (Largest(0, 1, "cpu"), "no token by the high end of the estimates, 1 token by their low end; cpu is full then"),
        (Largest(5, None), "5 tokens by the high end of the estimates, any number by their low end"),
        (Largest(None, None), None),
    ],
)
def test_the_largest_context(largest: Largest, said: str | None) -> None:
    written = " ".join(placement.render(report(replace(FITS, largest_context=largest)), 200).split())
    assert ("largest context: " in written) == (said is not None)
    assert said is None or f"largest context: {said}" in written


def test_runs_of_modules_are_put_together() -> None:
    def holds(*modules: str) -> str:
        plan = Plan(dict.fromkeys(modules, 0))
        said = lines(planned(use("0=9GiB", terms(1), modules=modules), plan=plan))
        return next(line for line in said if "holds" in line).partition("holds ")[2]

    assert holds("") == "the whole model"
    assert holds("", "h") == "all that no other key covers, h"
    assert holds("h.0", "h.1", "h.2", "h.4", "g.5") == "h.0 to 2, h.4, g.5"
    assert holds("h.0", "h.01", "h.2") == "h.0, h.01, h.2"
    assert holds("0", "1", "2") == "0 to 2"
    assert holds("a", "b", "c", "d", "e.0", "e.1", "f") == "a, b, c, d and 3 more modules"
    assert holds("a b", "::error::x", f"h.{'9' * 5000}").startswith('"a b", "::error::x", "h.9999')


def test_parallel_and_rehearsal() -> None:
    parallel = Parallel(2, 1, 1, tuple(Rank(number, 0, 7 * GIB, 0) for number in (0, 1)), (), {}, 13 * GIB, 12 * GIB, 2)
    rehearsed = Rehearsed(
        (FileRead("a.safetensors", 10, 10, sha256="0" * 64, promised=Promise("0" * 64)),),
        (Copied(0, "cuda:0", 2, 10, 5), Copied(1, "meta", 1, 10)),
        skipped=(Skip("the file", "it is a pointer", "b.safetensors"),),
        scanner="numpy 2.4.6",
        seconds=1.25,
    )
    said = lines(replace(FITS, parallel=parallel), 120, rehearsed=rehearsed)
    for line in (
        "  parallel: 12.0 GiB of weights are divided in 2 ranks, 1.00 GiB are whole",
        "  parallel: the cache of keys and values is divided by 2",
        "  rehearsal: 10 B of 1 file read in 1.2 s, values looked at with numpy 2.4.6",
        "  rehearsal: sha256 of 1 file computed, and 1 of 1 known ones are right",
        "  rehearsal: 2 tensors (10 B) copied to device 0 (cuda:0), 5 B at most at a time by its own counter",
        "  rehearsal: 1 tensor (10 B) for device 1, which is not here",
        '  rehearsal: not done: the file "b.safetensors": it is a pointer',
    ):
        assert line in said


def test_sizes() -> None:
    assert [size(number) for number in (0, 1023, 1024, 417 * MIB, 1003 * MIB, 24 * GIB, GIB - 1, 100 * GIB)] == [
        "0 B", "1023 B", "1.00 KiB", "417 MiB", "1003 MiB", "24.0 GiB", "1.00 GiB", "100 GiB",
    ]  # fmt: skip
    assert span(512 * MIB, GIB) == "512 MiB to 1.00 GiB"
    assert span(16 * GIB, 17 * GIB) == "16.0 to 17.0 GiB"
    assert span(GIB, GIB + 1) == "1.00 GiB"


@cache
def schema() -> Validator:
    content = json.loads((Path(__file__).parents[2] / "schemas" / "dry-run.schema.json").read_text())
    validator = validator_for(content)
    validator.check_schema(content)
    return validator(content)


def document(given: Report) -> dict[str, Any]:
    written = placement_json.render(given)
    assert written.isascii()
    assert not re.search(r"[<>&]|##", written)
    read: dict[str, Any] = json.loads(written)
    assert list(schema().iter_errors(read)) == []
    return read


def test_what_the_json_takes_from_the_report_of_a_check_is_the_same() -> None:
    schemas = Path(__file__).parents[2] / "schemas"
    ours, theirs = (
        json.loads((schemas / f"{name}.schema.json").read_text())["$defs"] for name in ("dry-run", "report")
    )
    assert all(ours[name] == theirs[name] for name in ("count", "name", "load", "finding"))


def test_the_json_of_a_plan() -> None:
    change = Change("28.0 GiB on device 0", "fits", 0, 28 * GIB)
    found = document(report(replace(FITS, largest_context=Largest(5, None, 0), changes=(change,))))
    assert (found["verdict"], found["exact"], found["reason"]) == ("fits", True, "")
    assert found["device_map"] == {"model": 0, "lm_head": "cpu"}
    assert [entry["device"] for entry in found["devices"]] == [0, "cpu", "disk"]
    first = found["devices"][0]
    assert (first["low"], first["high"], first["capacity"]) == (16 * GIB, int(17.4 * GIB), 24 * GIB)
    assert first["shards"][0] == {
        "file": INDEX,
        "bytes": 10 * GIB,
        "ranges": [[100, 100 + 10 * GIB]],
        "unlocated": 0,
    }
    assert first["stopped_by"]["short"] == int(STOP.short)
    assert first["stopped_by"]["left"] == int(STOP.room)
    assert found["largest_context"] == {"low": 5, "high": None, "device": 0}
    assert found["smallest_change"] == found["changes"][0]


PIECES = ("\x00", "\x1b[31m", "\n", "\r", "\u2028", "\u202e", "\udc80", "::error::x", "##[error]", "##vso[", "<!--",
          "</script>", "&", "\\", '"', "{0}", " ", ".", "0", "é", "漢", "a")  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), st.integers(0, 0x10FFFF).map(chr)), max_size=5).map("".join)


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_hostile_names(data: st.DataObject) -> None:
    def draw() -> str:
        return data.draw(HOSTILE)

    key: Key = draw()
    uses = (
        use("0=9GiB", (Term(draw(), 1, 2, draw()),), modules=(draw(), draw()), reads=(Read(draw(), ((0, 1),)),)),
        replace(use("1=1GiB", terms(1)), device=replace(devices(["1=1GiB"])[0], key=key), is_listed=False),
    )
    stop = Stop(0, draw(), 3, 2, 4, 1, draw(), (draw(),))
    rehearsed = Rehearsed(
        (FileRead(draw(), 1, 1, draw(), "0" * 64, None, 1, (NonFinite(draw(), 1, 1, 0, 0, "NaN", 0, 0),), (draw(),)),),
        (Copied(key, draw(), 1, 1),),
        (CopyFailure(key, draw(), draw(), draw(), draw()),),
        (Skip(draw(), draw(), draw()),),
        draw(),
        draw(),
    )
    dry_run = replace(
        planned(*uses, stops=(stop,), inexact=draw(), not_checked=(draw(),), changes=(Change(draw(), "tight", key),)),
        plan=Plan({draw(): key}, stops=(stop,)),
        largest_batch=Largest(1, 2, key),
        parallel=Parallel(2, 1, 1, rules=(Rule(draw(), draw(), "tp", 1, 1, is_cut=True),)),
    )
    given = report(dry_run, load=Load(draw(), "loads-reinitialised", draw()), rehearsed=rehearsed)
    found = document(given)
    assert dry_run.plan is not None
    assert list(found["device_map"]) == [visible(name) for name in dry_run.plan.device_map]
    raised = report(replace(dry_run, plan=None, raises=PlannerRaises(draw(), draw())), rehearsed=rehearsed)
    document(raised)
    for width in (100, 50):
        for one in (given, raised):
            written = placement.render(one, width)
            assert all(char == "\n" or char.isprintable() or category(char) == "Zs" for char in written)
            assert not any(mark in written for mark in ("##[", "##vso["))
            assert not any(line.strip().startswith("::") for line in written.splitlines())
            coloured = placement.render(one, width, text.coloured, bar.ASCII)
            assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == written
