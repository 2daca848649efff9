"""State dicts: what torch's own calls describe, what hostile ones may claim, and any graph of values at all."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfcheck import testing
from hfcheck.example import TorchLegacy, TorchZip
from hfcheck.example_torch import members
from hfcheck.formats.pickle_machine import Source, run
from hfcheck.formats.pickle_run import Run
from hfcheck.formats.pickle_values import Call, Dict, Global, How, Persistent, Value
from hfcheck.formats.torch_dtypes import DTYPES, SIZES, STORAGES
from hfcheck.formats.torch_state import FaultKind, Record, Root, StateDict, describe, element_sizes, shared
from hfcheck.formats.torch_tensor import TensorKind

F16 = ("F16", [2, 3])
GRAD, NO_GRAD = True, False


def read(data: bytes) -> StateDict | None:
    """The state dict of an archive, as a reader of archives would ask for it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        root = names[0].split("/")[0]
        records = {
            name.split("/", 2)[2]: Record(name, None, archive.getinfo(name).file_size)
            for name in names
            if name.startswith(f"{root}/data/")
        }
        return describe(run(Source(io.BytesIO(archive.read(f"{root}/data.pkl")))), records)


def state_of(file: TorchZip) -> StateDict:
    state = read(testing.to_bytes("x.bin", file))
    assert state is not None
    return state


def glob(name: str) -> Global:
    module, _, attribute = name.rpartition(".")
    return Global(module, attribute, 0, How.GLOBAL, 2)


def call(name: str, *args: Value) -> Call:
    return Call(glob(name), args, None, 0, 0)


def storage(kind: str = "torch.FloatStorage", key: Value = "0", numel: Value = 6, *view: Value) -> Persistent:
    return Persistent(("storage", glob(kind), key, "cpu", numel, *view), 0)


def dense(
    where: Persistent | None = None,
    shape: Value = (2, 3),
    stride: Value = (3, 1),
    offset: Value = 0,
) -> Call:
    return call("torch._utils._rebuild_tensor_v2", where or storage(), offset, shape, stride, NO_GRAD, Dict([]))


def described(root: Value, records: Mapping[str, Record] | None = None) -> StateDict:
    """The state dict of a graph, with all calls and persistent ids in it."""
    found = run_of(root)
    state = describe(found, {"0": Record("r/data/0", 1000, 24)} if records is None else records)
    assert state is not None
    return state


def run_of(root: Value) -> Run:
    found = Run(root=root)
    pending: list[Value] = [root]
    seen: set[int] = set()
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (list, tuple)):
            pending.extend(reversed(value))
        elif isinstance(value, Dict):
            pending.extend(reversed(value.flat))
        elif isinstance(value, Call):
            found.calls.append(value)
            pending.extend((value.flat, value.states, value.args))
        elif isinstance(value, Persistent):
            found.persistent.append(value)
    return found


def test_names_dtypes_and_shapes_in_their_order() -> None:
    state = state_of(TorchZip({"b": F16, "a": ("F8_E4M3", [4]), "s": ("I64", []), "e": ("U16", [0, 3])}))
    assert [(name, tensor.dtype, tensor.shape, tensor.nbytes) for name, tensor in state.tensors.items()] == [
        ("b", "F16", (2, 3), 12), ("a", "F8_E4M3", (4,), 4), ("s", "I64", (), 8), ("e", "U16", (0, 3), 0),
    ]  # fmt: skip
    assert (state.faults, state.pointer, state.others, state.root) == ((), "", {}, Root.MAPPING)


def test_places_are_bytes_of_the_file() -> None:
    tensor = dense(shape=(2,), stride=(1,), offset=3)
    assert (described(Dict(["a", tensor])).tensors["a"].begin, described(Dict(["a", tensor])).tensors["a"].end) == (
        1012,
        1020,
    )
    compressed = described(Dict(["a", tensor]), {"0": Record("r/data/0", None, 24)})
    assert (compressed.tensors["a"].begin, compressed.tensors["a"].end) == (0, 8)


def test_the_last_of_equal_names_counts_at_the_place_of_the_first() -> None:
    state = described(Dict(["a", dense(), "b", 1, "a", dense(shape=(6,), stride=(1,)), "b", dense()]))
    assert [(name, tensor.shape) for name, tensor in state.tensors.items()] == [("a", (6,)), ("b", (2, 3))]
    assert state.others == {}
    assert described(Dict(["a", dense(), "a", 3])).others == {"a": "int"}


