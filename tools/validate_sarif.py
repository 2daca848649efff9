"""Holds SARIF reports of hfcheck against Microsoft's validator, with the rules of SARIF and of GitHub code scanning.

    npm install --prefix FOLDER @microsoft/sarif-multitool
    python tools/validate_sarif.py FOLDER

The reports are those of the examples of every rule, one file for each rule, half of them given by absolute paths, and
of a repository whose every name is hostile, with all rules. Exit code 1 where the validator has an error or a warning.
Its notes are counted: advice for other uses than ours (snippets, provenance, names in PascalCase). Its own exit code
says nothing, and most of its time goes into asking for every address in a report.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hfcheck import registry, testing
from hfcheck.example import Example

PROGRAM = "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
OPTIONS = ("--rule-kind", "Sarif;Ghas", "--level", "Error;Warning;Note")

RUNS = 20
"""Runs that GitHub takes in one file."""

HOSTILE = "a\x1b[31m\u202e %0A::error::##[x]{0}[y](http://z)|`=cmd\udcff"
WEIRD = Example(
    "every name is hostile",
    {
        f"{HOSTILE}/model.safetensors.index.json": {
            "metadata": {},
            "weight_map": {HOSTILE: f"{HOSTILE}.safetensors", "</script>": "../../x.safetensors"},
        },
        f"{HOSTILE}/config.json": {"architectures": [HOSTILE], "auto_map": {"AutoModel": f"{HOSTILE}--x.Y"}},
        f"{HOSTILE}/a b#c?d%41&.safetensors": {HOSTILE: ("F16", [2, 3]), "__metadata__": {HOSTILE: HOSTILE}},
        "generation_config.json": "<<<<<<< HEAD\n{}\n",
    },
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where npm installed the validator")
    program = (parser.parse_args().folder / PROGRAM).resolve()
    program.chmod(program.stat().st_mode | 0o100)  # npm no longer runs the script of the package that does this
    with tempfile.TemporaryDirectory() as work:
        reports = write_reports(Path(work))
        results = sum(len(run["results"]) for report in reports for run in json.loads(report.read_text())["runs"])
        found = [entry for report in reports for entry in validate(program, report)]
    for (level, rule, text), count in sorted(Counter(found).items()):
        if level != "note":
            print(f"{level} {rule}: {text} ({count} times)")
    levels = Counter(level for level, _, _ in found)
    notes = Counter(rule for level, rule, _ in found if level == "note")
    print(f"{len(reports)} files with {results} results: {levels['error']} errors, {levels['warning']} warnings")
    print(f"notes: {', '.join(f'{rule} {count}' for rule, count in sorted(notes.items()))}")
    return 1 if levels["error"] or levels["warning"] else 0


def write_reports(work: Path) -> list[Path]:
    """A report for each rule, over its bad examples, and one over the hostile repository."""
    groups = {rule.id: rule.bad[:RUNS] for rule in registry.load() if rule.bad} | {"hostile": (WEIRD,)}
    reports = []
    for number, (name, examples) in enumerate(groups.items()):
        for index, example in enumerate(examples):
            folder = work / name / f"{index} x%y"
            folder.mkdir(parents=True)
            testing.write(example, folder)
        report = work / f"{name}.sarif"
        where = name if number % 2 else str(work / name)
        options = ["--isolated", "--output", f"sarif:{report}", *([] if name == "hostile" else ["--select", name])]
        command = [sys.executable, "-m", "hfcheck", "check", *options, where]
        result = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
        if result.returncode not in {0, 1, 3}:
            raise SystemExit(f"{name}: exit code {result.returncode}\n{result.stderr}")
        reports.append(report)
    return reports


def validate(program: Path, report: Path) -> list[tuple[str, str, str]]:
    """What the validator says of a report: level, rule, text."""
    answer = report.with_suffix(".answer")
    command = [str(program), "validate", *OPTIONS, "--output", str(answer), str(report)]
    environment = os.environ | {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603 - the program asked for
    (run,) = json.loads(answer.read_text(encoding="utf-8-sig"))["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"].get("rules", [])}
    return [_entry(result, rules) for result in run["results"]]


def _entry(result: dict[str, Any], rules: dict[str, Any]) -> tuple[str, str, str]:
    """An absent level means warning; the text is a template of the rule, with arguments."""
    rule, message = result["ruleId"].split("/")[0], result["message"]
    text = message.get("text") or rules[rule]["messageStrings"][message["id"]]["text"]
    for index, argument in enumerate(message.get("arguments", [])):
        text = text.replace(f"{{{index}}}", argument)
    return result.get("level", "warning"), rule, text[:300]


if __name__ == "__main__":
    sys.exit(main())
