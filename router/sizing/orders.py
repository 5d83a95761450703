"""The buyer's own commitment, to be priced beside the best one.

    OFFER=500M          tokens (or USD) a month of a commitment, or instances bought ahead; from the first month on
    OFFER=yes           a contract at its minimum, or a fee
    OFFER@3=500M        from the third month on
    OFFER@168h=500M     from hour 168 of the horizon on
    OFFER:MODEL=4       instances of one pool, where an offer runs several models apart
    "OFFER, decode=4"   workers that decode, of an offer whose instances have roles; OFFER=4 are those that prefill
    HOST=4              hosts for the horizon, beside those reserved

or a file: a plan, or YAML with its rows `contracts`, `purchases` and `instances`. What is not named is not signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np

from problems.core.arrays import NONE
from problems.core.decision import Decision
from problems.core.instance import Instance
from router.errors import InputError, Issue
from router.loading.yaml_source import Value, read_file
from router.normalise.roles import half_name
from router.plan.rows import month_at
from router.plan.sizing import begins_h, within_month
from router.schema.numbers import parse_number, parse_whole
from router.sizing.signatures import is_sold, unsold_month

OPTION = "--evaluate"
TEXT = re.compile(
    r"(?P<offer>.+?)(@((?P<hour>\d+(\.\d+)?)h|(?P<month>\d+)))?(:(?P<model>[^=]+))?=(?P<amount>.+)"
)
NEAR = 1e-9
NEAR_H = 1e-6


@dataclass(frozen=True)
class Order:
    """One thing to sign: an amount in the offer's own terms; None: the least there is."""

    offer: str
    amount: float | None
    month: int = 0  # billing month, from 0
    model: str | None = None
    hour: float | None = None  # where it begins within a month

    @property
    def from_h(self) -> float:
        """Hour of the horizon at which it begins."""
        return begins_h(self.month, self.hour)

    @property
    def when(self) -> str:
        """In words."""
        return f"month {self.month + 1}" if self.hour is None else f"hour {self.hour:g}"


def orders_of(texts: Sequence[str]) -> tuple[Order, ...]:
    """What a command line says: files, and OFFER=AMOUNT. Raises InputError."""
    orders: list[Order] = []
    for text in texts:
        match = TEXT.fullmatch(text)
        orders += [_order(match)] if match else _from_file(text)
    return tuple(orders)


def _order(match: re.Match[str]) -> Order:
    month, amount = match["month"], match["amount"].strip()
    if month is not None and int(month) < 1:
        raise _wrong(match[0], "months count from 1")
    if amount.lower() in ("yes", "signed"):
        value = None
    else:
        try:
            value = float(parse_number(amount))
        except (TypeError, ValueError):
            rule = "must be OFFER=AMOUNT, with an amount such as 500M or 4, or yes"
            raise _wrong(match[0], rule) from None
    hour = None if match["hour"] is None else float(match["hour"])
    first = int(month or 1) - 1 if hour is None else month_at(hour)
    within = None if hour is None else within_month(hour)
    return Order(match["offer"].strip(), value, first, match["model"], within)


def _from_file(path: str) -> list[Order]:
    data, _ = read_file(Path(path), path, fields=())
    if not any(name in data for name in ("contracts", "purchases", "instances")):
        raise _wrong(path, "has none of contracts, purchases and instances", "a plan has them, empty or not")
    try:
        return [*_contracts(data), *_purchases(data), *_instances(data), *_hosts(data), *_fees(data)]
    except KeyError as error:
        raise _wrong(path, f"has a row without {error}, which a plan's has") from error
    except ValueError as error:
        raise _wrong(path, f"has a row that is not as in a plan: {error}") from error


def _rows(data: Mapping[str, Value], name: str) -> list[dict[str, Value]]:
    rows = data.get(name) or []
    if not isinstance(rows, list):
        raise ValueError(f"{name} must be a list")
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{name} must be a list of mappings")
    return [row for row in rows if isinstance(row, dict)]


def _contracts(data: Mapping[str, Value]) -> list[Order]:
    orders = []
    for row in _rows(data, "contracts"):
        if row.get("signed_by", "plan") == "plan":
            volumes = (row.get("committed_tokens_per_month"), row.get("committed_usd_per_month"))
            amount = next((parse_number(value) for value in volumes if value is not None), None)
            orders.append(
                Order(
                    str(row.get("offer") or row["agreement"]),
                    amount,
                    _month(row, "start_month"),
                    hour=_hour(row),
                )
            )
    return orders


