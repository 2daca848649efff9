"""The report for people, in the situations that they meet."""

import re

import pytest

from hfcheck.facts import Kind
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.judge import UNCLAIMED, Load, not_checked
from hfcheck.locate import Located
from hfcheck.report import Ignored, Reason, Report, RepositoryReport, Skipped
from hfcheck.reports import text

LOADS = Load("LlamaForCausalLM", "loads")
PICTURE, POINTER = Skipped("a.png", Reason.UNKNOWN), Skipped("model.safetensors", Reason.POINTER)


def found(
    path: str, line: int | None = None, *, severity: Severity = Severity.ERROR, message: str = "wrong"
) -> Located:
    finding = Finding("IDX001", "index-shard-missing", severity, At(path), message, "Put it right.")
    return Located(finding, line, None if line is None else 5)


def repository(
    path: str = "models/a",
    *findings: Located,
    skipped: tuple[Skipped, ...] = (PICTURE,),
    ignored: tuple[Ignored, ...] = (),
    architecture: str | None = "LlamaForCausalLM",
    load: Load = LOADS,
) -> RepositoryReport:
    return RepositoryReport(path, Kind.TRANSFORMERS, architecture, load, 9, skipped, findings, ignored)


def rendered(*repositories: RepositoryReport, width: int = text.WIDTH) -> list[str]:
    return text.render(Report(repositories, ()), width).splitlines()


def test_a_clean_repository_is_two_lines() -> None:
    assert rendered(repository()) == [
        ("pass  ./models/a  LlamaForCausalLM  10 files: 9 checked, 1 not a known type; transformers 5.23.0: loads"),
        "no findings in 1 repository",
    ]


def test_a_finding_is_severity_rule_place_message_and_hint() -> None:
    assert rendered(repository("models/a", found("config.json", 3))) == [
        "fail  ./models/a  LlamaForCausalLM",
        "",
        "  ./models/a/config.json:3:5",
        "    error IDX001 index-shard-missing",
        "    | wrong",
        "    | hint: Put it right.",
        "",
        "  transformers 5.23.0: loads",
        "  10 files: 9 checked, 1 not a known type",
        "",
        "1 error, 0 warnings, 0 notes in 1 repository",
        "`hfcheck explain IDX001` says why it matters and how to put it right",
    ]


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (
            Load("X", "loads-reinitialised", missing=("a", "b"), unexpected=("c",)),
            "loads with random weights (2 missing, 1 unused)",
        ),
        (Load("X", "raises", mismatched=("a",)), "refuses it (1 of another shape)"),
        (Load(None, "raises", "there is no `model_type`"), "refuses it: there is no `model_type`"),
        (not_checked('the type "a\\x0ab" is\nunknown'), 'not checked: the type "a\\x0ab" is\\x0aunknown'),
    ],
)
def test_what_a_loader_would_do(load: Load, said: str) -> None:
    assert f"  transformers 5.23.0: {said}" in rendered(repository("a", found("x"), load=load))


def test_why_a_load_is_not_checked_is_said_of_a_clean_repository() -> None:
    lines = rendered(repository(load=not_checked("it is " + "very " * 60 + "new")))
    assert lines[1].startswith("  transformers 5.23.0: not checked: it is very")
    assert max(map(len, lines)) <= text.WIDTH


def test_nothing_is_said_of_a_load_where_transformers_loads_nothing() -> None:
    assert rendered(repository(load=UNCLAIMED))[0].endswith("10 files: 9 checked, 1 not a known type")
    assert not any("transformers" in line for line in rendered(repository("a", found("x"), load=UNCLAIMED)))


def test_files_are_set_apart_and_places_are_not_repeated() -> None:
    lines = rendered(repository("a", found("x", 1), found("x", 1), found("x", 2), found("y")))
    places = [line or "-" for line in lines if line == "" or line.startswith("  ./")]
    assert places == ["-", "  ./a/x:1:5", "  ./a/x:2:5", "-", "  ./a/y", "-", "-"]


