"""A config carries a flag that only the user may set.

## What it finds
`trust_remote_code`, `trust_repo`, `allow_pickle`, `allow_all_kernels` or `enable_unsafe_deserialization`, switched on
at any depth of `config.json`, of a file that ends in `_config.json`, or of `model_index.json`. One finding for each
file. It is a note in `tokenizer_config.json` and `openvino_config.json`, where libraries keep the arguments that their
author gave. Elsewhere (settings of a training run, results of an evaluation) and switched off it means nothing.

## Why it matters
The flag is the user's consent. A loader that copies unknown keys of a config to its own settings takes it from the
author of the model instead: transformers 5.2.0 did so in LightGlue, and ran the code of whatever repository the config
named (CVE-2026-5241, https://nvd.nist.gov/vuln/detail/CVE-2026-5241). transformers 5.23.0 keeps the key as an attribute
and writes it out with every save. sentence-transformers 6.2 takes it out of `sentence_bert_config.json`.

## How to put it right
Remove the key. If the model needs its own code, say so in the model card; the user passes `trust_remote_code=True`.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.formats.json_ import JsonFacts
from hfcheck.remote_code import fields
from hfcheck.rule import Example, Rule

FLAGS = frozenset(
    {"trust_remote_code", "trust_repo", "allow_pickle", "allow_all_kernels", "enable_unsafe_deserialization"}
)
NAMES = ("config.json", "model_index.json")
IGNORED = frozenset({"sentence_bert_config.json"})
"""Its reader takes the flag out of the file before it goes on, and files in use have it."""


RECORDS = frozenset({"openvino_config.json", "tokenizer_config.json"})
"""What libraries write down of the call that made the file: transformers 4.35 kept the argument of a tokenizer class,
optimum-intel keeps that of a quantisation. transformers 5.23 does not take its consent from there."""


class TrustFlagInConfig(Rule):
    id = "RMC006"
    name = "trust-flag-in-config"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Remove the key: whether to trust the code is for the user to say, and not for the repository."
    bad = (
        Example(
            "in the config", {"config.json": {"trust_remote_code": True}}, at=(At("config.json", "/trust_remote_code"),)
        ),
        Example(
            "below, and more than once: one finding",
            {"tokenizer_config.json": {"a": [{"trust_remote_code": "true"}], "trust_repo": 1}},
            at=(At("tokenizer_config.json", "/trust_repo"),),
        ),
        Example(
            "what transformers 4.35 wrote down of the call, and optimum-intel: notes",
            {
                "openvino_config.json": {"quantization_config": {"trust_remote_code": True}},
                "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "trust_remote_code": True},
            },
            at=(
                At("openvino_config.json", "/quantization_config/trust_remote_code"),
                At("tokenizer_config.json", "/trust_remote_code"),
            ),
        ),
        Example(
            "in the index of a pipeline",
            {"model_index.json": {"_class_name": "X", "load": {"allow_pickle": True}}},
            at=(At("model_index.json", "/load/allow_pickle"),),
        ),
    )
    good = (
        Example(
            "switched off", {"config.json": {"trust_remote_code": False, "a": {"trust_repo": None}}}, near_miss=True
        ),
        Example("settings of a training run", {"training_args.json": {"trust_remote_code": True}}, near_miss=True),
        Example(
            "its reader takes it out",
            {"sentence_bert_config.json": {"model_args": {"trust_remote_code": True}}},
            near_miss=True,
        ),
        Example("the words in a text", {"config.json": {"note": "load with trust_remote_code=True"}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, document in facts.all_of(JsonFacts):
            name = basename(path)
            severity = Severity.NOTE if name in RECORDS else Severity.ERROR
            if name in IGNORED or not (name in NAMES or name.endswith("_config.json")):
                continue
            found = [(place, key) for place, key, value in fields(document, FLAGS) if _is_on(value)]
            if found:
                place, key = found[0]
                more = f", here and in {len(found) - 1} more places" if len(found) > 1 else ""
                yield self.finding(
                    At(path, pointer(*place)), f"the config switches `{key}` on by itself{more}", severity=severity
                )


def _is_on(value: object) -> bool:
    return value.lower() in {"true", "1", "yes", "on"} if isinstance(value, str) else value in (True, 1)
