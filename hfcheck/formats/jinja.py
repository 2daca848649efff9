"""A template of Jinja as text: it is never compiled and never rendered."""

from dataclasses import dataclass
from io import SEEK_END
from typing import IO

from hfcheck.formats.invalid import Invalid

MAX_BYTES = 2**20
"""The longest published chat template has 30 KB."""


class TemplateInvalid(Invalid):
    """No renderer reads these bytes."""


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """The text, with every end of a line as one newline."""

    text: str


def read(stream: IO[bytes]) -> TemplateFacts:
    """The text of a template; raises TemplateInvalid."""
    size = stream.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise TemplateInvalid(0, f"at most {MAX_BYTES} bytes of template, not {size}", budget="template.bytes")
    stream.seek(0)
    data = stream.read(size)
    try:
        return TemplateFacts(data.decode().replace("\r\n", "\n").replace("\r", "\n"))
    except UnicodeDecodeError as error:
        raise TemplateInvalid(error.start, "UTF-8") from error
