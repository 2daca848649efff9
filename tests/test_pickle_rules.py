"""What the rules on pickles say of whole files: of what real libraries write, and of many faults in one file."""

import argparse
import collections
import datetime as dt
import json
import pathlib
import pickle
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfcheck import engine, registry, testing
from hfcheck.__main__ import main
from hfcheck.config import Settings
from hfcheck.example import Archive, Content, Example, Pickle, TorchZip
from hfcheck.example_pickles import MARKER, call, imports, joblib_array, torch_legacy, torch_zip
from hfcheck.example_pickles import pickle as stream

Found = dict[str, Any]
Check = Callable[[dict[str, Content]], list[Found]]

RULES = registry.load()
CONFIG = {"model_type": "bert", "architectures": ["BertModel"]}


def findings(folder: Path) -> list[Found]:
    """Of the rules on pickles, archives and names, as the JSON report has them."""
    done = CliRunner().invoke(main, ["check", str(folder), "--format", "json", "--isolated"])
    assert done.exit_code in (0, 1, 3), done.output
    found = json.loads(done.output)["repositories"][0]["findings"]
    return [finding for finding in found if finding["id"].startswith(("PKL", "FMT", "SEC", "HFC"))]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def checked(files: dict[str, Content]) -> list[Found]:
        testing.write(Example("", files), tmp_path)
        return findings(tmp_path)

    return checked


def said(found: list[Found]) -> list[tuple[str, str]]:
    return [(finding["severity"], finding["id"]) for finding in found]


# Many faults, few findings.


def test_what_would_run_is_in_the_message(check: Check) -> None:
    (found,) = check({"m.pt": torch_zip(call("os", "system", MARKER))})
    assert (found["severity"], found["id"], found["path"]) == ("error", "PKL002", "m.pt")
    assert f'torch.load calls os.system("{MARKER}")' in found["message"]
    assert found["message"].endswith('at byte 39 of "archive/data.pkl"')
    assert found["offset"] == 85, "the byte of the file, not of the member"


def test_calls_of_one_thing_are_one_finding(check: Check) -> None:
    run = ("GLOBAL os system", f"BINUNICODE {MARKER}", "TUPLE1", "REDUCE", "POP")
    (found,) = check({"a.pkl": stream(*run * 500, "NONE")})
    assert "the first of 500 such calls" in found["message"]
    assert found["offset"] == 38


def test_names_of_one_package_are_one_finding(check: Check) -> None:
    names = [f"my_package.part{number} Thing{number}" for number in range(400)]
    (found,) = check({"a.pkl": imports(*names, *names)})
    assert "my_package.part0.Thing0" in found["message"]
    assert "and 396 more" in found["message"]


def test_a_flood_of_packages_is_cut(check: Check) -> None:
    found = check({"a.pkl": imports(*(f"package{number} Thing" for number in range(300)))})
    assert said(found) == [("error", "PKL001")] * 21
    assert "280 further packages" in found[-1]["message"]


def test_what_may_not_have_been_seen_is_an_error(check: Check) -> None:
    """The facts keep a thousand names: whoever lists more of them wants the last one to be overlooked."""
    many = [f"collections OrderedDict{number}" for number in range(1200)]
    found = check({"a.pkl": imports(*many, "os system")})
    assert {finding["id"] for finding in found} == {"HFC001", "PKL001"}
    assert any("not all of them were judged" in finding["message"] for finding in found)


def test_hostile_names_are_escaped(check: Check) -> None:
    (found,) = check({"a.pkl": stream(b"cos\x1b[2K\r\nsystem\n)R")})
    assert "\\x1b[2K\\x0d" in found["message"]
    assert found["message"].isprintable()


def test_the_old_and_the_new_name_are_both_said(check: Check) -> None:
    (found,) = check({"a.pkl": call("__builtin__", "eval", "'hfcheck-marker'")})
    assert "calls __builtin__.eval(\"'hfcheck-marker'\") (now builtins.eval), which" in found["message"]


# One fault, one finding.


def test_weights_that_are_refused_are_one_error(check: Check) -> None:
    numpy = imports("numpy.core.multiarray scalar", "numpy dtype", "collections OrderedDict")
    found = check({"config.json": CONFIG, "pytorch_model.bin": torch_zip(numpy)})
    (refused,) = [finding for finding in found if finding["id"].startswith("PKL")]
    assert (refused["severity"], refused["id"]) == ("error", "PKL017")
    assert "it does not import numpy.core.multiarray.scalar, numpy.dtype" in refused["message"]


