"""A number in the config is that of another model, and the tensors have other shapes.

## What it finds
Tensors whose shapes differ from what the class expects under this config, where one number of the config explains it:
with another value, which the message names, they fit. The number is tried out, so that what the class derives from it
is right as well. One finding for each such number. Rows of the vocabulary, labels, layers and experts have rules of
their own.

## Why it matters
transformers 5.23.0 stops with `RuntimeError: You set ignore_mismatched_sizes to False, thus raising an error`, after a
table of every tensor. The setting that it names fills them with random numbers. A config that was guessed for a
checkpoint without one: https://github.com/salesforce/CodeT5/issues/87 .

## How to put it right
Take the config that was saved together with the weights, or the weights that belong to this config.
"""

from collections.abc import Iterator

from hfcheck.diagnoses import diagnosed
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.loading.cause import Kind
from hfcheck.rule import Example, Rule


class ConfigSizeWrong(Rule):
    id = "WGT005"
    name = "config-size-wrong"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Take the config that was saved together with the weights."
    bad = (
        Example(
            "a wider model: every tensor differs, and one finding says why",
            repository(LLAMA, llama_tensors(), intermediate_size=16),
            at=(At("config.json", "/intermediate_size"),),
        ),
        Example(
            "keys and values of another number of heads",
            repository(LLAMA, llama_tensors(), num_key_value_heads=2),
            at=(At("config.json", "/num_key_value_heads"),),
        ),
        Example(
            "two numbers, two findings",
            repository(LLAMA, llama_tensors(), intermediate_size=16, num_key_value_heads=2),
            at=(At("config.json", "/intermediate_size"), At("config.json", "/num_key_value_heads")),
        ),
    )
    good = (
        Example("the config of these weights", repository(LLAMA, llama_tensors())),
        Example(
            "a number that no tensor depends on",
            repository(LLAMA, llama_tensors(), max_position_embeddings=4096),
            near_miss=True,
        ),
        Example(
            "heads times their size are not the hidden size, which the config says itself",
            repository(LLAMA, llama_tensors(), num_attention_heads=4, head_dim=2, num_key_value_heads=2),
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for cause, at in diagnosed(facts, Kind.FIELD):
            yield self.finding(at, cause.message, hint=cause.hint)