def _purchases(data: Mapping[str, Value]) -> list[Order]:
    return [
        Order(_pool(row), parse_number(row["count"]), _month(row, "month"), _model(row), _hour(row))
        for row in _rows(data, "purchases")
    ]


def _pool(row: Mapping[str, Value]) -> str:
    """The offer of a row, or what decodes of it."""
    role = row.get("role")
    return half_name(str(row["offer"]), None if role is None else str(role))


def _month(row: Mapping[str, Value], before: str) -> int:
    """First billing month of a row; `before`: its name in plans of version 1."""
    return month_at(parse_number(row["from_h"])) if "from_h" in row else parse_whole(row.get(before, "0"))


def _hour(row: Mapping[str, Value]) -> float | None:
    """The first hour of a row, where it is within a billing month."""
    return within_month(parse_number(row["from_h"])) if "from_h" in row else None


def _model(row: Mapping[str, Value]) -> str | None:
    model = row.get("model")
    return None if model is None else str(model)


def _instances(data: Mapping[str, Value]) -> list[Order]:
    """Counts of the first period seen; those that follow demand are left out later, as no order."""
    counts: dict[tuple[str, str | None], float] = {}
    for row in _rows(data, "instances"):
        paid = parse_number(row["paid_count"] if "paid_count" in row else row["count"])
        counts.setdefault((_pool(row), _model(row)), paid)
    return [Order(offer, count, -1, model) for (offer, model), count in counts.items()]


def _hosts(data: Mapping[str, Value]) -> list[Order]:
    """The most of each kind, reserved ones included; those that follow demand are left out later."""
    counts: dict[str, float] = {}
    for row in _rows(data, "hosts"):
        counts[str(row["host"])] = max(counts.get(str(row["host"]), 0.0), parse_number(row["count"]))
    return [Order(host, count, -1) for host, count in counts.items()]


def _fees(data: Mapping[str, Value]) -> list[Order]:
    lines = [row for row in _rows(data, "cost_lines") if row.get("kind") == "fee"]
    return [Order(str(row["offer"]), None, -1) for row in lines]


def decision_of(inst: Instance, orders: Sequence[Order]) -> Decision:
    """The first stage that signs just that; NaN where orders leave it open (how what is reserved is shared out).

    Raises InputError where an offer does not sell it so.
    """
    draft, things = _DecisionDraft(inst), set()
    for order in orders:
        if order.offer not in inst.offers.names:
            raise _wrong(
                order.offer, "is not an offer of the problem", f"there are {', '.join(inst.offers.names)}"
            )
        if order.month >= inst.time.months:
            rule = f"cannot be signed from {order.when} on: the horizon has {inst.time.months} months"
            raise _wrong(order.offer, rule)
        thing = (order.offer, order.from_h, order.model)
        if order.month >= 0 and thing in things:
            raise _wrong(order.offer, "is given twice", "one amount for each offer, month and model")
        things.add(thing)
        draft.add(order)
    draft.check_terms()
    return draft.decision