@pytest.mark.parametrize(
    ("path", "file", "place"),
    [
        (".", "config.json", "./config.json:3:5"),
        (".", ".gitattributes", ".gitattributes:3:5"),
        ("models/a/", "config.json", "./models/a/config.json:3:5"),
        ("./models/a", "unet/config.json", "./models/a/unet/config.json:3:5"),
        ("/models/a", "config.json", "/models/a/config.json:3:5"),
        ("../a", "config.json", "../a/config.json:3:5"),
        ("models/a", ".", "./models/a:3:5"),
        ("::error", "::x", "./::error/::x:3:5"),
    ],
)
def test_a_place_can_be_opened_from_the_working_folder(path: str, file: str, place: str) -> None:
    assert text.address(repository(path), found(file, 3)) == place


def test_bytes_of_a_binary_file() -> None:
    located = Located(found("model.safetensors").finding, offset=8)
    assert "    error IDX001 index-shard-missing, byte 8" in rendered(repository("a", located))


@pytest.mark.parametrize("width", [50, 80, 100])
def test_long_sentences_are_wrapped_behind_a_bar(width: int) -> None:
    message = 'the key "a ::error::forged b" ' * 12
    lines = rendered(repository("a", found("x", message=message)), width=width)
    said = [line for line in lines if line.startswith("    |")]
    assert max(map(len, said)) <= width
    assert " ".join(line.removeprefix("    | ") for line in said[:-1]) == message.strip()
    assert not any(line.strip().startswith("::") for line in lines)


def test_a_name_is_never_cut_in_two() -> None:
    name = "x" * 120
    assert f'    | "{name}"' in rendered(repository("a", found("x", message=f'the tensor "{name}" is wrong')), width=50)


def test_several_repositories_are_counted() -> None:
    lines = rendered(repository("a"), repository("b", found("x")), repository("c", skipped=(POINTER,)), repository("d"))
    assert [line.split()[:2] for line in lines if re.match("pass|fail|incomplete", line)] == [
        ["pass", "./a"],
        ["fail", "./b"],
        ["incomplete", "./c"],
        ["pass", "./d"],
    ]
    assert lines[-3] == ""
    assert lines[-2] == (
        "1 error, 0 warnings, 0 notes in 4 repositories; 2 pass, 1 fail, 1 incomplete; 1 file not checked"
    )


def test_no_repository() -> None:
    assert rendered() == ["no model repository to check"]


def test_what_was_not_checked_is_named() -> None:
    skipped = (
        *(Skipped(f"{number}.bin", Reason.PICKLE) for number in range(7)),
        Skipped("big.json", Reason.LIMIT, "json.bytes"),
    )
    lines = rendered(repository("a", found("3.bin"), skipped=skipped))
    assert "  17 files: 9 checked, 1 over a limit, 7 pickles not followed to their end" in lines
    named = [line.strip() for line in lines if line.startswith("  not checked: ")]
    assert named[3:] == [
        "not checked: ./a/4.bin (pickle, not followed to its end)",
        "not checked: ./a/5.bin (pickle, not followed to its end)",
        "not checked: 2 more files",
    ]
    assert not any("3.bin" in line for line in named), "its finding says so"


def test_ignored_findings_are_counted_with_their_reason() -> None:
    ignored = (
        Ignored(found("x"), "known since May"),
        Ignored(found("y"), "known since May"),
        Ignored(found("z"), "other"),
    )
    lines = rendered(repository("a", ignored=ignored))
    assert "  ignored: 2 findings of IDX001 index-shard-missing (known since May)" in lines
    assert "  ignored: 1 finding of IDX001 index-shard-missing (other)" in lines


@pytest.mark.parametrize(
    ("architecture", "shown"),
    [
        ("BertModel", "BertModel"),
        (None, "transformers"),
        ("X  pass  9 files", '"X  pass  9 files"'),
        ("", '""'),
        ("a\nb", '"a\\x0ab"'),
    ],
)
def test_an_architecture_cannot_pose_as_a_verdict(architecture: str | None, shown: str) -> None:
    assert rendered(repository(architecture=architecture))[0].startswith(f"pass  ./models/a  {shown}  10 files: ")


def test_settings_are_named_first() -> None:
    assert text.render(Report((repository(),), (), settings=".hfcheck.toml")).startswith("settings: .hfcheck.toml\n\n")


def test_colours_add_nothing_but_colours() -> None:
    report = Report((repository("a", found("x", 1)), repository("b")), (), settings="s")
    coloured = text.render(report, 80, text.coloured)
    assert "\x1b[1;31merror\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text.render(report, 80)
