"""A model for conversations has no chat template.

## What it finds
Models that write text, without a chat template in any of its homes (`chat_template.jinja`, the key of
`tokenizer_config.json`, `chat_template.json`, `processor_config.json`), where something says that they were trained for
conversations: a stop token that ends turns and never texts, such as `<|im_end|>`, or the word Instruct or Chat in the
heading of the model card, or in the name of the model they were made from. Special tokens alone say nothing: base
models have those of their siblings.

## Why it matters
`apply_chat_template` of transformers 5.23 raises "Cannot use chat template functions because tokenizer.chat_template is
not set", and so do the chat endpoints of engines; with another format of messages than that of the training, a model
answers worse (https://github.com/hiyouga/LlamaFactory/issues/5904,
https://github.com/shibing624/MedicalGPT/issues/471).

## How to put it right
Set `tokenizer.chat_template` to the template that the model was trained with, and save the tokenizer.
"""

from collections.abc import Iterator

from hfcheck.chat_evidence import chat_evidence
from hfcheck.example_chats import CHATML, END, END_ID, EOS_ID, chat
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.generation_settings import generates_text
from hfcheck.rule import Example, Rule

CARD = "---\nlicense: mit\n---\n\n# Tiny 7B Instruct\n\nIt answers.\n"
PLACE = At("tokenizer_config.json")


class ChatTemplateAbsent(Rule):
    id = "GEN005"
    name = "chat-template-absent"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Set tokenizer.chat_template to the template that the model was trained with, and save the tokenizer."
    bad = (
        Example("the model card says Instruct", {**chat(None), "README.md": CARD}, at=(PLACE,)),
        Example("made from a model for conversations", chat(None, _name_or_path="a/tiny-7b-chat-hf"), at=(PLACE,)),
        Example("the end token ends turns", chat(None, {"eos_token_id": END_ID}, eos=END), at=(PLACE,)),
        Example("the only stop ends turns", chat(None, {"eos_token_id": END_ID}), at=(PLACE,)),
        Example(
            "made from one, says the card",
            {**chat(None), "README.md": "---\nbase_model:\n- a/tiny-Instruct\n---\n# Mine\n"},
            at=(PLACE,),
        ),
    )
    good = (
        Example("with its template", {**chat(CHATML), "README.md": CARD}),
        Example(
            "in a file of its own", {**chat(None), "README.md": CARD, "chat_template.jinja": CHATML}, near_miss=True
        ),
        Example("a base model with the tokens of ChatML", chat(None, {"eos_token_id": EOS_ID}), near_miss=True),
        Example(
            "a classifier made from a model for conversations",
            chat(None, _name_or_path="a/tiny-chat", architectures=["LlamaForSequenceClassification"]),
            near_miss=True,
        ),
        Example(
            "mistral-common formats its messages", {**chat(None), "README.md": CARD, "tekken.json": {}}, near_miss=True
        ),
        Example(
            "a card that speaks of others", {**chat(None), "README.md": "# Tiny\n\nThere is tiny-7b-instruct too.\n"},
            near_miss=True,
        ),
    )  # fmt: skip

    def check(self, facts: Facts) -> Iterator[Finding]:
        table = facts.tokens
        if table is None or table.templates or table.raises is not None or not generates_text(facts):
            return
        if facts.has_file(facts.inside("tekken.json")) or facts.code_sites:
            return  # mistral-common, or code of its own, formats the messages
        evidence = chat_evidence(facts, table)
        if evidence is not None:
            homes = (name for name in ("tokenizer_config.json", "tokenizer.json") if facts.has_file(facts.inside(name)))
            at = At(facts.inside(next(homes, "config.json")))
            yield self.finding(at, f"no chat template is anywhere, and this is a model for conversations: {evidence}")
