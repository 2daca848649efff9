"""What the files of a model say of its tokenizer beyond the tokens, for the rules on special tokens and structure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import join
from typing import Any

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, pointer
from hfcheck.token_files import CONFIG, FULL
from hfcheck.tokens.embeddings import TEXT
from hfcheck.tokens.table import Special, TokenTable

OWN_POST_PROCESSOR = frozenset((
    "BertTokenizer", "BigBirdTokenizer", "CamembertTokenizer", "CLIPTokenizer", "CodeLlamaTokenizer",
    "ConvBertTokenizer", "DPRContextEncoderTokenizer", "DPRContextEncoderTokenizerFast",
    "DPRQuestionEncoderTokenizer", "DebertaTokenizer", "DPRQuestionEncoderTokenizerFast", "DPRReaderTokenizer",
    "DPRReaderTokenizerFast", "DebertaV2Tokenizer", "DistilBertTokenizer", "EsmcTokenizer", "FunnelTokenizer",
    "GPTNeoXTokenizer", "HerbertTokenizer", "LasrTokenizer", "LayoutLMv2Tokenizer", "LayoutLMv3Tokenizer",
    "LayoutXLMTokenizer", "LukeTokenizer", "MBart50Tokenizer", "MBartTokenizer", "MLukeTokenizer",
    "MPNetTokenizer", "MarkupLMTokenizer", "NllbTokenizer", "NougatTokenizer", "PegasusTokenizer",
    "RemBertTokenizer", "RoFormerTokenizer", "RobertaTokenizer", "SeamlessM4TTokenizer", "SplinterTokenizer",
    "T5Tokenizer", "UdopTokenizer", "WhisperTokenizer", "XGLMTokenizer", "XLMRobertaTokenizer", "XLNetTokenizer",
))  # fmt: skip
"""Classes of transformers 5.23 that put a post-processor of their own in the place of that in tokenizer.json."""

LAST_TOKEN = frozenset(f"{name}ForSequenceClassification" for name in (
    "AXK1", "AXK2", "Arcee", "BioGpt", "Bloom", "CTRL", "CohereCompassText", "DeepseekV2", "DeepseekV3",
    "DiffLlama", "Doge", "Exaone4", "Falcon", "GPT2", "GPTBigCode", "GPTJ", "GPTNeo", "GPTNeoX", "Gemma2",
    "Gemma3", "Gemma3Text", "Gemma", "Glm4", "Glm", "GptOss", "Helium", "HunYuanDenseV1", "HunYuanMoEV1", "Jamba",
    "JetMoe", "Llama", "MiniCPM3", "MiniMax", "Ministral3", "Ministral", "Mistral4", "Mistral", "Mixtral",
    "ModernBertDecoder", "Mpt", "Nemotron", "OPT", "Olmo2", "Olmo3", "Olmo", "OpenAIGPT", "Persimmon", "Phi3",
    "Phi", "Phimoe", "Qwen2", "Qwen2Moe", "Qwen3", "Qwen3Moe", "Qwen3Next", "Qwen3_5", "Qwen3_5Text", "SeedOss",
    "SmolLM3", "StableLm", "Starcoder2", "T5Gemma", "Zamba2", "Zamba",
))  # fmt: skip
"""Classes of transformers 5.23 that classify by the last token that is not the padding id of the config."""


@dataclass(frozen=True, slots=True)
class Full:
    """A tokenizer that is known for certain, with the document in its tokenizer.json, without its merges."""

    folder: str
    path: str
    table: TokenTable
    document: Mapping[str, Any]

    def at(self, *parts: str | int) -> At:
        """A place in tokenizer.json."""
        return At(self.path, pointer(*parts))


def is_known(table: TokenTable) -> bool:
    """Whether the tokens that the tokenizer ends up with are known, and there are any."""
    return table.raises is None and table.certain and not table.without_vocabulary


def fulls(facts: Facts) -> Iterator[Full]:
    """The tokenizers of a unit that are made of a tokenizer.json."""
    for folder, table in facts.token_tables.items():
        path = join(folder, FULL)
        document = facts.json(path)
        if document is not None and type(document.value) is dict and is_known(table):
            yield Full(folder, path, table, document.value)


def settings(facts: Facts, folder: str) -> Mapping[str, Any]:
    """The object in tokenizer_config.json; an empty one where there is none."""
    document = facts.json(join(folder, CONFIG))
    return document.value if document is not None and type(document.value) is dict else {}


def architecture(facts: Facts) -> str:
    """The class of the model that the config names first; empty where it names none."""
    names = (facts.config or {}).get("architectures")
    return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""


def text_part(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The config of the text model and the keys that lead there: a nested one makes the top level a default."""
    for keys in TEXT:
        part: Any = config
        for key in keys:
            part = part.get(key) if type(part) is dict else None
        if type(part) is dict and part.get("model_type"):
            return part, keys
    return config, ()


def id_at(facts: Facts, role: str) -> tuple[object, At] | None:
    """The id that the config gives to a role ("pad"), and where; None where it does not speak of it."""
    part, keys = text_part(facts.config or {})
    key = f"{role}_token_id"
    return (part[key], At(facts.inside(layout.CONFIG), pointer(*keys, key))) if key in part else None


def is_from_files(table: TokenTable, token: Special) -> bool:
    """Whether a file has the token of a role as one of its tokens, and not the role alone."""
    return token.content in table.base or any(one.content == token.content for one in table.declared)