class _DecisionDraft:
    """A decision as it is put together; at first nothing is signed but what is signed already."""

    def __init__(self, inst: Instance) -> None:
        self.inst = inst
        contracts, fleets = inst.contracts, inst.fleets
        of = contracts.start_contract
        before = contracts.start_signed
        free = ~contracts.decided[of]  # no minimum: open to use, whatever is committed
        horizon = fleets.horizon & (fleets.term_h == 0)
        open_ = horizon & (fleets.reserved > 0).any(axis=1)  # how reserved ones are shared out is not asked
        ahead = np.where(open_[fleets.pool_fleet], np.nan, 0.0)
        self.decision = Decision(
            signed=(before | free).astype(float),
            committed=np.where(before, contracts.start_min, 0.0),
            active=np.zeros(len(inst.offers.names)),
            ahead=ahead,
            paid=np.zeros(fleets.pools),
            bought=np.zeros((fleets.pools, len(fleets.buy_h))),
            hosts=np.zeros(len(inst.hosts.names)),
        )

    def add(self, order: Order) -> None:
        o = self.inst.offers.names.index(order.offer)
        sold = False
        if self.inst.offers.contract[o] != NONE and order.month >= 0 and order.model is None:
            sold = self._contract(order, int(self.inst.offers.contract[o]))
        if not sold and order.amount is not None:
            sold = self._hosts(order, o) or self._instances(order, int(self.inst.offers.fleet[o]))
        if self.inst.offers.fee_usd_per_month[o] > 0:
            if not sold and order.amount is not None:
                raise _wrong(order.offer, "sells only a fee, which has no amount", f"{order.offer}=yes")
            self.decision.active[o] = 1.0
            sold = True
        if not sold and order.month >= 0:
            rule = "sells nothing ahead: it has no commitment, no instances bought ahead and no fee"
            raise _wrong(order.offer, rule)

    def _contract(self, order: Order, b: int) -> bool:
        contracts = self.inst.contracts
        here = np.abs(contracts.start_h - order.from_h) <= NEAR_H
        at = np.flatnonzero((contracts.start_contract == b) & here)
        at = at[~contracts.start_signed[at]]
        least, most = float(contracts.min_per_month[b]), float(contracts.max_per_month[b])
        step = float(contracts.step_per_month[b])
        unit = "tokens" if contracts.stated_in_tokens[b] else "USD"
        if not len(at):
            rule = f"cannot be signed from {order.when} on: it already is, or no term begins then"
            raise _wrong(order.offer, rule)
        amount = least if order.amount is None else order.amount
        if contracts.levelled[b]:
            near = at[
                np.abs(contracts.start_min[at] - amount) <= NEAR * np.maximum(contracts.start_min[at], 1.0)
            ]
            if not len(near):
                amounts = ", ".join(f"{each:,.10g}" for each in contracts.start_min[at])
                raise _wrong(order.offer, f"commits one of {amounts} {unit} a month")
            at, least, most, step = near, float(contracts.start_min[near[0]]), np.inf, 0.0
        if not np.isfinite(most) and abs(amount - least) > NEAR * max(least, 1.0):
            raise _wrong(
                order.offer, f"commits {least:,.10g} {unit} a month, no more and no less", "OFFER=yes"
            )
        if np.isfinite(most) and not least * (1 - NEAR) <= amount <= most * (1 + NEAR):
            raise _wrong(order.offer, f"commits between {least:,.10g} and {most:,.10g} {unit} a month")
        if step > 0 and np.isfinite(most) and abs(amount / step - round(amount / step)) > 1e-6:
            raise _wrong(order.offer, f"is sold in multiples of {step:,.10g} {unit} a month")
        self.decision.signed[at[0]] = 1.0
        self.decision.committed[at[0]] = amount
        return True

    def _hosts(self, order: Order, seller: int) -> bool:
        hosts, count = self.inst.hosts, float(order.amount or 0.0)
        kinds = np.flatnonzero((hosts.seller == seller) & hosts.horizon)
        if not len(kinds) or order.month > 0 or order.hour is not None or order.model is not None:
            return False
        most = float(hosts.most_throughout()[kinds[0]])
        if order.month < 0:  # of a plan, which counts those reserved
            count = max(count - float(hosts.reserved[kinds[0]].max()), 0.0)
        if count < 0 or count > most or count != round(count):
            upper = f", at most {most:g}" if np.isfinite(most) else ""
            raise _wrong(order.offer, f"is rented in whole hosts{upper} beside those reserved, not {count:g}")
        self.decision.hosts[kinds[0]] = count
        return True

    def _instances(self, order: Order, fleet: int) -> bool:
        fleets, inst = self.inst.fleets, self.inst
        if fleet == NONE or not (fleets.horizon[fleet] or fleets.term_h[fleet] > 0):
            return False
        pools = [
            q
            for q in np.flatnonzero(fleets.pool_fleet == fleet)
            if order.model is None or inst.models.names[fleets.pool_model[q]] == order.model
        ]
        if fleets.pooled[fleet] and order.model is None:  # bought for all of its models
            pools = pools[:1]
        if len(pools) != 1 or (fleets.pooled[fleet] and order.model is not None and order.month >= 0):
            rule = (
                "runs its models on separate instances: say which" if pools else f"does not run {order.model}"
            )
            if fleets.pooled[fleet]:
                raise _wrong(order.offer, "is bought for all of its models together", f"{order.offer}=COUNT")
            raise _wrong(order.offer, rule, f"{order.offer}:MODEL=COUNT")
        q, count = int(pools[0]), float(order.amount or 0.0)
        if fleets.term_h[fleet] > 0:
            if order.month >= 0:  # a count that a term leads to is not an order of its own
                if fleets.integral[fleet] and abs(count - round(count)) > 1e-6:
                    raise _wrong(order.offer, f"is bought in whole instances, not {count:g}")
                here = np.abs(fleets.buy_h - order.from_h) <= NEAR_H
                starts = np.flatnonzero(here & fleets.may_buy[fleet])
                if not len(starts):
                    raise _wrong(order.offer, f"cannot be bought from {order.when} on")
                self.decision.bought[q, starts[0]] = count
        else:
            if count != 0 and not (count > 0 and is_sold(inst, q, count)):
                raise _wrong(order.offer, self._sold(q))
            self.decision.paid[q] = count
            self.decision.ahead[q] = np.nan if (fleets.reserved[fleet] > 0).any() else count
        return True

    def _sold(self, pool: int) -> str:
        fleets, fleet = self.inst.fleets, int(self.inst.fleets.pool_fleet[pool])
        reserved, least = float(fleets.reserved[fleet].min()), float(fleets.pool_min[pool])
        beside = f" beside the {reserved:g} reserved" if reserved else ""
        most = float(fleets.max[fleet].min())
        upper = f", at most {most - reserved:g}" if np.isfinite(most) else ""
        if fleets.pooled[fleet]:
            return f"is sold from 1 in steps of 1{upper}{beside}"
        return f"is sold from {max(least - reserved, 0.0):g} in steps of {fleets.pool_step[pool]:g}{upper}{beside}"

    def check_terms(self) -> None:
        """No contract runs twice at once, and what terms add up to in each month is a number that is sold."""
        contracts, fleets, names = self.inst.contracts, self.inst.fleets, self.inst.offers.names
        decided = contracts.decided & ~contracts.stackable
        self._check_stacked()
        signed = np.flatnonzero((self.decision.signed > 0.5) & decided[contracts.start_contract])
        for b in np.unique(contracts.start_contract[signed]):
            starts = signed[contracts.start_contract[signed] == b]
            starts = starts[np.argsort(contracts.start_h[starts])]
            for first, then in pairwise(starts):
                if contracts.start_h[then] < contracts.end_h[first] - 1e-9:
                    month = contracts.start_month[then] + 1
                    rule = f"would run twice from month {month} on: the term before has not ended by then"
                    raise _wrong(names[contracts.offer[b]], rule)
        for fleet in np.flatnonzero(fleets.term_h > 0).tolist():
            pool = int(np.flatnonzero(fleets.pool_fleet == fleet)[0])
            if unsold := unsold_month(self.inst, self.decision, fleet):
                rule = f"{self._sold(pool)}; {unsold[1]:g} would run in month {unsold[0] + 1}"
                raise _wrong(names[fleets.offer[fleet]], rule)

    def _check_stacked(self) -> None:
        """What adds up of a contract is never more than its maximum."""
        contracts = self.inst.contracts
        for b in np.flatnonzero(contracts.stackable & np.isfinite(contracts.max_per_month)).tolist():
            starts = np.flatnonzero((contracts.start_contract == b) & (self.decision.committed > 0))
            most, name = float(contracts.max_per_month[b]), self.inst.offers.names[contracts.offer[b]]
            for a in starts[~contracts.start_signed[starts]].tolist():
                now = contracts.start_h[a]
                running = starts[(contracts.start_h[starts] <= now) & (contracts.end_h[starts] > now + 1e-9)]
                amount = float(self.decision.committed[running].sum())
                if amount > most * (1 + NEAR):
                    rule = f"commits at most {most:,.10g} USD a month in all, not {amount:,.10g}"
                    raise _wrong(name, f"{rule}, from month {contracts.start_month[a] + 1} on")


def complete(decision: Decision) -> bool:
    """Whether nothing is left open."""
    return not any(np.isnan(getattr(decision, part.name)).any() for part in fields(decision))


def _wrong(value: object, rule: str, hint: str | None = None) -> InputError:
    return InputError(Issue((OPTION,), rule, value=value, hint=hint))