@pytest.mark.parametrize(
    ("value", "kind", "shape"),
    [
        (call("torch._utils._rebuild_tensor", storage(), 0, (2, 3), (3, 1)), TensorKind.DENSE, (2, 3)),
        (call("torch._utils._rebuild_parameter", dense(), GRAD, Dict([])), TensorKind.DENSE, (2, 3)),
        (
            call("torch._utils._rebuild_parameter_with_state", dense(), GRAD, Dict([]), Dict([])),
            TensorKind.DENSE,
            (2, 3),
        ),
        (
            call("torch._utils._rebuild_qtensor", storage("torch.QInt8Storage"), 0, (2, 3), (3, 1), (), NO_GRAD, None),
            TensorKind.QUANTISED,
            (2, 3),
        ),
        (
            call(
                "torch._utils._rebuild_sparse_tensor",
                call("torch.serialization._get_layout", "torch.sparse_coo"),
                (dense(storage("torch.LongStorage")), dense(), call("torch.Size", (4, 5)), True),
            ),
            TensorKind.SPARSE,
            (4, 5),
        ),
        (
            call("torch._utils._rebuild_meta_tensor_no_storage", glob("torch.float32"), (2, 3), (3, 1), NO_GRAD),
            TensorKind.META,
            (2, 3),
        ),
        (
            call("torch._tensor._rebuild_from_type_v2", dense().callee, glob("x.Own"), dense().args, Dict([])),
            TensorKind.SUBCLASS,
            (2, 3),
        ),
        (
            call("torch._tensor._rebuild_from_type_v2", dense().callee, glob("torch.Tensor"), dense().args, Dict([])),
            TensorKind.DENSE,
            (2, 3),
        ),
        (
            call(
                "torch._utils._rebuild_wrapper_subclass",
                glob("x.Own"),
                glob("torch.float32"),
                (2, 3),
                (3, 1),
                0,
                0,
                0,
                0,
            ),
            TensorKind.SUBCLASS,
            (2, 3),
        ),
        (
            call("torch._utils._rebuild_device_tensor_from_cpu_tensor", dense(), glob("torch.float32"), "xla", NO_GRAD),
            TensorKind.DENSE,
            (2, 3),
        ),
    ],
)
def test_each_way_to_make_a_tensor(value: Call, kind: TensorKind, shape: tuple[int, ...]) -> None:
    state = described(Dict(["a", value]))
    assert (state.stored["a"].kind, state.tensors["a"].shape) == (kind, shape)


def test_a_tensor_that_is_given_its_storage_after_it_was_made() -> None:
    old = call("torch.FloatTensor")
    old.states = [(storage(), 0, (2, 3), (3, 1))]
    assert described(Dict(["a", old])).tensors["a"].shape == (2, 3)


def test_an_array_of_numpy_for_another_device() -> None:
    array = call("numpy.core.multiarray._reconstruct", glob("numpy.ndarray"), (0,), "b")
    array.states = [(1, (4, 5), None, False, "")]
    value = call("torch._utils._rebuild_device_tensor_from_numpy", array, glob("torch.bfloat16"), "xla:0", NO_GRAD)
    assert described(Dict(["a", value])).tensors["a"].described == "BF16 [4, 5]"


def test_a_nested_tensor_has_no_shape() -> None:
    state = described(Dict(["a", call("torch._utils._rebuild_nested_tensor", dense(), dense(), dense(), dense())]))
    assert (state.tensors, state.stored["a"].kind, state.faults) == ({}, TensorKind.NESTED, ())


def test_a_view_of_a_storage_in_the_old_format() -> None:
    state = described(Dict(["a", dense(storage("torch.FloatStorage", "0", 6, ("1", 4, 2)), (2,), (1,), 0)]))
    assert (state.stored["a"].start, state.tensors["a"].begin) == (4, 1016)


def test_pairs_as_python_2_wrote_them() -> None:
    state = described(call("collections.OrderedDict", [["a", dense()], (b"b", dense())]))
    assert list(state.tensors) == ["a", "b"]


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (dense(shape=(2, -3)), FaultKind.SIZES),
        (dense(shape=(2, 3.0)), FaultKind.SIZES),
        (dense(shape=(2, True)), FaultKind.SIZES),
        (dense(shape=(2**40, 2**40), stride=(0, 0)), FaultKind.SIZES),
        (dense(stride=(3,)), FaultKind.SIZES),
        (dense(stride=(-3, 1)), FaultKind.SIZES),
        (dense(offset=-1), FaultKind.SIZES),
        (dense(shape=(1,) * 1000, stride=(1,) * 1000), FaultKind.SIZES),
        (dense(offset=1), FaultKind.BEYOND),
        (dense(stride=(4, 1)), FaultKind.BEYOND),
        (dense(shape=(2**31, 2**31), stride=(2**62, 2**62)), FaultKind.BEYOND),
        (call("torch._utils._rebuild_parameter", dense(offset=1), GRAD, Dict([])), FaultKind.BEYOND),
    ],
)
def test_a_tensor_that_cannot_be(tensor: Call, kind: FaultKind) -> None:
    (fault,) = described(Dict(["a", tensor])).faults
    assert (fault.kind, fault.tensor, fault.count) == (kind, "a", 1)