def test_beside_the_weights_it_is_one_warning(check: Check) -> None:
    numpy = imports("numpy.core.multiarray scalar", "numpy dtype")
    assert said(check({"rng_state.pth": torch_zip(numpy)})) == [("warning", "PKL003")]


def test_an_opcode_alone_is_a_note(check: Check) -> None:
    (found,) = check({"scheduler.pt": torch_zip(stream("EMPTY_DICT", "MEMOIZE", protocol=4))})
    assert (found["severity"], found["id"]) == ("note", "PKL017")
    assert "it does not know the opcode MEMOIZE" in found["message"]


def test_a_command_in_weights_is_one_error(check: Check) -> None:
    found = check({"config.json": CONFIG, "pytorch_model.bin": torch_zip(call("os", "system", MARKER))})
    assert [finding["id"] for finding in found if finding["id"].startswith("PKL")] == ["PKL002"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"cmy_package\nNet\n", [("warning", "PKL001"), ("warning", "PKL003")]),
        (b"cos\nsystem\n0".ljust(16, b"N"), [("error", "PKL002"), ("warning", "PKL003")]),
        (bytes(range(64)), [("warning", "PKL003")]),
    ],
)
def test_what_the_bytes_of_an_array_would_be_to_another_reader(
    data: bytes, expected: list[tuple[str, str]], check: Check
) -> None:
    found = check({"a.joblib": stream(*joblib_array(data))})
    assert said(found) == expected
    assert all(finding["message"].startswith("pickle.load, where it is taken") for finding in found[:-1])


def test_weights_that_nobody_claims_are_not_loaded(check: Check) -> None:
    numpy = imports("numpy.core.multiarray scalar", "numpy dtype")
    assert said(check({"assets/pytorch_model.bin": torch_zip(numpy)})) == [("warning", "PKL003")]


def test_a_cut_pickle_is_one_error(check: Check) -> None:
    assert said(check({"a.pkl": stream("EMPTY_DICT", b"X\xff\xff\xff\xff")})) == [("error", "PKL011")]


@pytest.mark.parametrize(
    ("lines", "severity"),
    [
        (("GLOBAL os environ", "NONE", "NONE", "SETITEM"), "error"),
        (("GLOBAL collections OrderedDict", "NONE", "APPEND"), "error"),
        (("GLOBAL datetime date", "EMPTY_TUPLE", "NEWOBJ", "NONE", "NONE", "SETITEM"), "warning"),
    ],
)
def test_severity_of_methods(lines: tuple[str, ...], severity: str, check: Check) -> None:
    found = check({"a.pkl": stream(*lines)})
    assert [finding["severity"] for finding in found if finding["id"] == "PKL016"] == [severity]


@pytest.mark.parametrize(
    ("lines", "severity"),
    [
        (("NONE", "LONG_BINPUT 4000000000"), "error"),
        (("EMPTY_DICT", "EMPTY_TUPLE", *("DUP", "TUPLE2") * 40, "NONE", "SETITEM"), "error"),
        (("EMPTY_TUPLE", *("DUP", "TUPLE2") * 40), "warning"),
        ((*("EMPTY_LIST",) * 2000, *("APPEND",) * 1999), "warning"),
        (("LONG4 " + "7f" * 2048,), "warning"),
    ],
)
def test_severity_of_bombs(lines: tuple[str, ...], severity: str, check: Check) -> None:
    assert said(check({"a.pkl": stream(*lines)})) == [(severity, "PKL013")]


MODULE_STATE = (
    "GLOBAL torch.nn.modules.linear Linear", "EMPTY_TUPLE", "NEWOBJ", "EMPTY_DICT", "MARK", "BINUNICODE _parameters",
    "EMPTY_DICT", "BINUNICODE _modules", "EMPTY_DICT", "SETITEMS", "BUILD",
)  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "content"), [("PKL022", stream("EMPTY_DICT")), ("PKL029", torch_zip(stream(*MODULE_STATE)))]
)
def test_what_is_loaded_weighs_more(rule: str, content: Content, tmp_path: Path) -> None:
    """A file of the same content is an error where from_pretrained opens it, and a warning beside it."""
    testing.write(Example("", {"config.json": CONFIG, "pytorch_model.bin": content, "other.pt": content}), tmp_path)
    found = {finding["path"]: finding["severity"] for finding in findings(tmp_path) if finding["id"] == rule}
    assert found == {"pytorch_model.bin": "error", "other.pt": "warning"}


