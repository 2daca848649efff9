"""Tiny chat models for the examples of rules: sixteen ids, of which the last two are the tokens of ChatML."""

from collections.abc import Mapping
from typing import Any

from hfcheck.example import Content
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import added, added_specials, tokenizer_json, with_tokenizer

START, END = "<|im_start|>", "<|im_end|>"
START_ID, END_ID = 14, 15
EOS_ID = 2
"""The id of `</s>`, the end token of the tokenizer."""

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WITH_EOS = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)


def chat(
    template: str | None = CHATML, generation: Mapping[str, Any] | None = None, *, eos: str = "</s>", **config: object
) -> dict[str, Content]:
    """A model with a tokenizer of ChatML's tokens; `generation` is its generation_config.json, None for none."""
    tokens = tokenizer_json(added_tokens=[*added_specials(), added(START, START_ID), added(END, END_ID)])
    model = repository(LLAMA, llama_tensors(), bos_token_id=1, **{"eos_token_id": EOS_ID, **config})
    fields = {"eos_token": eos} | ({"chat_template": template} if template is not None else {})
    files = with_tokenizer(model, tokens, **fields)
    return files | ({"generation_config.json": dict(generation)} if generation is not None else {})
