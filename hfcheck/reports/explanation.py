"""What `hfcheck explain` prints and `docs/rules/` holds: the documentation of a rule, from the rule itself."""

import inspect
import sys

from hfcheck.rule import Rule


def explain(rule: Rule) -> str:
    """Title, table of facts and text of a rule in Markdown."""
    text = documentation(rule)
    title, _, body = text.partition("\n")
    confidence = f", confidence: {rule.confidence}" if rule.confidence else ""
    return (
        f"# {rule.id} {rule.name}\n\n{title.strip()}\n\n"
        f"Severity: {rule.severity.value}{confidence}. Since hfcheck {rule.since}.\n\n"
        f"{body.strip()}\n{_examples(rule)}"
    )


def documentation(rule: Rule) -> str:
    """The docstring of the rule's module, or of its class where the module holds other things as well."""
    own = inspect.cleandoc(type(rule).__doc__ or "")
    if "## What it finds" in own:
        return own
    return inspect.cleandoc(sys.modules[type(rule).__module__].__doc__ or "")


def _examples(rule: Rule) -> str:
    lines: list[str] = []
    if rule.bad:
        lines += ["\n## Found\n", *(f"- {example.title}" for example in rule.bad)]
    if rule.good:
        lines += ["\n## Not found\n", *(f"- {example.title}" for example in rule.good)]
    return "\n".join([*lines, ""]) if lines else ""
