"""The front door: the commands, their options and their exit codes."""

import contextlib
import io
import os
import sys

with contextlib.suppress(OSError):  # a working folder that was deleted holds nothing to be run
    if sys.path and not getattr(sys.flags, "safe_path", False) and sys.path[0] in ("", os.getcwd()):
        # `python -m hfcheck` puts the working folder first, which may be a stranger's: a click.py in it would be run.
        del sys.path[0]

from collections.abc import Callable, Collection
from functools import partial, reduce

import click

from hfcheck import __version__, config, engine, registry, reports
from hfcheck.company import Aim, Company
from hfcheck.discovery import find, is_within
from hfcheck.dry_run.options import Wanted, device_options
from hfcheck.finding import Severity, printable, visible
from hfcheck.loading.answer import Ask
from hfcheck.opinion.answer import Voice
from hfcheck.placement.target import Target
from hfcheck.report import Report
from hfcheck.reports import sink
from hfcheck.rule import Rule
from hfcheck.terminal import Usage, appearance, is_terminal, one_line, say, say_traceback, show, with_traceback, write

SEVERITIES = click.Choice([severity.value for severity in Severity])

FAILED = 4
"""Exit code: hfcheck or a plugin failed."""

INTERRUPTED = 130
"""Exit code: Ctrl-C, as shells have it. Click would say 1, which means that there are findings."""

LISTED = 3
"""Folders that a line on stderr names."""

SIZES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class FrontDoor(click.Group):
    """Says what is wrong with a command line as safely as all else: a shell's `*` may have put a file's name there."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise click.UsageError(_safe(error), error.ctx) from error
        except Usage as error:
            raise Usage(_safe(error)) from error
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            say("interrupted: nothing was checked to the end")
            ctx.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - Python would end with 1, which means that there are findings
            say(f"hfcheck itself failed, please report this: {visible(type(error).__name__)}")
            say_traceback(error)
            ctx.exit(FAILED)


class WithFiles(click.Command):
    """Refuses an option that is also the name of a file: a hook or a shell's `*` took it for one.

    A stranger's file named `--config=x.json` would otherwise choose the settings, `--output=text:x.json` write a file.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options = args[: args.index("--")] if "--" in args else args
        for option in options:
            if len(option) > 1 and option.startswith("-") and os.path.lexists(option):
                raise click.UsageError(f"{option!r} is also the name of a file: put -- before the names of files", ctx)
        return super().parse_args(ctx, args)


def _safe(error: click.ClickException) -> str:
    return sink.unforged(printable(error.format_message()))


