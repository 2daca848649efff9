"""A JSON object has the same key twice.

## What it finds
Keys that come more than once in one object, in the files that loaders open by name. An error where the values differ
and the key decides about code, sizes, special tokens or the place of a tensor; a warning elsewhere. One finding of
each kind for a file, at the first such key.

## Why it matters
Python takes the last value, other readers the first, and some refuse the document (RFC 8259, section 4: "the behavior
is unpredictable"). A review, a scanner and a loader can each see another `auto_map` in the same bytes:
https://bishopfox.com/blog/json-interoperability-vulnerabilities . No library writes such a file: it was edited by
hand or merged as text.

## How to put it right
Decide which value is meant and delete the other one.
"""

from collections.abc import Iterator
from posixpath import basename
from typing import Any

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.json_ import JsonFacts
from hfcheck.layout import index_name
from hfcheck.rule import Example, Rule

DECIDES = {
    "which code is loaded": {
        "_attn_implementation_internal", "_class_name", "architectures", "auto_map", "auto_mapping", "custom_pipelines",
        "feature_extractor_type", "image_processor_type", "model_type", "peft_type", "processor_class",
        "tokenizer_class", "trust_remote_code", "type", "video_processor_type",
    },
    "which other repository is loaded": {"_name_or_path", "base_model_name_or_path"},
    "the shapes of the weights": {
        "d_ff", "d_kv", "d_model", "ffn_dim", "head_dim", "hidden_size", "intermediate_size", "kv_lora_rank",
        "max_position_embeddings", "moe_intermediate_size", "n_embd", "n_head", "n_inner", "n_layer", "n_layers",
        "num_attention_heads", "num_experts", "num_hidden_layers", "num_key_value_heads", "num_labels", "num_layers",
        "num_local_experts", "q_lora_rank", "r", "target_modules", "text_config", "type_vocab_size", "vision_config",
        "vocab_size",
    },
    "how the weights are read": {
        "bits", "desc_act", "dtype", "group_size", "quant_method", "quantization_config", "tie_word_embeddings",
        "torch_dtype",
    },
    "what the model computes": {
        "hidden_act", "layer_types", "lora_alpha", "rms_norm_eps", "rope_parameters", "rope_scaling", "rope_theta",
        "sliding_window",
    },
    "what the model is sent": {"chat_template"},
}  # fmt: skip
"""What depends on the reader when one of these keys comes twice; transformers 5.23, peft 0.21 and diffusers 0.42."""

REASONS = {key: reason for reason, keys in DECIDES.items() for key in keys}

VOCABULARIES = frozenset({"added_tokens.json", "tokenizer.json", "vocab.json"})
"""Their keys are tokens: one that is called "dtype" decides nothing."""

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


class DuplicateJsonKey(Rule):
    id = "FMT021"
    name = "duplicate-json-key"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Decide which value is meant and delete the other one."
    bad = (
        Example(
            "two values of which code to load",
            {"config.json": '{"auto_map": {"AutoModel": "other/x--m.X"}, "auto_map": {}}'},
            at=(At("config.json", "/auto_map"),),
        ),
        Example(
            "two homes of one tensor",
            {INDEX: f'{{"metadata": {{}}, "weight_map": {{"a": "{ONE}", "a": "{TWO}"}}}}'},
            at=(At(INDEX, "/weight_map/a"),),
        ),
        Example(
            "an error in a nested config, and one warning for the others",
            {
                "config.json": '{"text_config": {"hidden_size": 1, "hidden_size": 2}, "use_cache": true,'
                ' "use_cache": false, "eos_token_id": 1, "eos_token_id": 1}'
            },
            at=(At("config.json", "/text_config/hidden_size"), At("config.json", "/use_cache")),
        ),
        Example(
            "a token twice",
            {"tokenizer.json": '{"model": {"vocab": {"dtype": 1, "dtype": 2}}}'},
            at=(At("tokenizer.json", "/model/vocab/dtype"),),
        ),
    )
    good = (
        Example("each key once", {"config.json": {"model_type": "llama", "vocab_size": 64}}),
        Example(
            "the same key in two objects",
            {"config.json": {"vocab_size": 64, "text_config": {"vocab_size": 64}}},
            near_miss=True,
        ),
        Example("keys that differ by case", {"config.json": '{"dtype": "float16", "Dtype": 1}'}, near_miss=True),
        Example("a file that no loader opens", {"data/labels.json": '{"a": 1, "a": 2}'}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, document in facts.all_of(JsonFacts):
            if not facts.is_opened_by_name(path):
                continue
            found: dict[Severity, dict[str, str]] = {Severity.ERROR: {}, Severity.WARNING: {}}
            for hidden in document.shadowed:
                reason = _reason(path, hidden.pointer)
                serious = reason is not None and not _same(document.value, hidden.pointer, hidden.value)
                found[Severity.ERROR if serious else Severity.WARNING][hidden.pointer] = reason or "its value"
            for severity, reasons in found.items():
                if reasons:
                    (place, reason), *others = reasons.items()
                    more = f" (the first of {len(reasons)} such keys)" if others else ""
                    message = f"the key {quote(_key(place))} comes more than once{more}: {reason} depends on the reader"
                    yield self.finding(At(path, place), message, severity=severity)


def _reason(path: str, place: str) -> str | None:
    """What depends on the reader; None where it decides nothing of weight."""
    if index_name(path) is not None:
        return "the place of a tensor" if place.startswith("/weight_map") else None
    if basename(path) in VOCABULARIES:
        return None
    key = _key(place)
    return "a special token" if key.endswith("_token_id") else REASONS.get(key)


def _key(place: str) -> str:
    return place.rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def _same(document: Any, place: str, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a hidden value is the one that counts: then all readers agree, strict ones apart."""
    for part in place.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            return False  # it lies in a value that is hidden itself
    return bool(document == value)
