"""`--deep`: what the installed transformers says, from a process of its own, and what it must never do."""

import json
import os
import stat
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from hfcheck.loading import deep
from hfcheck.loading.deep import DeepFailed, DeepUnavailable, cache_folder, deep_spec
from hfcheck.loading.spec import Submodel

LLAMA: dict[str, Any] = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 64, "hidden_size": 32,
    "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}  # fmt: skip


def text(**changes: object) -> bytes:
    return json.dumps({**LLAMA, **changes}).encode()


@pytest.fixture
def installed() -> str:
    """The version of the transformers that is asked."""
    pytest.importorskip("torch")
    return str(pytest.importorskip("transformers").__version__)


@pytest.mark.loader
def test_a_spec_and_its_cache(tmp_path: Path, installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache" / "deep"
    found = deep_spec(text(), "LlamaForCausalLM", "llama", cache=str(cache))
    assert found.engine == f"transformers {installed} (installed)"
    spec = found.spec
    assert (spec.architecture, spec.model_type, spec.base_prefix) == ("LlamaForCausalLM", "llama", "model")
    assert spec.state["model.layers.1.self_attn.k_proj.weight"] == (16, 32)
    assert len(spec.state) == 2 * 9 + 3
    assert spec.submodels[1] == Submodel("model", "LlamaModel", "llama", 4)
    assert [(tied.at, dict(tied.keys)) for tied in spec.tied] == [("", {"lm_head.weight": "model.embed_tokens.weight"})]
    assert r"rotary_emb\.inv_freq" in spec.ignore_unexpected
    (entry,) = cache.iterdir()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700

    def unasked(*_: object) -> None:
        pytest.fail("the answer was in the cache")

    monkeypatch.setattr(deep, "_ask", unasked)
    assert deep_spec(text(), "LlamaForCausalLM", "llama", cache=str(cache)) == found
    for spoilt in (b"", b"[" * 100_000, b"[]", entry.read_bytes().replace(b'"state": {', b'"state": {"x": [-1], ')):
        entry.write_bytes(spoilt)
        with pytest.raises(pytest.fail.Exception):
            deep_spec(text(), "LlamaForCausalLM", "llama", cache=str(cache))
    entry.unlink()
    entry.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(pytest.fail.Exception):
        deep_spec(text(), "LlamaForCausalLM", "llama", cache=str(cache))


@pytest.mark.loader
@pytest.mark.parametrize(
    ("changes", "stage", "error"),
    [
        ({"hidden_size": "32"}, "config", "StrictDataclassFieldValidationError"),
        ({"num_attention_heads": 5}, "config", "StrictDataclassClassValidationError"),
        ({"pad_token_id": 64}, "constructor", "AssertionError"),
        ({"hidden_act": "nope"}, "constructor", "KeyError"),
        ({"model_type": "nope", "architectures": None}, "type", "ValueError"),
    ],
)
def test_a_refusal_is_an_answer(changes: dict[str, Any], stage: str, error: str, installed: str) -> None:
    with pytest.raises(DeepFailed) as raised:
        deep_spec(text(**changes), None, changes.get("model_type", "llama"), cache=None)
    assert (raised.value.stage, raised.value.error) == (stage, error)
    assert installed in raised.value.engine


@pytest.mark.loader
@pytest.mark.usefixtures("installed")
def test_nothing_of_a_stranger_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file would leave a mark if it were imported, and the config asks for code in every way it can."""
    mark = tmp_path / "mark"
    for name in ("modeling_x", "torch", "transformers", "sitecustomize", "json"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config = text(
        auto_map={"AutoConfig": "modeling_x.X", "AutoModelForCausalLM": "modeling_x.X"},
        trust_remote_code=True,
        _attn_implementation="kernels-community/flash-attn3",
        attn_implementation={"": "somebody/kernel:attention"},
        quantization_config={"quant_method": "gptq"},
        _name_or_path=str(tmp_path),
    )
    assert len(deep_spec(config, None, "llama", cache=None).spec.state) == 2 * 9 + 3
    assert not mark.exists()
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.suffix != ".py") == []


@pytest.mark.loader
@pytest.mark.usefixtures("installed")
def test_a_model_that_wants_a_compiler_gets_none() -> None:
    """The constructor of rwkv looks for ninja; where that fails it goes on without."""
    config = {"model_type": "rwkv", "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "context_length": 16}
    spec = deep_spec(json.dumps(config).encode(), None, "rwkv", cache=None).spec
    assert spec.architecture == "RwkvForCausalLM"


@pytest.mark.loader
@pytest.mark.usefixtures("installed")
def test_too_long_is_not_an_answer(tmp_path: Path) -> None:
    before = time.monotonic()
    with pytest.raises(DeepUnavailable, match="more than 6 seconds"):
        deep_spec(text(num_hidden_layers=10**8), None, "llama", cache=str(tmp_path), seconds=6)
    assert time.monotonic() - before < 12
    assert list(tmp_path.iterdir()) == []


@pytest.mark.loader
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("config", "class_name", "said"),
    [
        (text(), "LlamaForNobody", "no model class"),
        (text(configuration_files=["config.1.0.json"]), None, "configuration_files"),
        (b"\xff", None, "UTF-8"),
        (b" " * (deep.MAX_CONFIG + 1), None, "bytes"),
        (b"{", None, "exit code 1"),
    ],
)
def test_what_cannot_be_asked(config: bytes, class_name: str | None, said: str) -> None:
    with pytest.raises(DeepUnavailable, match=said):
        deep_spec(config, class_name, "llama", cache=None)


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({}, "transformers is not installed"),
        ({"transformers": "5.23.0"}, "torch is not installed"),
        ({"transformers": "4.57.1", "torch": "2.9.0"}, "4.57.1 is installed"),
    ],
)
def test_an_installation_that_cannot_be_asked(
    versions: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(deep, "version", version)
    with pytest.raises(DeepUnavailable, match=said):
        deep_spec(text(), None, "llama", cache=None)


@pytest.mark.parametrize(
    ("environment", "repository", "expected"),
    [
        ({"HOME": "/h"}, "/h/models/a", "/h/.cache/hfcheck/deep"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/h/models/a", "/c/hfcheck/deep"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "/h/models/a", "/h/.cache/hfcheck/deep"),
        ({}, "/h/models/a", None),
        ({"HOME": "/h/models/a"}, "/h/models/a", None),
        ({"XDG_CACHE_HOME": "/h/models/a/cache"}, "/h/models/a", None),
        ({"HOME": "/h"}, "/", None),
    ],
)
def test_where_answers_are_kept(environment: dict[str, str], repository: str, expected: str | None) -> None:
    assert cache_folder(environment, repository) == expected


def test_the_cache_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "MAX_CACHED", 3)
    for number in range(5):
        path = tmp_path / f"{number}.json"
        deep._keep(str(path), {"number": number})  # noqa: SLF001 - no process is needed to see it
        os.utime(path, (number, number))
    deep._keep(str(tmp_path / "last.json"), {})  # noqa: SLF001
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["3.json", "4.json", "last.json"]


def test_the_environment_is_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONSTARTUP", "x.py")
    environment = deep._environment("/empty")  # noqa: SLF001
    assert "secret" not in environment.values()
    assert not [name for name in environment if name.startswith("PYTHON")]
    assert (environment["HOME"], environment["HF_HUB_OFFLINE"]) == ("/empty", "1")
    assert sys.executable
