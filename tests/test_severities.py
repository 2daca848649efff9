"""Rules that say more than one severity: examples compare places, and this compares what they weigh."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from hfcheck import registry, testing
from hfcheck.example import Content, Example, Link
from hfcheck.finding import Severity

RULES = {rule.id: type(rule) for rule in registry.load()}
E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
F16 = ("F16", [2, 3])

CASES: tuple[tuple[str, Mapping[str, Content], list[Severity]], ...] = (
    ("REP003", {"a\nb": "x", "aux.txt": "x"}, [E, W]),
    ("REP006", {"config.json": Link("x"), "a.png": Link("x")}, [W, E]),
    ("REP006", {"model.safetensors": Link("x"), "pytorch_model.bin": "x"}, [W]),
    ("REP006", {"model.safetensors": Link("x"), "adapter_model.bin": "x"}, [E]),
    ("REP006", {"data/model.safetensors": Link("x")}, [W]),
    ("REP008", {"config.json": {"model_type": "x", "architectures": ["X"]}, "head.safetensors": {"a": F16}}, [E]),
    ("REP008", {"config.json": {"model_type": "x", "architectures": ["X"]}}, [N]),
    ("REP010", {"model.safetensors": {"a": F16}, "tokenizer_config.json": {}}, [E]),
    ("REP010", {"model.safetensors": {"a": F16}, "tokenizer_config.json": {}, "training_args.bin": "x"}, [N]),
    ("RMC003", {"config.json": {"auto_map": {"AutoModel": "m.M", "AutoTokenizer": ["t.T", None]}}}, [E, W]),
    ("RMC003", {"config.json": {"vision_config": {"auto_map": {"AutoModel": "m.M"}}}}, [W]),
    ("RMC004", {"config.json": {"auto_map": {"AutoModel": "M", "AutoTokenizer": ["a.b.C", None]}}}, [E, W]),
    ("RMC004", {"config.json": {"vision_config": {"auto_map": {"AutoModel": "M"}}}}, [W]),
    ("RMC007", {"config.json": {"_attn_implementation_internal": "o/r"}}, [E]),
    ("RMC007", {"config.json": {"_attn_implementation_internal": "sdpa"}}, [N]),
    ("RMC007", {"config.json": {"_attn_implementation_internal": None}}, [N]),
    ("RMC007", {"config.json": {"_attn_implementation_internal": "odd"}}, [W]),
    ("RMC007", {"config.json": {"attn_implementation": "o/r"}}, [W]),
)


@pytest.mark.parametrize(("rule", "files", "severities"), CASES)
def test_severity(rule: str, files: Mapping[str, Content], severities: list[Severity], tmp_path: Path) -> None:
    testing.write(Example("", files), tmp_path)
    assert [finding.severity for finding in testing.findings(RULES[rule], tmp_path)] == severities