MEMBER = ("GLOBAL builtins getattr", "GLOBAL transformers.trainer_utils SchedulerType")


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        ((*MEMBER, "BINUNICODE LINEAR", "TUPLE2", "REDUCE"), ["PKL003"]),
        ((*MEMBER, "BINUNICODE __class__", "TUPLE2", "REDUCE"), ["PKL002"]),
        ((*MEMBER, "BINUNICODE a.b", "TUPLE2", "REDUCE"), ["PKL002"]),
        ((*MEMBER, "BINUNICODE a", "NONE", "TUPLE3", "REDUCE"), ["PKL002"]),
        ((MEMBER[0], "GLOBAL collections OrderedDict", "BINUNICODE keys", "TUPLE2", "REDUCE"), ["PKL002"]),
        ((MEMBER[0], "BINUNICODE os", "BINUNICODE system", "TUPLE2", "REDUCE"), ["PKL002"]),
        ((MEMBER[0],), ["PKL002"]),
    ],
)
def test_getattr_gives_members_of_enumerations_and_nothing_else(
    lines: tuple[str, ...], rules: list[str], check: Check
) -> None:
    assert [finding["id"] for finding in check({"a.pkl": stream(*lines)})] == rules


def test_names_of_torchscript_belong_there(check: Check) -> None:
    data = stream("GLOBAL __torch__.Net Net", "EMPTY_TUPLE", "NEWOBJ")
    members = {"m/data.pkl": data, "m/constants.pkl": stream("EMPTY_TUPLE"), "m/version": b"3\n"}
    assert check({"m.pt": Archive({**members, "m/code/__torch__/Net.py": "class Net(Module):\n  pass\n"})}) == []


def test_names_of_torchscript_belong_nowhere_else(check: Check) -> None:
    assert said(check({"a.pkl": imports("__torch__.Net Net")})) == [("error", "PKL001")]


@pytest.mark.parametrize("name", ["a.bin", "a.model", "a.dat", "a", "a.pkl", "a.joblib", "a.ckpt", "a.pdparams"])
def test_names_that_promise_nothing(name: str, check: Check) -> None:
    assert check({name: stream("EMPTY_DICT")}) == []


@pytest.mark.parametrize(
    ("name", "rule"), [("a.safetensors", "FMT006"), ("a.json", "FMT014"), ("a.gguf", "FMT014"), ("a.png", "PKL019")]
)
def test_a_wrong_name_has_one_finding(name: str, rule: str, check: Check) -> None:
    assert [finding["id"] for finding in check({name: stream("EMPTY_DICT")})] == [rule]


# What real libraries write.


def torch() -> Any:  # noqa: ANN401 - a module
    return pytest.importorskip("torch")


def numpy() -> Any:  # noqa: ANN401 - a module
    return pytest.importorskip("numpy")


def trained() -> tuple[Any, Any, Any]:
    """A small model after a step of training, with its optimizer and its scheduler."""
    nn, optim = torch().nn, torch().optim
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.BatchNorm1d(4))
    optimizer = optim.AdamW(model.parameters())
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    model(torch().ones(2, 4)).sum().backward()
    optimizer.step()
    scheduler.step()
    return model, optimizer, scheduler


def states_of_random_numbers() -> Any:  # noqa: ANN401 - what transformers saves as rng_state.pth
    state = {"python": random.getstate(), "numpy": numpy().random.get_state(), "cpu": torch().random.get_rng_state()}
    return state | {"cuda": [torch().zeros(16, dtype=torch().uint8)]}


def training_arguments() -> Any:  # noqa: ANN401 - an object of transformers
    """With the values that it would have: the constructor itself wants accelerate."""
    transformers = pytest.importorskip("transformers")
    trainer_utils = pytest.importorskip("transformers.trainer_utils")
    arguments = object.__new__(transformers.TrainingArguments)
    arguments.__dict__.update(
        output_dir="out", learning_rate=5e-5, lr_scheduler_type=trainer_utils.SchedulerType.LINEAR,
        logging_strategy=trainer_utils.IntervalStrategy.STEPS, save_strategy=trainer_utils.SaveStrategy.STEPS,
        hub_strategy=trainer_utils.HubStrategy.EVERY_SAVE, optim=transformers.training_args.OptimizerNames.ADAMW_TORCH,
        device=torch().device("cpu"),
    )  # fmt: skip
    return arguments


