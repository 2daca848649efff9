"""Writes what the documentation takes from the code: a page for each rule, their table, and marked parts of the README.

`--check` writes nothing, shows what is stale as a diff and exits with 1. Between `<!-- generated: NAME -->` and
`<!-- end -->` the README holds: `help`, the options of `hfcheck check`; `families`, the table of families; `count`, the
number of rules.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner

from hfcheck.__main__ import main as hfcheck
from hfcheck.engine import OWN_RULES
from hfcheck.registry import load
from hfcheck.reports.explanation import FAMILIES, explain, page_name, title, web_page
from hfcheck.rule import Rule

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "rules"
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- generated: ([a-z]+) -->)(.*?)(<!-- end -->)", re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something is stale")
    check = parser.parse_args().check
    stale = {path: text for path, text in wanted().items() if read(path) != text}
    if not check:
        for path, text in stale.items():
            write(path, text)
        print(f"{len(stale)} files written")
        return 0
    for path, text in stale.items():
        name = path.relative_to(ROOT).as_posix()
        before, after = (read(path) or "").splitlines(), (text or "").splitlines()
        print(*difflib.unified_diff(before, after, name, f"{name} (generated)", lineterm=""), sep="\n")
    if stale:
        print(f"{len(stale)} files are stale: run `python tools/docs.py`")
    return 1 if stale else 0


def wanted() -> dict[Path, str | None]:
    """Each generated file with its text; None for a page of a rule that is no more."""
    rules = [rule for rule in (*load(), *OWN_RULES) if web_page(rule)]  # no plugin of whoever runs this
    rules.sort(key=lambda rule: rule.id)
    pages: dict[Path, str | None] = dict.fromkeys(PAGES.glob("*.md"))
    pages |= {PAGES / page_name(rule): explain(rule) for rule in rules}
    pages[PAGES / "README.md"] = table(rules)
    if text := read(README):
        pages[README] = MARKED.sub(lambda match: _marked(match, rules), text)
    return pages


def table(rules: list[Rule]) -> str:
    """All rules by family."""
    lines = ["# Rules", "", f"{len(rules)} rules. `hfcheck explain ID` prints the same pages.", ""]
    for family, name in FAMILIES.items():
        members = [rule for rule in rules if rule.id.startswith(family)]
        if members:
            lines += [f"## {family}: {name}", "", "| id | name | severity | what it finds |", "|---|---|---|---|"]
            lines += [_row(rule) for rule in members]
            lines.append("")
    return "\n".join(lines)


def _row(rule: Rule) -> str:
    severity = f"{rule.severity.value}, confidence {rule.confidence}" if rule.confidence else rule.severity.value
    about = title(rule).replace("|", "\\|")
    return f"| [{rule.id}]({page_name(rule)}) | {rule.name} | {severity} | {about} |"


def families(rules: list[Rule]) -> str:
    counts = {family: sum(rule.id.startswith(family) for rule in rules) for family in FAMILIES}
    rows = [f"| {family} | {name} | {counts[family]} |" for family, name in FAMILIES.items() if counts[family]]
    return "\n".join(["| family | about | rules |", "|---|---|---|", *rows])


def options(_rules: list[Rule]) -> str:
    # The widest that the program itself makes its help, whatever the terminal of whoever runs this.
    result = CliRunner().invoke(hfcheck, ["check", "--help"], prog_name="hfcheck", terminal_width=100)
    return f"```text\n$ hfcheck check --help\n{result.output.rstrip()}\n```"


def count(rules: list[Rule]) -> str:
    return str(len(rules))


PARTS: dict[str, Callable[[list[Rule]], str]] = {"help": options, "families": families, "count": count}


def _marked(match: re.Match[str], rules: list[Rule]) -> str:
    """A marked part with its new text: on lines of its own, or within a line where it stood within one."""
    begin, name, before, end = match.groups()
    if name not in PARTS:
        raise SystemExit(f"README.md: nothing is generated under the name {name!r}")
    gap = "\n" if "\n" in before else ""
    return f"{begin}{gap}{PARTS[name](rules)}{gap}{end}"


def read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
