"""How many rows a model has for ids, by its weights and by its config."""

from typing import Any

import pytest

from hfcheck.finding import At
from hfcheck.formats.tensor import Tensor
from hfcheck.tokens.embeddings import Embeddings, embeddings


def found(config: dict[str, Any], tensors: dict[str, tuple[int, ...]], dtype: str = "BF16") -> Embeddings:
    header = {name: Tensor(dtype, shape, 0, 0) for name, shape in tensors.items()}
    return embeddings(config, "config.json", header, dict.fromkeys(header, "model.safetensors"))


@pytest.mark.parametrize(
    ("config", "tensors", "rows"),
    [
        ({"vocab_size": 9}, {"model.embed_tokens.weight": (8, 4), "lm_head.weight": (9, 4)}, 8),
        ({"vocab_size": 9}, {"lm_head.weight": (8, 4)}, 9),
        ({"vocab_size": 9}, {"model.embed_tokens.weight": (8,)}, 9),
        ({}, {"transformer.wte.weight": (8, 4)}, 8),
        (
            {},
            {"bert.embeddings.word_embeddings.weight": (8, 4), "bert.embeddings.token_type_embeddings.weight": (2, 4)},
            8,
        ),
        ({}, {"shared.weight": (8, 4), "encoder.embed_tokens.weight": (8, 4)}, 8),
        ({}, {"encoder.embed_tokens.weight": (8, 4), "decoder.embed_tokens.weight": (6, 4)}, None),
        ({}, {"backbone.embeddings.weight": (8, 4)}, 8),
        ({}, {"language_model.model.embed_tokens.weight": (8, 4), "audio_tower.embed_tokens.weight": (2, 4)}, 8),
        ({}, {"model.language_model.embed_tokens.weight": (8, 4), "talker.model.embed_tokens.weight": (2, 4)}, 8),
        ({"vocab_size": 3, "text_config": {"vocab_size": 9}}, {}, 9),
        ({"vocab_size": 3, "text_config": {}}, {}, 3),
        ({"thinker_config": {"text_config": {"vocab_size": 9}}}, {}, 9),
        ({"vocab_size": True}, {}, None),
        ({"vocab_size": -1, "text_config": []}, {}, None),
        ({"vocab_size": 10**30}, {}, None),
    ],
)
def test_rows(config: dict[str, Any], tensors: dict[str, tuple[int, ...]], rows: int | None) -> None:
    assert found(config, tensors).rows == rows


def test_packed_weights_say_nothing() -> None:
    assert found({"vocab_size": 9}, {"model.embed_tokens.weight": (4, 4)}, dtype="U8").rows == 9


def test_places() -> None:
    both = found({"text_config": {"vocab_size": 9}, "vocab_size": 3}, {"model.embed_tokens.weight": (8, 4)})
    assert both.text is not None
    assert both.declared is not None
    assert both.text.at == At("model.safetensors", tensor="model.embed_tokens.weight")
    assert both.declared.at == At("config.json", "/text_config/vocab_size")
    assert [(one.rows, one.is_text) for one in both.found] == [(8, True), (9, True), (3, False)]