def tensors() -> dict[str, Any]:
    t = torch()
    kinds = ("float32", "float16", "bfloat16", "float64", "int64", "int8", "uint8", "bool", "complex64", "uint16")
    new = ("float8_e4m3fn", "float8_e5m2")
    found = {name: t.zeros(3, dtype=getattr(t, name)) for name in (*kinds, *new)}
    weight = t.zeros(4, 4)
    tied = {"tied": weight, "to": weight, "view": weight[1:3, ::2].t(), "parameter": t.nn.Parameter(weight)}
    return found | tied | {"empty": t.zeros(0), "number": t.tensor(1.0), "sparse": t.eye(3).to_sparse()}


def script() -> Any:  # noqa: ANN401 - a program of TorchScript
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch().jit.trace(torch().nn.Linear(2, 2), torch().zeros(1, 2))


def save_script(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch().jit.save(script(), str(path))


def saved(make: Callable[[], Any], **options: Any) -> Callable[[Path], object]:  # noqa: ANN401 - arguments of torch.save
    return lambda path: torch().save(make(), path, **options)


def legacy(make: Callable[[], Any]) -> Callable[[Path], object]:
    return saved(make, _use_new_zipfile_serialization=False)


def pickled(value: Any, protocol: int) -> Callable[[Path], object]:  # noqa: ANN401 - anything
    return lambda path: path.write_bytes(pickle.dumps(value, protocol))


PLAIN = {"a": [1, 2.5, None, True, "text", b"bytes", (1, (2, 3)), {4}, 2**80], "b": {"c": list(range(300))}}
VALUES = [
    dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.timezone.utc), collections.deque([1]),
    collections.defaultdict(list, {"a": [1]}), pathlib.PurePosixPath("a/b"), argparse.Namespace(lr=0.1), frozenset({1}),
    complex(1, 2), range(3), slice(1, 2),
]  # fmt: skip

Written = tuple[str, Callable[[Path], object], list[tuple[str, str]]]
WARNED, LIBRARY = "warning", [("warning", "PKL003")]

WRITTEN: dict[str, Written] = {
    "tensors": ("a.pt", saved(tensors), []),
    "tensors before 1.6": ("a.pt", legacy(lambda: {"a": torch().zeros(3), "b": torch().ones(2).half()}), []),
    "state dict": ("pytorch_model.bin", saved(trained()[0].state_dict), []),
    "state dict before 1.6": ("pytorch_model.bin", legacy(trained()[0].state_dict), []),
    "one tensor": ("prompt.pt", saved(lambda: torch().zeros(3)), []),
    "a list of tensors": ("prompts.pt", saved(lambda: [torch().zeros(3), torch().ones(2)]), []),
    "optimizer": ("optimizer.pt", saved(trained()[1].state_dict), []),
    "optimizer before 1.6": ("optimizer.pt", legacy(trained()[1].state_dict), []),
    "scheduler": ("scheduler.pt", saved(trained()[2].state_dict), []),
    "checkpoint": (
        "last.ckpt",
        saved(lambda: {"epoch": 3, "state_dict": trained()[0].state_dict(), "optimizer": trained()[1].state_dict()}),
        [],
    ),
    "random numbers": ("rng_state.pth", saved(states_of_random_numbers), LIBRARY),
    "random numbers before 1.6": ("rng_state.pth", legacy(states_of_random_numbers), LIBRARY),
    "training arguments": ("training_args.bin", saved(training_arguments), LIBRARY),
    "training arguments before 1.6": ("training_args.bin", legacy(training_arguments), LIBRARY),
    "a whole module": ("model.pt", saved(lambda: trained()[0]), [(WARNED, "PKL029")]),
    "a whole module before 1.6": ("model.pt", legacy(lambda: trained()[0]), [(WARNED, "PKL029")]),
    "TorchScript": ("model.pt", save_script, []),
    "protocol 4 in a file of torch": ("a.pt", saved(lambda: PLAIN, pickle_protocol=4), [("note", "PKL017")]),
    "numbers of NumPy": ("a.npy", lambda path: numpy().save(path, numpy().zeros(3)), []),
    "arrays of NumPy": ("a.npz", lambda path: numpy().savez(path, a=numpy().zeros(3), b=numpy().ones((2, 2))), []),
    "compressed arrays": ("a.npz", lambda path: numpy().savez_compressed(path, a=numpy().zeros(300)), []),
    "objects of NumPy": (
        "a.npy",
        lambda path: numpy().save(path, numpy().array([{}, []], dtype=object), allow_pickle=True),
        [(WARNED, "PKL028")],
    ),
    "an array in a pickle": ("a.pkl", lambda path: path.write_bytes(pickle.dumps(numpy().zeros(3))), LIBRARY),
    **{f"plain data, protocol {n}": ("a.pkl", pickled(PLAIN, n), []) for n in range(6)},
    **{f"values of Python, protocol {n}": ("a.pkl", pickled(VALUES, n), LIBRARY) for n in range(6)},
    "a large vocabulary": ("vocab.pkl", pickled({f"word{n}": n for n in range(30_000)}, 4), []),
    "two dumps": ("a.pkl", lambda path: path.write_bytes(pickle.dumps(1) + pickle.dumps(2)), [(WARNED, "PKL018")]),
}  # fmt: skip


