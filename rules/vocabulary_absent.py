"""The vocabulary of the tokenizer is not in the repository.

## What it finds
Folders that are meant to have a tokenizer, by a `tokenizer_config.json` or a `special_tokens_map.json`, and have none
of the files that its class is made from; and of files that it needs together, such as `vocab.json` and `merges.txt`,
one without the other. Tokenizers without a vocabulary (ByT5, CANINE) and those made by code of the repository are left
out, and so is what has its vocabulary in a GGUF file.

A model for text without any file of a tokenizer is a note, and so is one that has but a list of words for another
class: many checkpoints are meant to be used with the tokenizer of their base.

## Why it matters
Measured with transformers 5.23.0: of the 61 classes with a fast tokenizer, 54 are made without a word, of their special
tokens alone. `LlamaTokenizer` has 3 tokens then and every text is empty (`input_ids: []`), `BertTokenizer` has 5 and
every word is `[UNK]`. The others raise what does not name the file: `Couldn't instantiate the backend tokenizer`,
`expected str, bytes or os.PathLike object, not NoneType`, and with one file of two `'vocab' and 'merges' must be both
be from memory or both filenames`. transformers 4.57.1 raises in every case.
https://github.com/huggingface/transformers/issues/5475 , https://github.com/huggingface/transformers/issues/10726 .

## How to put it right
Call `tokenizer.save_pretrained` into the folder, or copy the files from the base model.
"""

from collections.abc import Iterator
from posixpath import basename, dirname, join

from hfcheck.example import Pointer
from hfcheck.example_models import BERT, LLAMA, bert_tensors, llama_tensors, repository
from hfcheck.example_tokenizers import (
    TOKENS,
    bpe,
    merges_txt,
    numbered,
    sentencepiece,
    special_tokens_map,
    tokenizer_config,
    tokenizer_json,
    vocab_txt,
)
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.layout import MODEL_INDEX
from hfcheck.rule import Example, Rule
from hfcheck.token_files import CONFIG, FULL, ROLES, absent, half, is_from_code, is_readable, named_at, names
from hfcheck.tokens.classes import GENERIC, classes
from hfcheck.tokens.table import TokenTable

HEADS = ("ForCausalLM", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
"""How the classes of models end that are fed with text."""

MODEL = repository(LLAMA, llama_tensors())
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TOKENS[:4])


