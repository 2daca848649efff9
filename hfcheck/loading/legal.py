"""Tensors that no class of transformers needs and that are no fault: what older versions and other programs leave.

One line for each of legal-oddities that concerns a name; the lists of the classes themselves (`ignore_unexpected`) come
first and are not repeated here.
"""

import re

from hfcheck.loading.spec import Shape

_ALWAYS = re.compile(
    r"(^|\.)(?:"
    # Tables that are computed: from rotary embeddings, positions and masks that were persistent buffers once.
    r"inv_freq|original_inv_freq|cos_cached|sin_cached|position_ids|token_type_ids|masked_bias|causal_mask"
    r"|num_batches_tracked|embed_positions\.weights|_float_tensor"
    # fairseq counts the versions of its modules.
    r"|(?:encoder|decoder)\.version"
    # Scales of the key and value cache, which engines read and transformers does not.
    r"|(?:[kqv]_scale|kv_scale|[kv]_proj\.output_scale|[kv]_zero_point|prob_scale)"
    r")$"
    # Layers for the prediction of more than one token, which transformers leaves out.
    r"|(^|\.)(?:mtp|mtp_layers|mtp_block|nextn_predict_layers)\."
)

_MASK = re.compile(r"(^|\.)(?:attn|attention|self_attention|crossattention)\.bias$")
"""The triangle that GPT-2 and its kin kept as a buffer: the name of an honest bias, but the shape of a mask."""


def is_leftover(name: str, shape: Shape | None) -> bool:
    """Whether a tensor of this name and shape is legal in a file whose class does not have it."""
    if _ALWAYS.search(name) is not None:
        return True
    mask = shape is not None and (len(shape) == 0 or (len(shape) == 4 and shape[:2] == (1, 1) and shape[2] == shape[3]))  # noqa: PLR2004 - batch, heads, and a square
    return mask and _MASK.search(name) is not None
