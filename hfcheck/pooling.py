"""What sentence-transformers does with a model: `modules.json` lists the modules that a text goes through."""

from posixpath import dirname, join

from hfcheck import layout
from hfcheck.facts import Facts


def pools_hidden_states(facts: Facts) -> bool:
    """Whether a pooling module takes the hidden states of this model, so that its head and its pooler are not used.

    The model is loaded by AutoModel, whatever `architectures` says. `modules.json` lies beside it or one folder above:
    `0_Transformer`.
    """
    folders = (facts.folder, dirname(facts.folder)) if facts.folder else ("",)
    read = (facts.json(join(folder, layout.MODULES)) for folder in folders)
    lists = (found.value for found in read if found is not None and isinstance(found.value, list))
    kinds = (module.get("type") for modules in lists for module in modules if isinstance(module, dict))
    return any(isinstance(kind, str) and kind.rpartition(".")[2] == "Pooling" for kind in kinds)