@pytest.mark.parametrize(
    "tensor",
    [
        dense(shape=(2, 100), stride=(3, 0)),
        dense(shape=(0, 100), stride=(10**9, 1), offset=10**9),
        dense(shape=(), stride=(), offset=5),
        dense(shape=(3, 2), stride=(1, 3)),
    ],
)
def test_odd_and_legal(tensor: Call) -> None:
    assert described(Dict(["a", tensor])).faults == ()


def test_faults_of_tensors_without_a_name() -> None:
    (fault,) = described(Dict(["optimizer", Dict([0, dense(offset=1), 1, dense(storage(), offset=2)])])).faults
    assert (fault.kind, fault.tensor, fault.count) == (FaultKind.BEYOND, None, 2)


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ({}, FaultKind.MISSING),
        ({"0": Record("r/data/0", 0, 23)}, FaultKind.FOUND),
        ({"0": Record("r/data/0", 0, 25)}, FaultKind.FOUND),
        ({"0": Record("r/data/0", 0, 24), "1": Record("r/data/1", 24, 8)}, FaultKind.UNUSED),
    ],
)
def test_a_storage_that_is_not_as_it_is_said_to_be(records: Mapping[str, Record], kind: FaultKind) -> None:
    (fault,) = described(Dict(["a", dense()]), records).faults
    assert fault.kind is kind


def test_a_storage_of_two_types_is_of_the_first() -> None:
    state = described(Dict(["a", dense(), "b", dense(storage("torch.IntStorage"))]))
    assert [tensor.dtype for tensor in state.tensors.values()] == ["F32", "F32"]
    assert [fault.kind for fault in state.faults] == [FaultKind.DTYPES]


def test_a_storage_has_the_size_that_it_had_first() -> None:
    larger = dense(storage(numel=100), shape=(100,), stride=(1,))
    (fault,) = described(Dict(["a", dense(), "b", larger])).faults
    assert (fault.kind, fault.tensor) == (FaultKind.BEYOND, "b")
    (fault,) = described([dense(), larger]).faults
    assert (fault.kind, fault.tensor) == (FaultKind.BEYOND, None)


def test_names_of_one_storage() -> None:
    state = state_of(TorchZip({"a": F16, "c": F16}, tied={"b": "a", "d": "a"}))
    assert shared(state) == {"b": "a", "d": "a"}
    assert state.tensors["a"] == state.tensors["b"]


@pytest.mark.parametrize("inside", [("state_dict",), ("state", "model"), ("a/b", "~")])
def test_the_way_to_a_nested_state_dict(inside: tuple[str, ...]) -> None:
    state = state_of(TorchZip({"x": F16}, inside=inside, beside={"epoch": 3}))
    assert state.pointer == "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in inside)
    assert state.tensors == {}
    assert state.nested is not None
    assert list(state.nested.tensors) == ["x"]


def test_a_few_tensors_beside_the_state_dict_do_not_hide_it() -> None:
    state = described(Dict(["step", dense(), "model", Dict(["a", dense(), "b", dense()])]))
    assert (state.pointer, list(state.tensors)) == ("/model", ["step"])


def test_a_whole_module() -> None:
    module = call("nets.Net")
    module.states = [Dict(["training", True, "_parameters", Dict(["weight", dense()]), "_modules", Dict([])])]
    state = described(module)
    assert (state.root, state.module, state.tensors) == (Root.MODULE, "nets.Net", {})
    beneath = described(Dict(["epoch", 3, "model", module]))
    assert (beneath.root, beneath.module, beneath.pointer) == (Root.MAPPING, "nets.Net", "/model")


@pytest.mark.parametrize(
    ("root", "kind"),
    [(dense(), Root.TENSOR), ([dense()], Root.SEQUENCE), (call("x.Y", dense()), Root.OTHER), (Dict([]), Root.MAPPING)],
)
def test_roots(root: Value, kind: Root) -> None:
    assert described(root).root is kind


