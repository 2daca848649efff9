"""A JSON file is no JSON.

## What it finds
Files named `.json` that no JSON reader takes, at the place where reading stops. An error for the files that loaders
look for by name, a note for others, a warning for others with merge conflict markers. A `config.json`,
`tokenizer.json`, `vocab.json` or `modules.json` in a folder without any other file of a model belongs to some other
tool, and is one of the others.

## Why it matters
transformers 5.23.0 says `It looks like the config file at ... is not a valid JSON file` for a config, and names no
file at all for `tokenizer.json`, `tokenizer_config.json` or an index: `Expecting value: line 1 column 1 (char 0)`. A
broken `generation_config.json` is skipped without a word, and the model generates with other settings.

## How to put it right
The message says what the file looks like: resolve the merge, fetch the file again, delete what was appended. `python
-m json.tool FILE` checks the result.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.json_ import Fault
from hfcheck.refusals import refused_json
from hfcheck.rule import Example, Rule

CONFLICT = '{\n<<<<<<< HEAD\n  "hidden_size": 16\n=======\n  "hidden_size": 32\n>>>>>>> main\n}\n'
HTML = "<!DOCTYPE html><html><title>404</title></html>"

REMEDY = {
    Fault.CONFLICT: "Resolve the merge conflict and commit the file again.",
    Fault.HTML: "Fetch the file again: a server sent a page instead of it.",
    Fault.TRUNCATED: "Fetch or upload the file again: its end is missing.",
    Fault.TRAILING: "Delete what follows the document.",
    Fault.ENCODING: "Save the file as UTF-8.",
    Fault.SYNTAX: "Put the syntax right at the place that is named.",
}


class JsonInvalid(Rule):
    id = "FMT020"
    name = "json-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Put the syntax right at the place that is named."
    bad = (
        Example("a merge that was not resolved", {"config.json": CONFLICT}, at=(At("config.json"),)),
        Example("the page that a server sent instead", {"tokenizer.json": HTML}, at=(At("tokenizer.json"),)),
        Example(
            "an index that was cut off",
            {"model.safetensors.index.json": '{"metadata": {}, "weight_map": {"a": "mod'},
            at=(At("model.safetensors.index.json"),),
        ),
        Example(
            "two documents in one file", {"generation_config.json": "{}\n{}\n"}, at=(At("generation_config.json"),)
        ),
        Example(
            "another encoding", {"tokenizer_config.json": "{}".encode("utf-16")}, at=(At("tokenizer_config.json"),)
        ),
        Example(
            "files that no loader opens: a note, and a warning for the merge",
            {"data/merged.json": CONFLICT, "data/cut.json": '{"a": 1, "b"'},
            at=(At("data/cut.json"), At("data/merged.json")),
        ),
        Example(
            "the settings of a web page, with a comment, beside a model: a note",
            {"config.json": {}, "demo/config.json": '{\n  // port\n  "port": 80\n}'},
            at=(At("demo/config.json"),),
        ),
    )
    good = (
        Example("an empty object", {"config.json": "{}"}),
        Example("no newline at the end, and white space around it", {"config.json": " \n{}"}, near_miss=True),
        Example("markers of a merge inside a string", {"config.json": {"template": "<<<<<<< HEAD"}}, near_miss=True),
        Example("NaN, which Python takes: FMT022", {"config.json": '{"a": NaN}'}, near_miss=True),
        Example(
            "JSON Lines under their own name, and under that which datasets writes",
            {"data/train.jsonl": '{"a": 1}\n{"a": 2}\n', "data/train.json": '{"a": 1}\n{"a": 2}\n'},
            near_miss=True,
        ),
        Example(
            "settings of tools that take comments",
            {"tsconfig.json": "{\n  // strict\n}", ".vscode/settings.json": "{ // one\n}"},
            near_miss=True,
        ),
        Example("a picture named .json is FMT014", {"config.json": b"\x89PNG\r\n\x1a\n" + bytes(9)}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_json(facts):
            if facts.is_opened_by_name(reading.path):
                severity = Severity.ERROR
            else:
                severity = Severity.WARNING if error.fault is Fault.CONFLICT else Severity.NOTE
            at = At(reading.path, offset=error.offset)
            message = f"this looks like {error.fault.value}: expected {error.expected}"
            yield self.finding(at, message, hint=REMEDY[error.fault], severity=severity)
