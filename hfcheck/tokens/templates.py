"""The chat templates of a folder, from every home, in the order in which transformers 5.23 prefers them.

`tokenization_utils_base.py:_from_pretrained`: the files come before the key of tokenizer_config.json. A
chat_template.json is read by processors (`processing_utils.py`), the older home of theirs.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.finding import At, pointer
from hfcheck.formats.jinja import TemplateFacts
from hfcheck.tokens.folder import Folder
from hfcheck.tokens.settings import CONFIG
from hfcheck.tokens.table import Template

FILE, FOLDER, OLD = "chat_template.jinja", "additional_chat_templates/", "chat_template.json"


def templates(folder: Folder) -> Iterator[Template]:
    """The templates of a folder."""
    for name in sorted(folder.names):
        if name == FILE or (name.startswith(FOLDER) and name.endswith(".jinja") and name.count("/") == 1):
            facts = folder.of(name, TemplateFacts)
            if facts is not None:
                called = "default" if name == FILE else basename(name).removesuffix(".jinja")
                yield Template(called, facts.text, At(folder.at(name)))
    for file in (CONFIG, OLD, "processor_config.json"):
        at = At(folder.at(file), pointer("chat_template"))
        yield from _of(folder.table(file).get("chat_template"), at)


def _of(value: object, at: At) -> Iterator[Template]:
    if isinstance(value, str):
        yield Template("default", value, at)
    elif isinstance(value, dict):
        for name, text in value.items():
            if isinstance(text, str):
                yield Template(name, text, At(at.path, f"{at.pointer}{pointer(name)}"))
    elif isinstance(value, list):
        for index, row in enumerate(value):
            if isinstance(row, dict) and isinstance(row.get("name"), str) and isinstance(row.get("template"), str):
                yield Template(row["name"], row["template"], At(at.path, f"{at.pointer}/{index}/template"))