def _split(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def _outputs(formats: Collection[str], values: tuple[str, ...]) -> dict[str, str]:
    """`--output sarif:hfcheck.sarif` as file to format."""
    found: dict[str, str] = {}
    for value in values:
        name, _, path = value.partition(":")
        if name not in formats or not path:
            raise click.BadParameter(f"{value!r} is not FORMAT:FILE with one of {', '.join(formats)}")
        if path in found:
            raise click.BadParameter(f"{path!r} is named twice")
        found[path] = name
    return found


def _report_options(formats: Collection[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that say where reports go and when they fail, for a command that writes these formats."""
    options = (
        click.option(
            "--format",
            "format_",
            type=click.Choice(list(formats)),
            default="text",
            show_default=True,
            help="Of the report on stdout.",
        ),
        click.option(
            "--output",
            "outputs",
            multiple=True,
            metavar="FORMAT:FILE",
            callback=lambda _context, _parameter, values: _outputs(formats, values),
            help="Write a report to a file as well; may be given more than once.",
        ),
        click.option("--fail-on", type=SEVERITIES, help="Fail from this severity on.  [default: error]"),
        click.option("--debug", is_flag=True, help="Show tracebacks of rules that crash."),
    )
    return lambda command: reduce(lambda given, option: option(given), reversed(options), command)


def _size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """`5GB` as bytes, in powers of 1000 as everywhere in transformers."""
    if value is None:
        return None
    number, unit = value[:-2], value[-2:].upper()
    if unit not in SIZES or not (number.isascii() and number.isdigit()) or not int(number):
        raise click.BadParameter(f"{value!r} is not a number with one of {', '.join(SIZES)}")
    return int(number) * SIZES[unit]


@click.group(cls=FrontDoor, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Say what a loader would do with a model repository, why, and what to change.

    Nothing from the repository is run, imported, unpickled or rendered.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What the locale cannot say is escaped: a report never fails for the terminal that it is shown on.
            stream.reconfigure(errors="backslashreplace")


@main.command(cls=WithFiles, short_help="Check model repositories.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True))
@_report_options(reports.FORMATS)
@click.option("--select", multiple=True, metavar="ID,...", callback=_split, help="Run only these rules or families.")
@click.option("--ignore", multiple=True, metavar="ID,...", callback=_split, help="Keep these out of the verdict.")
@click.option(
    "--config", "settings_file", type=click.Path(exists=True, dir_okay=False), help="Take settings from here."
)
@click.option("--isolated", is_flag=True, help="Take no settings from any file: for repositories of other people.")
@click.option(
    "--deep", is_flag=True, help="Ask the transformers that is installed here about models that hfcheck does not know."
)
@click.option("--second-opinion", is_flag=True, help="Ask fickling about each pickle too: notes, no verdict.")
@device_options
@click.pass_context
def check(  # noqa: PLR0913, PLR0917 - one parameter for each option
    context: click.Context,
    paths: tuple[str, ...],
    format_: str,
    outputs: dict[str, str],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    settings_file: str | None,
    *,
    isolated: bool,
    deep: bool,
    second_opinion: bool,
    wanted: Wanted,
    debug: bool,
) -> None:
    """Check model repositories: folders, folders of many, or files whose repository is meant (default: here).

    Exit code 0: nothing at or above --fail-on; 1: findings; 2: usage or settings; 3: something could not be checked;
    4: hfcheck or a plugin failed.
    """
    roots = _roots(paths or (".",))
    aim = None if wanted.is_nothing else Aim(_target(wanted))
    try:
        rules = registry.load()
        settings = config.merged(
            _settings(settings_file, roots, isolated=isolated),
            select=select,
            ignore=ignore,
            fail_on=Severity(fail_on) if fail_on else None,
        )
        config.check_words((*settings.select, *settings.ignore), (*rules, *engine.OWN_RULES))
        config.check_reasons(settings, rules)
    except (config.SettingsError, registry.RegistryError) as error:
        raise Usage(str(error)) from error
    chosen = tuple(rule for rule in rules if settings.selects(rule))
    on_crash = with_traceback if debug else one_line
    voice = _voice() if second_opinion else None
    repositories = tuple(
        engine.check(root, root, chosen, settings, Company(on_crash, _asking(root) if deep else None, voice, aim))
        for root in roots
    )
    all_rules = tuple(sorted((*chosen, *engine.OWN_RULES), key=lambda rule: rule.id))
    report = Report(repositories, all_rules, settings.fail_on, settings.source, __version__)
    for file, name in outputs.items():
        write(file, reports.FORMATS[name](report))
    on_terminal = format_ == "text" and is_terminal()
    show(_for_terminal(report) if on_terminal else reports.FORMATS[format_](report))
    context.exit(report.exit_code)


@main.command("dry-run", cls=WithFiles, short_help="Say where a model would land, and whether it fits.")
@click.argument("path", type=click.Path(exists=True))
@device_options
@click.option("--rehearse", is_flag=True, help="Read the weights, look for NaN and infinity, copy them to the devices.")
@click.option("--sha256", is_flag=True, help="With --rehearse: compare the files with the digests that are known.")
@_report_options(("text", "json"))
@click.pass_context
def dry_run(  # noqa: PLR0913 - one parameter for each option
    context: click.Context,
    path: str,
    wanted: Wanted,
    *,
    rehearse: bool,
    sha256: bool,
    format_: str,
    outputs: dict[str, str],
    fail_on: str | None,
    debug: bool,
) -> None:
    """Say where a loader would put each part of a model, whether it fits with its cache, and what to change.

    Without --rehearse nothing but headers is read, and neither torch nor a device is needed:

    hfcheck dry-run models/llama --device 0-1=24GiB --device cpu=64GiB

    Exit code 0: nothing at or above --fail-on; 1: findings, such as a model that does not fit; 2: usage or settings;
    3: it could not be told; 4: hfcheck or a plugin failed.
    """
    from hfcheck.dry_run import command, subject  # noqa: PLC0415 - no check needs it

    if sha256 and not rehearse:
        raise Usage("--sha256 is for --rehearse: a dry run reads no more of a file than its header")
    target = _target(wanted)
    try:
        root = subject.subject(path)
        rules = registry.load()
        settings = config.merged(
            _settings(None, (root,), isolated=False),
            select=(),
            ignore=(),
            fail_on=Severity(fail_on) if fail_on else None,
        )
        config.check_words((*settings.select, *settings.ignore), (*rules, *engine.OWN_RULES))
        config.check_reasons(settings, rules)
    except (subject.NoSubject, config.SettingsError, registry.RegistryError) as error:
        raise Usage(str(error)) from error
    answers = command.Answers(format_, outputs)
    company = command.company(target, with_traceback if debug else one_line, rehearse=rehearse, digest=sha256)
    context.exit(command.run(root, rules, settings, company, answers))


@main.command(cls=WithFiles, short_help="Convert files of torch.save to safetensors.")
@click.argument("path", type=click.Path(exists=True))
@click.option("--output", "folder", type=click.Path(file_okay=False), help="Write into this folder.  [default: beside]")
@click.option("--max-shard-size", metavar="SIZE", callback=_size, help="Write shards of at most 5GB, 500MB, ...")
@click.option("--force", is_flag=True, help="Write over files of the same names.")
@click.pass_context
def convert(context: click.Context, path: str, folder: str | None, max_shard_size: int | None, *, force: bool) -> None:
    """Convert the weights in a folder, or a file of torch.save, to safetensors without unpickling.

    The bytes of the tensors are copied, compared with their source, and the files given their names at the end. A
    pickle with more in it than tensors is refused.

    Exit code 0: converted; 1: refused; 2: usage, or a file that cannot be written; 3: something could not be read;
    4: hfcheck or a plugin failed.
    """
    from hfcheck.conversion.command import run  # noqa: PLC0415 - no check needs it

    try:
        rules = registry.load()
    except registry.RegistryError as error:
        raise Usage(str(error)) from error
    try:
        context.exit(run(path, rules, output=folder, max_shard_size=max_shard_size, force=force))
    except KeyboardInterrupt:
        say("interrupted: nothing was converted")
        context.exit(INTERRUPTED)


@main.command("rules")
def list_rules() -> None:
    """List the rules: id, name, severity."""
    for rule in _all_rules():
        click.echo(f"{rule.id}  {rule.severity.value:<7}  {rule.name}")


@main.command()
@click.argument("rule_id", metavar="ID")
def explain(rule_id: str) -> None:
    """Say what a rule finds, why it matters and how to put it right. ID is an id or a name."""
    for rule in _all_rules():
        if rule_id in {rule.id, rule.name}:
            click.echo(reports.explain(rule), nl=False)
            return
    raise Usage(f"there is no rule {rule_id!r}: `hfcheck rules` lists them")


def _all_rules() -> tuple[Rule, ...]:
    try:
        return tuple(sorted((*registry.load(), *engine.OWN_RULES), key=lambda rule: rule.id))
    except registry.RegistryError as error:
        raise Usage(str(error)) from error


def _target(wanted: Wanted) -> Target:
    from hfcheck.dry_run.target import TargetInvalid, target  # noqa: PLC0415 - a plain check has no target

    try:
        return target(wanted)
    except TargetInvalid as error:
        raise Usage(str(error)) from error


def _settings(path: str | None, roots: tuple[str, ...], *, isolated: bool) -> config.Settings:
    """The settings that apply. A stranger's repository must not silence its own findings."""
    if path is not None:
        return config.load(path)
    try:
        found = config.discover(os.getcwd())
    except FileNotFoundError:  # the working folder was deleted
        found = None
    if found is None:
        return config.Settings()
    found = os.path.relpath(found)  # where the working folder lies is no business of a report
    if isolated:
        say(f"not used because of --isolated: {visible(found)}")
        return config.Settings()
    if config.in_scanned(found, roots) and not config.is_own_work(found):
        say(f"not used because it belongs to what is checked: {visible(found)}")
        return config.Settings()
    return config.load(found)


def _roots(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The repositories that the paths mean, each once, sorted: two runners of hooks hand over files in two orders."""
    roots: dict[str, str] = {}
    for path in sorted(paths):
        found = find(path)
        for root in found.roots:
            roots.setdefault(os.path.realpath(root), root)
        for link in found.not_followed:
            say(f"not followed: {visible(link)} (a link to a folder)")
        if found.passed_over:
            named = ", ".join(map(visible, found.passed_over[:LISTED]))
            more = f" and {len(found.passed_over) - LISTED} more" if len(found.passed_over) > LISTED else ""
            say(f"not searched for models: {named}{more}")
        if not found.roots:
            say(f"{visible(path)} belongs to no model repository")
    return tuple(sorted(path for real, path in roots.items() if not is_within(real, roots)))


def _asking(root: str) -> Ask:
    """The question to the installed transformers, which a plain check never asks: it takes a process of its own."""
    from hfcheck.loading.ask import ask  # noqa: PLC0415 - with subprocess and tempfile, 20 ms
    from hfcheck.loading.deep import cache_folder  # noqa: PLC0415

    return partial(ask, cache=cache_folder(os.environ, root))


def _voice() -> Voice:
    from hfcheck.opinion.ask import ask  # noqa: PLC0415 - as above

    return ask


def _for_terminal(report: Report) -> str:
    from hfcheck.reports import text  # noqa: PLC0415 - as in `hfcheck.reports`

    columns, has_colours = appearance()
    return text.render(report, columns, text.coloured if has_colours else text.plain)


if __name__ == "__main__":
    main(prog_name="hfcheck")