class VocabularyAbsent(Rule):
    id = "TOK010"
    name = "vocabulary-absent"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the tokenizer into the folder, or copy the files of its vocabulary from the base model."
    bad = (
        Example(
            "a Llama tokenizer without tokenizer.json and tokenizer.model",
            {**MODEL, "tokenizer_config.json": tokenizer_config("LlamaTokenizer")},
            at=(At("tokenizer_config.json", "/tokenizer_class"),),
        ),
        Example(
            "no class is named, and the type of the model has one",
            {**repository(BERT, bert_tensors()), "special_tokens_map.json": special_tokens_map()},
            at=(At("special_tokens_map.json"),),
        ),
        Example(
            "the class that is nothing but its tokenizer.json",
            {**MODEL, "tokenizer_config.json": tokenizer_config()},
            at=(At("tokenizer_config.json", "/tokenizer_class"),),
        ),
        Example(
            "a vocabulary of another class: BERT reads no vocab.json",
            {
                **repository(BERT, bert_tensors()),
                "vocab.json": numbered(),
                "tokenizer_config.json": tokenizer_config("BertTokenizer"),
            },
            at=(At("tokenizer_config.json", "/tokenizer_class"),),
        ),
        Example(
            "a vocabulary without its merges",
            {**MODEL, "vocab.json": numbered(), "tokenizer_config.json": tokenizer_config("GPT2Tokenizer")},
            at=(At("vocab.json"),),
        ),
        Example(
            "merges without their vocabulary",
            {**MODEL, "merges.txt": merges_txt(), "tokenizer_config.json": tokenizer_config("GPT2Tokenizer")},
            at=(At("merges.txt"),),
        ),
        Example(
            "a tokenizer of translation without its SentencePiece model",
            {
                "config.json": {"model_type": "m2m_100"},
                "vocab.json": numbered(),
                "tokenizer_config.json": {"tokenizer_class": "M2M100Tokenizer"},
            },
            at=(At("vocab.json"),),
        ),
        Example(
            "a tokenizer of speech recognition, made in Python",
            {"tokenizer_config.json": {"tokenizer_class": "Wav2Vec2CTCTokenizer"}},
            at=(At("tokenizer_config.json", "/tokenizer_class"),),
        ),
        Example(
            "a component of a pipeline",
            {
                "model_index.json": {
                    "_class_name": "DiffusionPipeline",
                    "tokenizer": ["transformers", "CLIPTokenizer"],
                },
                "tokenizer/tokenizer_config.json": {"tokenizer_class": "CLIPTokenizer"},
            },
            at=(At("tokenizer/tokenizer_config.json", "/tokenizer_class"),),
        ),
        Example(
            "a list of words, and nothing that claims it: a note",
            {**MODEL, "vocab.json": numbered()},
            at=(At("config.json"),),
        ),
        Example("a model for text without any tokenizer: a note", MODEL, at=(At("config.json", "/model_type"),)),
    )
    good = (
        Example(
            "tokenizer.json alone",
            {
                **MODEL,
                "tokenizer.json": tokenizer_json(bpe()),
                "tokenizer_config.json": tokenizer_config("LlamaTokenizer"),
            },
        ),
        Example(
            "the files of before tokenizer.json",
            {
                **repository(BERT, bert_tensors()),
                "vocab.txt": vocab_txt(WORDS),
                "tokenizer_config.json": {"tokenizer_class": "BertTokenizer"},
            },
            near_miss=True,
        ),
        Example(
            "a model of SentencePiece for a class that takes it",
            {**MODEL, "tokenizer.model": sentencepiece(), "tokenizer_config.json": tokenizer_config("LlamaTokenizer")},
            near_miss=True,
        ),
        Example(
            "settings that do not parse, of which FMT020 speaks",
            {**MODEL, "tokenizer_config.json": '{"tokenizer_class": "GPT2Tokenizer",}'},
            near_miss=True,
        ),
        Example(
            "no vocabulary is needed: bytes",
            {"config.json": {"model_type": "t5"}, "tokenizer_config.json": {"tokenizer_class": "ByT5Tokenizer"}},
            near_miss=True,
        ),
        Example(
            "the class knows its vocabulary by heart: amino acids",
            {"tokenizer_config.json": {"tokenizer_class": "EsmcTokenizer"}},
            near_miss=True,
        ),
        Example(
            "code of the repository makes the tokenizer",
            {
                **MODEL,
                "tokenizer_config.json": {
                    "tokenizer_class": "MyTokenizer",
                    "auto_map": {"AutoTokenizer": ["tokenization_my.MyTokenizer", None]},
                },
                "tokenization_my.py": "",
                "my.vocabulary": "",
            },
            near_miss=True,
        ),
        Example(
            "a vocabulary that was not fetched: REP001 speaks of it",
            {
                **MODEL,
                "tokenizer.model": Pointer(500_000),
                "tokenizer_config.json": tokenizer_config("LlamaTokenizer"),
            },
            near_miss=True,
        ),
        Example(
            "a list of words that no tokenizer claims", {"data/vocab.txt": "a\n", "config.json": {}}, near_miss=True
        ),
        Example(
            "a model of pictures has no tokenizer",
            {"config.json": {"model_type": "vit", "architectures": ["ViTForImageClassification"]}},
            near_miss=True,
        ),
        Example(
            "the text encoder of a pipeline, whose tokenizer lies beside it",
            {
                "model_index.json": {"_class_name": "DiffusionPipeline"},
                "text_encoder/config.json": LLAMA,
                "text_encoder/model.safetensors": llama_tensors(),
                "tokenizer/tokenizer.json": tokenizer_json(),
            },
            near_miss=True,
        ),
        Example(
            "a model of sound, whose tokenizer comes with the task",
            {"config.json": {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForPreTraining"]}},
            near_miss=True,
        ),
        Example(
            "Mistral's own file beside the config",
            {**MODEL, "tekken.json": {"config": {}, "vocab": []}, "tokenizer_config.json": tokenizer_config()},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for folder, table in facts.token_tables.items():
            if not _is_meant(facts, folder) or not is_readable(facts, folder) or is_from_code(facts, folder):
                continue
            if _is_unknown(facts, folder):
                continue
            present = names(facts, folder)
            if (pair := half(table, present)) is not None:
                there, lacking = pair
                message = f"{lacking} is not beside it: {quote(table.class_name)} is made from both, and raises"
                yield self.finding(At(join(folder, there)), message)
            elif (files := absent(table, present)) is not None:
                yield self._absent(facts, folder, table, files)
        if not facts.token_tables:
            yield from self._without(facts)

    def _absent(self, facts: Facts, folder: str, table: TokenTable, files: tuple[str, ...]) -> Finding:
        at = named_at(facts, folder)
        listed = " or ".join(files)
        message = f"there is no {listed} in the folder, and {quote(table.class_name)} is made from it"
        if table.without_vocabulary:
            then = "AutoTokenizer makes one of its special tokens alone, and every text becomes empty or unknown"
        else:
            then = "AutoTokenizer raises an error that does not name the file"
        is_said = not names(facts, folder).isdisjoint({CONFIG, ROLES})
        return self.finding(at, f"{message}: {then}", severity=None if is_said else Severity.NOTE)

    def _without(self, facts: Facts) -> Iterator[Finding]:
        """The note on a model for text that has no tokenizer at all."""
        if _is_elsewhere(facts):
            return
        config = facts.config or {}
        kind, heads = config.get("model_type"), config.get("architectures")
        if not isinstance(kind, str) or not isinstance(heads, list) or not facts.claims_transformers:
            return
        texts = [head for head in heads if isinstance(head, str) and head.endswith(HEADS)]
        # A type without a tokenizer of its own may be one of sound: of these only what writes text is for text.
        named = classes().auto.get(kind, GENERIC if any(head.endswith("ForCausalLM") for head in texts) else "")
        found = classes().by_name.get(named)
        if found is None or found.backend != "tokenizers" or "auto_map" in config or not texts:
            return
        then = (
            "raises" if found.name == GENERIC else f"makes a {found.name} of its special tokens alone, without a word"
        )
        message = f"the folder has a model for text and no file of a tokenizer: AutoTokenizer {then}"
        at = At(facts.inside("config.json"), "/model_type")
        yield self.finding(at, message, severity=Severity.NOTE)


def _is_elsewhere(facts: Facts) -> bool:
    """Whether the model is a part of something whose tokenizer lies in another folder."""
    if facts.has_file(join(dirname(facts.folder), MODEL_INDEX)) and facts.folder:
        return True
    return any(basename(path) in (FULL, CONFIG) for path in facts.shelf.by_path)


def _is_unknown(facts: Facts, folder: str) -> bool:
    """Whether the class that is named is none, of which TOK014 speaks: it is not known what it needs."""
    at = named_at(facts, folder)
    document = facts.json(at.path) if at.pointer is not None else None
    name = document.value.get("tokenizer_class") if document is not None else None
    return isinstance(name, str) and bool(name) and classes().find(name) is None


def _is_meant(facts: Facts, folder: str) -> bool:
    """Whether something says that the folder has a tokenizer, beside a file that may be anybody's list of words."""
    found = names(facts, folder)
    if CONFIG in found or ROLES in found:
        return FULL in found or not any(name.endswith(".gguf") for name in found)
    return facts.claims_transformers and folder == facts.folder