def test_neither_storage_nor_mapping() -> None:
    assert describe(Run(root=3), {}) is None


def test_the_first_entry_that_is_no_tensor() -> None:
    integers = dense(storage("torch.LongStorage", "1"))
    assert described(Dict(["i", integers, "n", 1, "a", dense(), "m", 2])).first_other == ("n", "int")
    assert described(Dict(["a", dense(), "n", 1])).first_other is None


def test_entries_under_no_name() -> None:
    state = described(Dict([0, dense(), None, 3, "a", dense()]))
    assert (state.nameless, list(state.tensors)) == (2, ["a"])


def test_element_sizes() -> None:
    ids = [storage("torch.HalfStorage", "a"), storage("torch.DoubleStorage", "b"), Persistent(3, 0)]
    assert element_sizes(ids) == {"a": 2, "b": 8}


def test_each_dtype_has_a_size_and_storages_are_among_them() -> None:
    assert {*DTYPES.values(), *STORAGES.values()} <= SIZES.keys()


def test_a_call_that_is_its_own_argument_ends() -> None:
    arguments: list[Value] = []
    cycle = Call(glob("torch._utils._rebuild_parameter"), arguments, None, 0, 0)
    arguments.append(cycle)
    assert described(Dict(["a", cycle, "b", dense()])).others == {"a": "a tensor"}


def test_a_dictionary_in_itself_ends() -> None:
    inner = Dict([])
    inner.flat.extend(("a", inner))
    assert described(inner).pointer == ""


def test_one_list_behind_a_thousand_dictionaries_takes_no_time() -> None:
    pairs = [["a", 1]] * 1_000_000
    root = Dict([])
    for number in range(1000):
        root.flat.extend((str(number), call("collections.OrderedDict", pairs)))
    root.flat.extend(("state_dict", Dict(["a", dense()])))
    before = process_time()
    assert described(root).tensors == {}
    assert process_time() - before < 5


def test_a_long_name_is_cut_where_it_is_copied() -> None:
    long = call(f"{'m' * 100_000}.{'n' * 100_000}")
    state = described(Dict(["a", long, b"b" * 2000, dense()]))
    assert len(state.others["a"]) < 500
    assert state.nameless == 1


NAMES = [
    "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
    "torch.float8_e4m3fn", "torch.Size", "torch.float32",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_qtensor", "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_nested_tensor", "torch._utils._rebuild_meta_tensor_no_storage", "torch.FloatStorage",
    "torch._utils._rebuild_wrapper_subclass", "torch._utils._rebuild_device_tensor_from_numpy", "torch.FloatTensor",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor", "torch._tensor._rebuild_from_type_v2",
    "torch.storage.UntypedStorage", "torch.nn.parameter.Parameter", "copyreg._reconstructor", "x.Y",
]  # fmt: skip

CONSTANTS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
    | st.sampled_from(["storage", "0", "_modules", "_parameters", "state_dict", 2**63, 2**64, -1])
    | st.just(5000).map(lambda digits: 10**digits)
)  # fmt: skip


def tied(parts: tuple[Value, Value, Value]) -> Call:
    made = Call(parts[0], parts[1], None, 0, 0)
    made.states = [parts[2]]
    made.flat = [parts[2], parts[0]]
    return made


VALUES: st.SearchStrategy[Value] = st.recursive(
    CONSTANTS | st.sampled_from(NAMES).map(glob) | st.builds(lambda: Global(None, None, 0, How.STACK_GLOBAL, 4)),
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.lists(inner, max_size=7).map(tuple)
        | st.lists(inner, max_size=6).map(Dict)
        | st.builds(lambda name, args: call(name, *args), st.sampled_from(NAMES), st.lists(inner, max_size=8))
        | st.tuples(inner, inner, inner).map(tied)
        | st.builds(lambda parts: Persistent(("storage", *parts), 0), st.lists(inner, min_size=3, max_size=5))
        | inner.map(lambda id_: Persistent(id_, 0))
    ),
    max_leaves=30,
)

RECORDS = st.dictionaries(
    st.sampled_from(["0", "1", "a"]),
    st.builds(Record, st.none() | st.text(max_size=3), st.none() | st.integers(0, 2**64), st.integers(0, 2**64)),
)


@given(VALUES, RECORDS)
def test_any_graph_of_values_gives_facts(root: Value, records: Mapping[str, Record]) -> None:
    state = describe(run_of(root), records)
    for tensor in state.tensors.values() if state is not None else ():
        assert 0 <= tensor.begin <= tensor.end


