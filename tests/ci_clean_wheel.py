"""Every command in an environment of its own, away from the sources: `python tests/ci_clean_wheel.py ROUTER [EXTRA…]`.

ROUTER is the command to run; its environment has the wheel and the extras named, and nothing else. Each command must
end with the code that stands before it and print something; one that needs an extra that is not there must say which.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"
IMPOSSIBLE = """schema: router/1
models: {m: {}}
workloads: [{name: w, models: [m], demand: {requests_per_s: 1}, prompt_tokens: 9, completion_tokens: 9}]
offers:
  - {name: api, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}, quota: {requests_per_minute: 6}}
"""
STORE = "--store sqlite:///plans.db"
COMMANDS = f"""
0   --version
0   --help
0   examples
0   examples list
0   examples copy quickstart .
0   examples copy fleet .
0   examples copy mixed .
0   examples copy sizing-quote .
0   examples copy azure-2023 .
0   examples copy backtest-azure .
0   init --requests-per-day 50K --prompt-tokens 800 --completion-tokens 200 --model gpt-4.1 -o first.yaml
0   solve first.yaml
0   init --log azure-2023-code.csv -o logged.yaml
0   whatif quickstart.yaml --set workloads.moderation.demand=x2
0   completion bash
0   schema
0   solvers
0   solve quickstart.yaml -o plan.json
0   solve fleet.yaml -o fleet.json
0   solve azure-2023.yaml -o azure.json
0   compare mixed.yaml
0   explain fleet.yaml
3   solve impossible.yaml
3   explain impossible.yaml
0   verify quickstart.yaml plan.json
0   prove quickstart.yaml plan.json
0   report fleet.json --format markdown
0   report fleet.json --problem fleet.yaml -o fleet.html
0   diff plan.json fleet.json
0   simulate azure.json --problem azure-2023.yaml --hours busiest --requests 1000
0   size sizing-quote.yaml -o sized.json
0   verify sizing-quote.yaml sized.json
0   backtest backtest-azure.yaml --forecast last --lookahead 5
0   import usage {DATA}/usage/spend_logs.jsonl --gaps zero
0   import prices litellm {DATA}/prices/litellm.json
0   import prices models-dev {DATA}/prices/models_dev.json
0   import prices opencost {DATA}/prices/opencost.json
0   import prices gpu {DATA}/prices/vms.csv --model m --provider aws
0   import performance {DATA}/performance/vllm.json --offer own --model m --gpus 8 --usd-per-gpu-h 2
0   import trace {DATA}/traces/servegen-m-large.csv
0   import trace {DATA}/traces/servegen-m-large.csv --forecast same-hour-last-week
0   export litellm fleet.json --problem fleet.yaml
0   export gateway fleet.json
0   export keda fleet.json --problem fleet.yaml --repeat daily
0   export headroom fleet.json --problem fleet.yaml
0   export commitments fleet.json --problem fleet.yaml
0   export workers fleet.json
0   export tfvars fleet.json
0   export csv fleet.json -o tables
0   export lp quickstart.yaml
0   export mps quickstart.yaml
2   solve quickstart.yaml --solver no-such-solver
"""
EXTRAS = {
    "store": f"""
10  reoptimise quickstart.yaml {STORE} --detailed-exitcode
0   reoptimise quickstart.yaml {STORE} --detailed-exitcode
0   history {STORE}
0   history {STORE} --show 1 -o first.json
0   diff 1 plan.json {STORE}
""",
    "prices": "0   import prices genai --provider anthropic",
    "forecast": f"0   import trace {DATA}/traces/servegen-m-large.csv --forecast trend --horizon 24",
    "cbc": "0   solve quickstart.yaml --solver pulp:COIN_CMD",
    "parquet": "0   solve quickstart.yaml -o beside.json --parquet",
    "dask": "0   size sizing-quote.yaml --backend dask --workers 2",
    "ray": "0   size sizing-quote.yaml --backend ray --workers 2",
}
"""What each extra is for. Where it is not installed, every one of these ends with 2 and says how to install it."""


@dataclass(frozen=True)
class Command:
    """Arguments of `router`, and the code that it must end with; `lacks` is an extra that it asks for in vain."""

    code: int
    arguments: tuple[str, ...]
    lacks: str | None = None


def commands(extras: tuple[str, ...] = ()) -> list[Command]:
    """In order: later ones read what earlier ones wrote."""
    made = _read(COMMANDS)
    for extra, text in EXTRAS.items():
        made += _read(text) if extra in extras else [Command(2, one.arguments, extra) for one in _read(text)]
    if "store" in extras:  # one that is served, not a file: psycopg is an extra of its own
        made.append(Command(2, ("history", "--store", "postgresql://nobody@127.0.0.1:1/none"), "postgres"))
    return made


def _read(text: str) -> list[Command]:
    rows = [line.split() for line in text.strip().splitlines()]
    return [Command(int(code), tuple(arguments)) for code, *arguments in rows]


def fault(router: str, command: Command, folder: str) -> str | None:
    """What is wrong with how a command ended; None where it is as it should be."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    done = subprocess.run(
        [router, *command.arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    if done.returncode != command.code:
        return f"ended with {done.returncode}, not {command.code}:\n{said}"
    if "Traceback" in said or "bug of the planner" in said:
        return f"broke:\n{said}"
    if not said.strip():
        return "printed nothing"
    if command.lacks is not None and not ("pip install" in said and f"[{command.lacks}]" in said):
        return f"does not say how to install the extra {command.lacks}:\n{said}"
    return None


def main(router: str, extras: tuple[str, ...]) -> int:
    """Runs them all; how many were at fault."""
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "impossible.yaml").write_text(IMPOSSIBLE, encoding="utf-8")
        for command in commands(extras):
            wrong = fault(router, command, folder)
            faults += wrong is not None
            sys.stdout.write(f"{command.code:>3}  router {' '.join(command.arguments)}\n{wrong or ''}")
            sys.stdout.flush()
    return faults


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), tuple(sys.argv[2:])))