@pytest.mark.loader
@pytest.mark.parametrize(("name", "write", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_what_libraries_write_is_no_error(
    name: str, write: Callable[[Path], object], expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    write(tmp_path / name)
    found = findings(tmp_path)
    assert said(found) == expected, [finding["message"] for finding in found]


@pytest.mark.loader
def test_what_the_arguments_of_a_training_need(tmp_path: Path) -> None:
    torch().save(training_arguments(), tmp_path / "training_args.bin")
    (found,) = findings(tmp_path)
    assert found["message"].startswith("torch.load(weights_only=True) refuses this file: it builds objects of ")
    assert "transformers (HubStrategy, IntervalStrategy, OptimizerNames and 3 more)" in found["message"]


@pytest.mark.loader
def test_weights_only_agrees_with_torch(tmp_path: Path) -> None:
    """Each file that a rule says torch refuses is refused, and each that no rule speaks of is read."""
    for title, (name, write, expected) in WRITTEN.items():
        if not name.endswith((".pt", ".pth", ".bin", ".ckpt")) or title == "TorchScript":
            continue
        path = tmp_path / name
        write(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch().load(path, weights_only=True)
        except pickle.UnpicklingError:
            assert expected, title
        else:
            assert not expected, title


# Anything at all.

NAMES = (
    "os system", "builtins getattr", "collections OrderedDict", "copyreg _reconstructor", "numpy dtype", "torch Size",
    "my_package Thing", "torch._utils _rebuild_tensor_v2", "torch FloatStorage", "__torch__.Net Net",
    "transformers.trainer_utils SchedulerType", "joblib.numpy_pickle NumpyArrayWrapper", "__builtin__ eval",
    "torch.nn.modules.linear Linear",
)  # fmt: skip
LINES = st.one_of(
    st.sampled_from([
        "MARK", "POP", "POP_MARK", "DUP", "NONE", "REDUCE", "BUILD", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "DICT",
        "LIST", "TUPLE", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "OBJ", "BINPERSID", "NEWOBJ", "TUPLE1", "TUPLE2",
        "TUPLE3", "NEWTRUE", "EMPTY_SET", "ADDITEMS", "FROZENSET", "NEWOBJ_EX", "STACK_GLOBAL", "MEMOIZE", "STOP",
        "NEXT_BUFFER", "READONLY_BUFFER", "BINPUT 0", "BINGET 0", "LONG_BINPUT 4000000000", "FRAME 9", "FRAME 0",
        "PROTO 2", "PROTO 4", "EXT1 1", "INT 0x1", "BININT1 7", "BINUNICODE storage", "BINUNICODE os\x1b[2J",
    ]),
    st.sampled_from([f"{opcode} {name}" for opcode in ("GLOBAL", "INST") for name in NAMES]),
    st.text(max_size=9).map("BINUNICODE {}".format),
    st.binary(max_size=3),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines=st.lists(LINES, max_size=40), wrap=st.sampled_from([Pickle, torch_zip, torch_legacy]))
def test_no_rule_stumbles(lines: list[str | bytes], wrap: Callable[[Any], Content]) -> None:
    whole = stream(*lines)
    content = whole if wrap is Pickle else wrap(whole)
    with TemporaryDirectory() as folder:
        testing.write(Example("", {"config.json": CONFIG, "pytorch_model.bin": content}), Path(folder))
        report = engine.check(".", folder, RULES, Settings())
    for located in report.findings:
        assert located.finding.id != "HFC003", located.finding.message
        assert located.finding.message.isprintable()


def test_examples_are_what_torch_writes(check: Check) -> None:
    """The files that the rules are shown are like real ones."""
    assert check({"a.pt": TorchZip({"a": ("F16", [2, 3])})}) == []
    assert check({"b.pt": torch_legacy(Pickle(("PROTO 2", "EMPTY_DICT", "STOP")))}) == []