DTYPED = st.sampled_from(["F16", "BF16", "F32", "F64", "I64", "U8", "BOOL", "F8_E5M2", "U32", "C64"])
SHAPES = st.lists(st.integers(0, 4), max_size=4)
TENSORS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.tuples(DTYPED, SHAPES), max_size=5
)


@given(TENSORS)
def test_what_examples_write_is_read_back(tensors: dict[str, tuple[str, list[int]]]) -> None:
    state = state_of(TorchZip(tensors))
    assert {name: (tensor.dtype, [*tensor.shape]) for name, tensor in state.tensors.items()} == tensors
    assert state.faults == ()


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("legacy", [False, True])
def test_torch_reads_what_examples_write(tmp_path: Path, *, legacy: bool) -> None:
    torch = pytest.importorskip("torch")
    tensors: dict[str, tuple[str, list[int]]] = {"a": F16, "b": ("I64", []), "c": ("BF16", [300, 4]), "d": ("F32", [0])}
    beside = {"epoch": 3, "lr": 0.1, "tags": ["x", None, True], "big": 2**70}
    content = (TorchLegacy if legacy else TorchZip)(
        tensors if legacy else {**tensors, "e": ("F8_E4M3", [2]), "f": ("U16", [3])},
        tied={"t": "a"}, inside=("state_dict",), beside=beside,
    )  # fmt: skip
    path = tmp_path / "x.bin"
    path.write_bytes(testing.to_bytes(path.name, content))
    for options in ({},) if legacy else ({}, {"mmap": True}):
        loaded: Any = torch.load(path, weights_only=True, **options)
        state = loaded.pop("state_dict")
        assert loaded == beside
        found = {name: (DTYPES[str(value.dtype)[6:]], [*value.shape]) for name, value in state.items()}
        assert found == {**content.tensors, "t": F16}
        assert state["t"].data_ptr() == state["a"].data_ptr()
        assert all(not value.float().any() for name, value in state.items())


@pytest.mark.loader
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_torch_writes(protocol: int) -> None:
    torch = pytest.importorskip("torch")
    saved = {
        "plain": torch.zeros(2, 3), "transposed": torch.zeros(2, 3).t(), "part": torch.zeros(9)[3:5],
        "parameter": torch.nn.Parameter(torch.zeros(2, dtype=torch.bfloat16)), "scalar": torch.tensor(3),
        "bool": torch.zeros(2, dtype=torch.bool), "f8": torch.zeros(2).to(torch.float8_e5m2),
        "u16": torch.zeros(2, dtype=torch.uint16), "c32": torch.zeros(2, dtype=torch.complex32),
        "f4": torch.zeros(2, 3, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
        "sparse": torch.eye(3).to_sparse(), "csr": torch.eye(4).to_sparse_csr(),
        "meta": torch.empty(2, 3, device="meta"),
        "quantised": torch.quantize_per_tensor(torch.zeros(2, 3), 0.1, 0, torch.qint8), "size": torch.Size([1]),
    }  # fmt: skip
    marked = torch.zeros(4)
    marked.note = "an attribute"
    saved["marked"] = marked
    buffer = io.BytesIO()
    torch.save(saved, buffer, pickle_protocol=protocol)
    state = read(buffer.getvalue())
    assert state is not None
    assert state.others == {"size": "torch.Size"}
    assert {name: tensor.described for name, tensor in state.tensors.items()} == {
        "plain": "F32 [2, 3]", "transposed": "F32 [3, 2]", "part": "F32 [2]", "parameter": "BF16 [2]",
        "scalar": "I64 []", "bool": "BOOL [2]", "f8": "F8_E5M2 [2]", "u16": "U16 [2]", "c32": "C32 [2]",
        "f4": "F4 [2, 6]", "sparse": "F32 [3, 3]", "csr": "F32 [4, 4]", "meta": "F32 [2, 3]", "quantised": "QI8 [2, 3]",
        "marked": "F32 [4]",
    }  # fmt: skip
    assert state.stored["part"].start == 3
    assert state.stored["transposed"].stride == (1, 3)
    assert state.stored["parameter"].parameter
    assert state.faults == ()


def test_members_are_those_of_torch() -> None:
    assert list(members(TorchZip({"a": F16}))) == [
        "archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/version",
    ]  # fmt: skip
    assert pickle.loads(members(TorchZip({}))["archive/data.pkl"]) == {}
