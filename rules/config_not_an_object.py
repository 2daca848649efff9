"""The JSON file of a config holds something else than an object.

## What it finds
`config.json`, `tokenizer_config.json` and the others below whose outermost value is an array, a string, a number or
null. `config.json` and `tokenizer.json` are names that other tools use too: they are judged where a file of
transformers or diffusers lies beside them. `special_tokens_map.json` and `added_tokens.json` are judged where
`tokenizer_config.json` has no `added_tokens_decoder`, since nobody opens them otherwise.

## Why it matters
Each loader takes the value for a mapping and stops in a line of its own. transformers 5.23.0 says `Unrecognized model`
or `TypeError: argument of type 'NoneType' is not iterable` for `config.json`, `'list' object has no attribute 'get'`
for a tokenizer or processor config, `'list' object is not a mapping` for `generation_config.json` and for
`adapter_config.json`; none of them names the file. It is what a merge by hand leaves, a script that wraps its output
in a list, or a file under a wrong name. https://github.com/huggingface/transformers/issues/10726 asks for such checks.

## How to put it right
Save the file again with `save_pretrained`, or take the object out of the list.
"""

from collections.abc import Iterator
from posixpath import basename, dirname, join

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.json_ import JsonFacts, type_of
from hfcheck.rule import Example, Rule
from hfcheck.weights import candidates

F16 = ("F16", [2, 3])

READERS = {
    "adapter_config.json": "peft",
    "added_tokens.json": "AutoTokenizer",
    "chat_template.json": "the processor class",
    "config.json": "AutoConfig",
    "generation_config.json": "GenerationConfig",
    "model_index.json": "DiffusionPipeline",
    "preprocessor_config.json": "AutoImageProcessor and AutoFeatureExtractor",
    "processor_config.json": "AutoProcessor",
    "scheduler_config.json": "the scheduler of diffusers",
    "special_tokens_map.json": "AutoTokenizer",
    "tokenizer.json": "AutoTokenizer",
    "tokenizer_config.json": "AutoTokenizer",
    "video_preprocessor_config.json": "AutoVideoProcessor",
}
"""Who opens each file and was seen to fail on an array, a string, a number and null; for the processor class and
AutoVideoProcessor it was read in the source. `vocab.json` and `modules.json` may be arrays."""

LEGACY = frozenset({"special_tokens_map.json", "added_tokens.json"})
COMMON = frozenset({"config.json", "tokenizer.json"})
SIGNS = ("tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "preprocessor_config.json")


class ConfigNotAnObject(Rule):
    id = "CFG001"
    name = "config-not-an-object"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the file again, or take the object out of what is around it."
    bad = (
        Example(
            "a list around the config",
            {"config.json": [{"model_type": "llama"}], "model.safetensors": {"a": F16}},
            at=(At("config.json"),),
        ),
        Example("null", {"tokenizer_config.json": "null"}, at=(At("tokenizer_config.json"),)),
        Example(
            "legacy tokens that are opened, as there is no newer list",
            {"special_tokens_map.json": [], "tokenizer_config.json": {}},
            at=(At("special_tokens_map.json"),),
        ),
        Example(
            "in the folder of a pipeline's part",
            {"model_index.json": {"_class_name": "X"}, "image_processor/preprocessor_config.json": '"x"'},
            at=(At("image_processor/preprocessor_config.json"),),
        ),
    )
    good = (
        Example("objects", {"config.json": {"model_type": "llama"}, "tokenizer_config.json": {}}),
        Example("files that may be arrays", {"modules.json": [], "vocab.json": ["a", "b"]}, near_miss=True),
        Example("the config of another tool", {"config.json": ["a"], "model.onnx": "x"}, near_miss=True),
        Example(
            "legacy tokens that nobody opens",
            {"added_tokens.json": [], "tokenizer_config.json": {"added_tokens_decoder": {}}},
            near_miss=True,
        ),
        Example("an empty object", {"generation_config.json": {}, "added_tokens.json": {}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, document in facts.all_of(JsonFacts):
            name = basename(path)
            if name in READERS and type(document.value) is not dict and _is_opened(facts, path):
                found = type_of(document.value)
                yield self.finding(At(path), f"the file holds {found}, and {READERS[name]} expects an object")


def _is_opened(facts: Facts, path: str) -> bool:
    folder, name = dirname(path), basename(path)
    if name in COMMON:
        return any(map(facts.has_file, (*(join(folder, sign) for sign in SIGNS), *candidates(folder))))
    if name in LEGACY:
        document = facts.json(join(folder, "tokenizer_config.json"))
        return document is None or type(document.value) is not dict or "added_tokens_decoder" not in document.value
    return True
