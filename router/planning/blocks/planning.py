"""A plan of many periods into its files, block by block; it is checked before any of them takes its place."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from math import fsum, inf
from pathlib import Path
from tempfile import TemporaryDirectory

from router.errors import CertificateFailed, Infeasible, NoPlanInTime
from router.loading.catalogue import problem_sha256
from router.output import check_writable
from router.plan.across import reaches_across
from router.plan.document import Plan, ShadowPrices, SolverRun, StatedOptions, Verified, VerifiedCheck
from router.plan.left_out import ended_by_clock
from router.plan.proof import Proof, ProofBlocks, ProofFile, part_line
from router.plan.rows import InstanceRow, MinuteSource, QuotaRow, RouteRow, UnservedRow
from router.plan.start import start_of
from router.plan.tables import TableWriter, table_beside
from router.plan.values import MONTH_H, per_month
from router.planning.blocks.deciding import HeldDecision, decided, of_periods
from router.planning.blocks.settling import cost_lines, settled
from router.planning.blocks.solving import BlockAnswer, BlockTask, cost_of_block, proven_block, solved_block
from router.planning.decode import refused_rows
from router.planning.notes import REFUSED, burst_notes, notes_of, waiting_notes
from router.planning.publish import gap_of, options_of, versions
from router.planning.solve import Search, encode_problem
from router.schema import Problem
from router.traces import recorded
from router.verification.base.audit import Audit
from router.verification.blocks.cut import Block, blocks_of
from router.verification.blocks.proof import audit_of_block, total_of
from router.verification.blocks.streaming import verify_tables
from router.verification.minutes import tell_minutes
from router.workers import Workers, stream

PERIODS = 24
"""Of a block."""

LARGE = 500_000
"""Ways to serve a cell, over all cells: beyond, one program of all of them takes more memory and time than there is."""

ROOM = 4.0
"""The whole plan costs no more than so many times what the hours that decide come to, as a rule."""

LEAST_USD = 1.0

NO_PRICES = ShadowPrices("not worked out: the plan was made by blocks", ())


def is_large(problem: Problem) -> bool:
    """Whether one program of all periods would be too large."""
    sold: dict[str, int] = defaultdict(int)
    for offer in problem.offers:
        for model in offer.models:
            sold[model] += 1
    ways = sum(sold[model] for load in problem.workloads for model in load.models)
    return ways * problem.horizon.periods > LARGE


def undividable(problem: Problem, search: Search) -> str | None:
    """Why a plan cannot be made by blocks; None: it can."""
    across = reaches_across(problem)
    if across is not None:
        return f"{across} reaches across periods"
    policy = problem.policy
    if policy.max_spend_usd is not None or policy.max_committed_usd is not None:
        return "policy states a limit on what all periods cost together"
    waiting = any(
        offer.instances is not None and offer.instances.max_utilisation is None for offer in problem.offers
    )
    if waiting and any(load.slo != type(load.slo)() for load in problem.workloads):
        return "waiting is modelled"
    if search.solver != "highs" or search.options.relax:
        return "blocks are solved by highs, in whole numbers"
    if any(load.demand.trace is not None for load in problem.workloads) and tell_minutes(problem):
        return "traces tell the minutes of a period"
    return None


def plan_by_blocks(
    problem: Problem,
    search: Search,
    path: str | Path,
    workers: Workers,
    doing: Callable[[str], None] = lambda _: None,
    periods: int = PERIODS,
) -> Plan:
    """Write the verified plan, its tables and its proof; the plan without their rows. See `undividable`.

    Raises as `optimise`, InputError where nothing can be written, CertificateFailed where the plan fails its check.
    """
    target = Path(os.path.realpath(path))
    check_writable(target)
    search, known = search.begun(), recorded(problem).problem
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        draft = Path(folder) / target.name
        plan = _made(problem, known, draft, search, workers, doing, periods)
        doing("checking the plan")
        verdict = verify_tables(problem, plan, draft, workers)
        if not verdict.ok:
            failed = "\n".join(f"  {check.name}: {check.detail}" for check in verdict.checks if not check.ok)
            raise CertificateFailed(
                f'the plan made by blocks for "{problem.name}" failed its own check. This is a bug of the planner; '
                f"please report it with the problem file.\n{failed}"
            )
        checks = tuple(VerifiedCheck(check.name, check.ok) for check in verdict.checks)
        plan = replace(plan, verified=Verified(verdict.ok, checks))
        draft.write_text(plan.to_json(), encoding="utf-8")
        for file in sorted(
            Path(folder).iterdir(), key=lambda file: file != draft
        ):  # the plan first: it has the hashes
            os.chmod(file, 0o666 & ~_umask())
            os.replace(file, target.with_name(file.name))
    return plan


def _made(
    problem: Problem,
    known: Problem,
    path: Path,
    search: Search,
    workers: Workers,
    doing: Callable[[str], None],
    periods: int,
) -> Plan:
    """The plan, not checked yet. Once more with nothing shut where some block has no plan without what is, and with
    looser bounds where the plan costs more than was thought: hours that decide may say little of the others.
    """
    doing("deciding what spans the horizon")
    held = decided(known, search)
    shut, most_usd = held.shut, max(held.cost_usd * ROOM, LEAST_USD)
    trial = _Trial(known, held, most_usd, search, periods)
    shut = trial.shut()
    shares = trial.shares(shut)
    while True:
        made = _Assembly(known, shares, most_usd, periods)
        try:
            with closing(_answers(made, shut, search, workers, doing)) as answers:
                plan = made.written(path, answers)
        except Infeasible:
            if not shut:
                raise
            shut = frozenset()
            continue
        plan = _stated(problem, plan, search, made)
        if plan.cost_usd <= most_usd:
            return plan
        most_usd = plan.cost_usd * ROOM


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Trial:
    """Three blocks, planned and bounded by themselves, before all are."""

    def __init__(
        self, known: Problem, held: HeldDecision, most_usd: float, search: Search, periods: int
    ) -> None:
        self.known, self.held, self.most_usd, self.search = known, held, most_usd, search
        blocks = list(blocks_of(known.horizon.periods, periods))
        self.periods = periods
        self.blocks = [blocks[k] for k in sorted({0, len(blocks) // 2, len(blocks) - 1})]

    def shut(self) -> frozenset[str]:
        """What is not signed, or not worth it here: shut in turn where that costs less, its minimum included."""
        shut = self.held.shut
        signed = [o.name for o in self.known.offers if o.commitment is not None and o.name not in shut]
        usd = self._cost(shut) if signed else inf
        for name in signed if usd < inf else ():
            without = self._cost(shut | {name})
            if without < usd:
                shut, usd = shut | {name}, without
        return shut

    def _cost(self, shut: frozenset[str]) -> float:
        """USD of the blocks, each contract at its minimum for their hours if it is used for less; infinite where a
        block has no plan without what is shut."""
        due = {
            offer.name: float(offer.commitment.min_usd_per_month or 0.0)
            for offer in self.known.offers
            if offer.commitment is not None and offer.name not in shut
        }
        hours = sum(block.end - block.first for block in self.blocks) * float(self.known.horizon.period_h)
        used, costs = dict.fromkeys(due, 0.0), list[float]()
        for task in self._tasks(self.held.shares, shut):
            try:
                usd, of_contracts = cost_of_block(task)
            except Infeasible:
                return inf
            costs.append(usd)
            for name, own in of_contracts.items():
                used[name] = used.get(name, 0.0) + own
        bills = (max(usd, due.get(name, 0.0) * hours / MONTH_H) for name, usd in used.items())
        return fsum(costs) + fsum(bills)

    def shares(self, shut: frozenset[str]) -> dict[str, float]:
        """λ as it was found, or with 0 for what is not signed: what proves more."""
        found = self.held.shares
        signed = {name: 0.0 if name in shut else share for name, share in found.items()}
        if signed == found:
            return found
        return max(
            (found, signed),
            key=lambda shares: fsum(proven_block(task)[1] for task in self._tasks(shares, shut)),
        )

    def _tasks(self, shares: dict[str, float], shut: frozenset[str]) -> Iterator[BlockTask]:
        return _tasks(
            _Assembly(self.known, shares, self.most_usd, self.periods), shut, self.search, self.blocks
        )


def _tasks(
    made: _Assembly, shut: frozenset[str], search: Search, blocks: Iterable[Block] | None = None
) -> Iterator[BlockTask]:
    problem, shares = made.problem, made.shares
    weights = {
        offer.name: 1.0 - shares.get(offer.name, 0.0)
        for offer in problem.offers
        if offer.commitment is not None
    }
    whole = Audit(problem, made.bare())
    options = replace(search.options, watch=None, threads=1)
    for block in blocks_of(problem.horizon.periods, made.periods) if blocks is None else blocks:
        bounded = audit_of_block(whole, block, shares, made.most_usd)
        own = of_periods(problem, range(block.first, block.end), shut)
        yield BlockTask(block.first, own, bounded.problem, weights, options, bounded.plan, bounded.judged)


def _answers(
    made: _Assembly, shut: frozenset[str], search: Search, workers: Workers, doing: Callable[[str], None]
) -> Generator[BlockAnswer]:
    """In order, a few at a time: no more wait than the processes have in hand."""
    done, total = 0, -(-made.problem.horizon.periods // made.periods)

    def tasks() -> Iterator[BlockTask]:
        for task in _tasks(made, shut, search):
            if search.options.late:
                raise NoPlanInTime(
                    f"{done:,} of {total:,} blocks of periods were planned when the time limit was reached. "
                    "A longer --time-limit may help."
                )
            yield task

    deadline = search.options.deadline
    ended = None if deadline is None else deadline.ended
    with closing(stream(solved_block, tasks(), workers, ended)) as answers:
        for answer in answers:
            done += 1
            doing(f"{done:,} of {total:,} blocks of periods")
            yield answer


class _Assembly:
    """What blocks come to."""

    def __init__(self, problem: Problem, shares: dict[str, float], most_usd: float, periods: int) -> None:
        self.problem, self.shares, self.most_usd, self.periods = problem, shares, most_usd, periods
        self.lines: dict[tuple[str | None, str], list[float]] = defaultdict(list)
        self.used: dict[tuple[str, int], tuple[float, float]] = {}
        self.unserved: list[UnservedRow] = []
        self.bounds: list[float] = []
        self.carrying: set[str] = set()
        self.minutes: MinuteSource | None = None
        self.refusing: list[QuotaRow] = []
        self.routes: dict[tuple[str, str], RouteRow] = {}  # one of each workload and offer
        self._paid: dict[tuple[str, str | None], float] = {}

    def bare(self) -> Plan:
        """A plan of the problem with nothing in it."""
        return Plan(
            name=self.problem.name,
            created="",
            problem_sha256="",
            **start_of(self.problem),
            versions={},
            solver=SolverRun("none"),
            stop="",
            cost_usd=0.0,
            objective_usd=0.0,
            bound_usd=0.0,
            gap=1.0,
            horizon_h=self.problem.horizon.periods * float(self.problem.horizon.period_h),
            cost_usd_per_month=0.0,
            periods=self.problem.horizon.periods,
            cost_lines=(),
            routes=(),
            instances=(),
        )

    def written(self, path: Path, answers: Iterable[BlockAnswer]) -> Plan:
        """The plan, its tables and the parts of its proof beside it."""
        proof_name, digest = f"{path.name.removesuffix('.json')}.proof.jsonl.gz", hashlib.sha256()
        tables: dict[str, TableWriter] = {}
        with ExitStack() as stack:
            proof = stack.enter_context(gzip.open(path.with_name(proof_name), "wb", compresslevel=4))
            for table in ("routes", "instances"):
                tables[table] = stack.enter_context(table_beside(path, table))
            for answer in answers:
                tables["routes"].add(answer.routes)
                tables["instances"].add(self._started(answer))
                if answer.quotas is not None:
                    if "quotas" not in tables:
                        tables["quotas"] = stack.enter_context(table_beside(path, "quotas"))
                    tables["quotas"].add(answer.quotas)
                    self.refusing += (row for row in answer.quotas if row.refused > REFUSED)
                for part in answer.parts:
                    line = part_line(part).encode()
                    digest.update(line)
                    proof.write(line)
                self._add(answer)
            stated = {name: writer.closed() for name, writer in tables.items()}
        beside = ProofFile(proof_name, digest.hexdigest())
        bound = total_of(self.bounds)
        blocks = ProofBlocks(self.periods, self.shares)
        return replace(
            self.bare(),
            tables=stated,
            minutes=self.minutes,
            unserved=tuple(self.unserved),
            proof=Proof("own", bound, (), beside=beside, blocks=blocks),
        )

    def _started(self, answer: BlockAnswer) -> list[InstanceRow]:
        """What starts with a block is what did not run before it."""
        first = min((row.period for row in answer.instances), default=0) // self.periods * self.periods
        rows = [
            replace(row, started=max(0.0, row.paid_count - self._paid.get((row.offer, row.model), 0.0)))
            if row.period == first
            else row
            for row in answer.instances
        ]
        last = first + self.periods - 1
        self._paid = {(row.offer, row.model): row.paid_count for row in rows if row.period == last}
        return rows

    def _add(self, answer: BlockAnswer) -> None:
        for key, usd in answer.lines.items():
            self.lines[key].append(usd)
        self.used |= answer.used
        self.unserved += answer.unserved
        self.bounds.append(answer.bound_usd)
        self.carrying |= {row.offer for row in answer.routes if row.tokens > 0}
        self.routes |= {(row.workload, row.offer): row for row in answer.routes}
        self.minutes = answer.minutes or self.minutes


def _stated(problem: Problem, plan: Plan, search: Search, made: _Assembly) -> Plan:
    """The plan with its money, and how it was made."""
    contracts, bills = settled(made.problem, made.used)
    lines = cost_lines(made.problem, made.lines, bills, made.carrying)
    cost = fsum(line.usd for line in lines)
    assert plan.proof is not None
    bound = max(min(plan.proof.bound_usd, cost), 0.0)
    gap = gap_of(cost, bound)
    first = next(blocks_of(made.problem.horizon.periods, 1))
    refused = refused_rows(
        encode_problem(of_periods(made.problem, range(first.first, first.end), frozenset()))
    )
    blocks = -(-plan.periods // made.periods)
    how = (
        f"the plan was made by {blocks:,} blocks of {made.periods} periods, after contracts and fees were decided on "
        "some of their hours; its routes, instances and quotas stand beside it"
    )
    return replace(
        plan,
        **start_of(problem),
        problem_sha256=problem_sha256(problem),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(search.solver),
        solver=SolverRun(search.solver, StatedOptions(**options_of(search.options))),
        stop="optimal" if gap <= search.options.gap else "exhausted",
        cost_usd=cost,
        objective_usd=cost,
        bound_usd=bound,
        gap=gap,
        cost_usd_per_month=per_month(cost, plan.horizon_h),
        cost_lines=lines,
        contracts=tuple(contracts),
        settlements=tuple(bills),
        refused=refused,
        prices=NO_PRICES,
        notes=(
            *notes_of(problem),
            *waiting_notes(problem, made.routes.values()),
            how,
            *ended_by_clock(search.options.ended_by_clock),
            *burst_notes(made.refusing),
        ),
    )
