"""`router init` and `router completion`: a first problem file, and the keys that finish a word."""

from __future__ import annotations

import os
import sys

import click

from router.commands.options import output_option
from router.commands.terminal import deliver, remark

SHELLS = ("bash", "zsh", "fish")
MODELS = ("llama-2-70b", "gpt-4.1", "claude-opus-4.6")
MODEL = "llama-2-70b"
MOST = 1e12

CATALOGUE = "catalogue.yaml"
HEAD = """\
# yaml-language-server: $schema=router.schema.json
# What you said stands here; what you know besides goes below. Every field: docs/fields.md, or router schema.
#   router solve {file}      the plan of least cost
#   router explain {file}    what decides it
"""
OWN_OFFERS = """
# offers:                                  # your own quotes and servers, beside those of the catalogue
#   - name: my-quote
#     provider: acme
#     models: {{{model}: {{prompt_usd_per_m: 0.50, completion_usd_per_m: 0.50}}}}
#     commitment: {{min_usd_per_month: 500, term_months: 12}}
"""
NUMBERS = """\
schema: router/1
name: {name}
horizon: {{periods: 1, period_h: 730}}       # a month as one period; by the hour: periods: 168, period_h: 1
include: [catalogue.yaml]                  # prices of a published analysis, with their sources

workloads:
  - name: requests
    models: [{models}]       # any of these will do
    demand: {{requests_per_day: {requests}}}
    prompt_tokens: {prompt}
    completion_tokens: {completion}
    # slo: {{ttft_p95_ms: 1500}}             # a promise on the first token; offers must state theirs
    # needs: {{streaming: true}}
"""


PRICES = "{prompt_usd_per_m: 1.00, completion_usd_per_m: 1.00}"
OFFER = """\
offers:
  - name: what-you-pay-today               # assumed: put your own prices here, and offers to compare beside them
    models:
"""


@click.command(short_help="Begin: a commented problem file that solves.")
@click.option(
    "--requests-per-day",
    type=str,
    metavar="N",
    help="Requests a day, such as 50K; asked if left out.",
)
@click.option("--prompt-tokens", type=str, metavar="N", help="Tokens of a prompt, on average.")
@click.option("--completion-tokens", type=str, metavar="N", help="Tokens of an answer, on average.")
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Choice(MODELS),
    help="A model that will do; may be repeated.",
)
@click.option(
    "--usage",
    metavar="FILE",
    help="In place of numbers: what router import usage reads.",
)
@click.option(
    "--log",
    metavar="FILE",
    help="In place of numbers: a log of requests, as router import trace reads it.",
)
@click.option("--name", default="my first plan", show_default=True, help="Name of the problem.")
@output_option
def init(
    requests_per_day: str | None,
    prompt_tokens: str | None,
    completion_tokens: str | None,
    models: tuple[str, ...],
    usage: str | None,
    log: str | None,
    name: str,
    output: str | None,
) -> None:
    """Write a problem file that solves: from three numbers or a log of requests, with the shipped catalogue to buy
    from, or from an export of usage.

    Numbers that are left out are asked for on a terminal. With --log workloads are as recorded, hour by hour; with
    --usage too, beside an offer to put your prices into. router import trace and usage have more options. The file is
    problem.yaml, or what -o names; nothing that is there already is replaced.
    """
    from router.errors import InputError, Issue
    from router.loading.shipped import copy

    file = output or "problem.yaml"
    if os.path.lexists(file):
        raise InputError(Issue(("--output",), "is there already", file, "name another with -o"))
    if log is not None and usage is not None:
        raise InputError(Issue(("--log",), "does not go with --usage", log, "choose one"))
    chosen = models or (MODEL,)
    if usage is not None:
        text = _from_usage(usage, name)
    elif log is not None:
        text = _from_log(log, name, models or MODELS)  # one of them takes the longest prompt too
    else:
        text = NUMBERS.format(
            name=_quoted(name),
            models=", ".join(chosen),
            requests=_number("--requests-per-day", requests_per_day, "Requests a day", "10K"),
            prompt=_number("--prompt-tokens", prompt_tokens, "Tokens of a prompt, on average", "800"),
            completion=_number(
                "--completion-tokens", completion_tokens, "Tokens of an answer, on average", "200"
            ),
        )
    text = HEAD.format(file=os.path.basename(file)) + text
    if usage is None:
        text += OWN_OFFERS.format(model=chosen[0])
        copy("catalogue", os.path.dirname(file) or ".")
    deliver(text, file, "problem")
    remark(f"next: router solve {file}")


def _number(option: str, text: str | None, question: str, default: str) -> str:
    """A number as the file takes it; asked on a terminal. Raises InputError."""
    from router.errors import InputError, Issue
    from router.schema.numbers import parse_number

    if text is None and not sys.stdin.isatty():
        raise InputError(
            Issue((option,), "is required where nobody can be asked", None, f"{option} {default}")
        )
    said = click.prompt(question, default=default, err=True) if text is None else text
    try:
        number = parse_number(said)
    except ValueError as error:
        raise InputError(Issue((option,), str(error), said)) from error
    if not 0 < number <= MOST:
        raise InputError(Issue((option,), f"must be greater than 0 and at most {MOST:g}", said))
    return str(said)


def _quoted(name: str) -> str:
    import json

    return json.dumps(name, ensure_ascii=False)


def _from_log(file: str, name: str, models: tuple[str, ...]) -> str:
    """Workloads of a log, by size and hour, with the shipped catalogue to buy from. Raises InputError."""
    import re
    from pathlib import Path

    from router.traces.extract import Choices, extract
    from router.traces.write import problem_text

    path = Path(file)
    text = problem_text(extract(path, Choices(gaps="zero")), path.name, models, (CATALOGUE,))
    return re.sub(r"^name: .*$", lambda _: f"name: {_quoted(name)}", text, count=1, flags=re.M)


def _from_usage(file: str, name: str) -> str:
    """Workloads as recorded, and an offer to put prices into. Raises InputError."""
    import json
    from pathlib import Path

    from router.importers.usage import Cut, cut, draft, read_files, usage_of

    usage = cut(usage_of(read_files([Path(file)], "auto"), {}), Cut(gaps="zero"))
    text = draft(usage, name=name, rename={}, request_tokens=None, include=()).text
    models = dict.fromkeys(work.model for work in usage.work)
    rows = "\n".join(f"      {json.dumps(model)}: {PRICES}" for model in models)
    return f"{text.rstrip()}\n\n{OFFER}{rows}\n"


@click.command(short_help="Tab completion for bash, zsh and fish.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and their values.

    bash, in ~/.bashrc:  eval "$(router completion bash)"; zsh likewise; fish: router completion fish | source
    """
    from click.shell_completion import get_completion_class

    from router.commands.terminal import say

    kind = get_completion_class(shell)
    if kind is not None:
        say(kind(context.find_root().command, {}, "router", "_ROUTER_COMPLETE").source())
