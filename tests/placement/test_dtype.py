"""The type that a model is loaded in, as `_get_dtype` of transformers finds it."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from hfcheck.placement.dtype import dtype_of, nbytes
from hfcheck.placement.target import Dtype


@pytest.mark.parametrize(
    ("wanted", "config", "index", "first", "expected"),
    [
        ("float16", "bfloat16", None, ["F32"], "F16"),
        ("auto", "bfloat16", "float16", ["F32"], "BF16"),
        ("auto", None, "float16", ["F32"], "F16"),
        ("auto", None, None, ["I64", "F16", "F32"], "F16"),
        ("auto", None, None, ["F8_E4M3", "BF16"], "BF16"),
        ("auto", None, None, ["F8_E4M3", "F4", "F64"], "F64"),
        ("auto", None, None, [], "F32"),
        ("auto", "half", None, ["F32"], "F16"),
        ("auto", "double", None, [], "F64"),
        ("auto", {"": "float16", "text_config": "bfloat16"}, None, ["F32"], "F16"),
        ("auto", {"text_config": "bfloat16"}, None, ["F16"], "F32"),
    ],
)
def test_dtype(wanted: Dtype, config: object, index: object, first: list[str], expected: str) -> None:
    assert dtype_of(wanted, config, index, first) == expected


@pytest.mark.parametrize("strange", ["int8", "nope", 5, ["float16"], {"": None}])
def test_what_no_model_is_built_in_ends_the_load_before(strange: Any) -> None:  # noqa: ANN401
    assert dtype_of("auto", strange, None, []) == "F32"


def test_bytes_in_memory() -> None:
    assert [nbytes(10, dtype) for dtype in ("F32", "BF16", "I64", "BOOL", "F8_E4M3", "F4")] == [40, 20, 80, 10, 10, 5]


@pytest.mark.loader
@pytest.mark.parametrize("config", [None, "float16", "bfloat16", {"": "float16"}])
@pytest.mark.parametrize("index", [{}, {"dtype": "bfloat16"}, None])
@pytest.mark.parametrize(
    "tensors", [[("z", "F32"), ("a", "F16")], [("b", "I64"), ("c", "BF16")], [("a", "F8_E4M3"), ("b", "F64")]]
)
def test_as_transformers_does(tmp_path: Path, config: Any, index: Any, tensors: list[tuple[str, str]]) -> None:  # noqa: ANN401
    torch = pytest.importorskip("torch")
    modeling = pytest.importorskip("transformers.modeling_utils")
    from transformers import LlamaConfig  # noqa: PLC0415

    file = tmp_path / "model.safetensors"
    size = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "F8_E4M3": 1, "F64": 8}
    header, at = {}, 0
    for name, dtype in tensors:
        header[name] = {"dtype": dtype, "shape": [1], "data_offsets": [at, at + size[dtype]]}
        at += size[dtype]
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))
    _, real = modeling._get_dtype("auto", [str(file)], LlamaConfig(dtype=config), index, None, weights_only=True)  # noqa: SLF001
    spelled = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
    declared = index.get("dtype") if index else None
    assert (
        dtype_of("auto", config, declared, [dtype for _, dtype in sorted(tensors)])
        == (spelled[getattr(torch, real) if isinstance(real, str) else real])
    )
