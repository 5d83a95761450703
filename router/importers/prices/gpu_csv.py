"""GPU price tables → offers of instances: SkyPilot's `vms.csv` and gpuhunt's catalogue.

An instance is one machine: `units` are its GPUs, `memory_gb` their memory together. Of several zones of a region the
cheapest stands; machines of one name that differ in GPU, their number or flags are offers of their own. Spot prices
become offers only with a stated `spot_availability`, for a share of the time that nobody states cannot be planned with.
The price of a reservation is not one of an instance rented by the hour, and a figure far above all others is none.
The table does not know what a machine serves: `models`, and its throughput, are yours.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from router.errors import InputError, Issue
from router.importers.prices.listing import ListedOffer, Listing, picked
from router.importers.prices.machines import Machine, gpuhunt, skypilot
from router.importers.records import RawRecord, csv_records

SKYPILOT = ("InstanceType", "AcceleratorName")
GPUHUNT = ("instance_name", "gpu_name")
RESERVATION = re.compile(r"dws|calendar|reserv|capacity.?block|commit", re.IGNORECASE)
PLACEHOLDER = 10.0  # times the median price of that GPU in the table
MOST_USD = 50.0  # per GPU and hour; the dearest rented by the hour is below 20


def gpu_csv(
    path: Path,
    *,
    models: Sequence[str],
    when: dt.date,
    provider: str | None = None,
    gpus: Sequence[str] = (),
    count: int | None = None,
    regions: Sequence[str] = (),
    spot_availability: float | None = None,
    tokens_per_s: float | None = None,
) -> Listing:
    """The machines with GPUs in a table. Raises InputError: no such table, nothing that matches."""
    records = csv_records(path)
    if not records:
        raise InputError(Issue((), "holds no row", file=str(path)))
    sky = set(SKYPILOT) <= set(records[0].values)
    if not sky and not set(GPUHUNT) <= set(records[0].values):
        hint = (
            f"read are SkyPilot's vms.csv ({', '.join(SKYPILOT)}, …) and gpuhunt's ({', '.join(GPUHUNT)}, …)"
        )
        raise InputError(
            Issue((), "is not a table of GPU prices in a known format", hint=hint, file=str(path))
        )
    if sky and provider is None:
        hint = "--provider aws"
        raise InputError(Issue(("--provider",), "is needed: SkyPilot's table names no cloud", hint=hint))
    listing = Listing(f"{'SkyPilot' if sky else 'gpuhunt'} price table {path.name}", when)
    machines = []
    for found in skypilot(records, provider or "") if sky else gpuhunt(records, provider):
        listing.account.reads({"entries": 1})
        if isinstance(found, RawRecord):
            listing.account.remark("left out", "no GPU", found.where, {"entries": 1}, asked=True)
        else:
            machines.append(found)
    names = _names(machines)
    usual = _usual_usd(machines)
    best: dict[str, Machine] = {}
    for machine in machines:
        name = names[machine.base, machine.spot, machine.variant]
        if not _wanted(machine, gpus, count, regions):
            listing.skip(machine.where)
        elif (reason := _unsold(machine, spot_availability, usual)) is not None:
            told = reason.startswith(("price", "a place"))
            listing.leave_out(
                f"{name} at {machine.usd_per_h:.2f} USD/h" if told else name, reason, machine.where
            )
        elif name in best:
            why = "zones of a region, of which the cheapest counts"
            listing.account.remark("merged", why, machine.where, {"entries": 1}, asked=True)
            best[name] = min(best[name], machine, key=lambda one: one.usd_per_h or 0.0)
        else:
            best[name] = machine
    for name, machine in sorted(best.items()):
        listing.entries.append(_entry(machine, name, models, spot_availability, tokens_per_s))
        _remarks(listing, name, machine)
    if tokens_per_s is None and listing.entries:
        hint = "add tokens_per_s, or points (router import performance)"
        listing.account.remark("note", "no throughput is stated", "", {}, hint=hint, asked=True)
    return listing


def _names(machines: Iterable[Machine]) -> Mapping[tuple[str, bool, tuple[object, ...]], str]:
    """A name for each; machines that share theirs get what tells them apart: GPUs, their memory, flags."""
    variants: dict[tuple[str, bool], dict[tuple[object, ...], Machine]] = defaultdict(dict)
    for machine in machines:
        variants[machine.base, machine.spot].setdefault(machine.variant, machine)
    found = {}
    for (base, spot), group in variants.items():
        parts = {one: (f"{one.gpus:g}x{one.gpu}", f"{one.memory_gb or 0:g}GB") for one in group.values()}
        depth = next(
            i for i in range(3) if len({part[:i] for part in parts.values()}) == len(set(parts.values()))
        )
        for variant, machine in group.items():
            flagged = machine.flags and any(parts[one] == parts[machine] for one in parts if one != machine)
            words = [base, *parts[machine][:depth], *(["+".join(machine.flags)] if flagged else [])]
            found[base, spot, variant] = "/".join(words) + (":spot" if spot else "")
    return found


def _usual_usd(machines: Iterable[Machine]) -> Mapping[str, float]:
    """USD per GPU and hour in the middle of the table, by GPU."""
    prices: dict[str, list[float]] = defaultdict(list)
    for machine in machines:
        if machine.usd_per_h and machine.usd_per_h > 0 and not machine.spot:
            prices[machine.gpu].append(machine.usd_per_h / machine.gpus)
    return {gpu: median(each) for gpu, each in prices.items()}


def _unsold(machine: Machine, spot_availability: float | None, usual: Mapping[str, float]) -> str | None:
    """Why a row is not the price of a machine that can be rented by the hour; None where it is."""
    if not machine.usd_per_h or machine.usd_per_h <= 0:
        return "no price"
    if machine.spot and spot_availability is None:
        return "spot, and no --spot-availability is stated"
    held = [flag for flag in machine.flags if RESERVATION.search(flag)]
    if held:
        return f"price of a reservation (flag {', '.join(held)})"
    each = machine.usd_per_h / machine.gpus
    if not machine.pod and (each > MOST_USD or each > PLACEHOLDER * usual.get(machine.gpu, each)):
        return f"a placeholder: above {MOST_USD:g} USD per GPU and hour, or {PLACEHOLDER:g} times the usual price"
    return None


def _remarks(listing: Listing, name: str, machine: Machine) -> None:
    for why, said in (
        ("memory that cannot be, mended by the row itself", machine.mended),
        ("the host is charged beside its GPUs, and counted in", machine.hosted),
        (
            "price of the GPUs alone: the host that they need is charged beside it",
            "no host in the table" if machine.host_missing else None,
        ),
    ):
        if said:
            listing.account.remark("note", why, machine.where, {"entries": 1}, names=[f"{name}: {said}"])


def _wanted(machine: Machine, gpus: Sequence[str], count: int | None, regions: Sequence[str]) -> bool:
    right_count = count is None or machine.gpus == count
    return picked(machine.gpu, gpus) and right_count and picked(machine.region, regions)


def _entry(
    machine: Machine,
    name: str,
    models: Sequence[str],
    spot_availability: float | None,
    tokens_per_s: float | None,
) -> ListedOffer:
    instances = {"usd_per_h": machine.usd_per_h or 0.0, "units": machine.gpus}
    if machine.memory_gb is not None:
        instances["memory_gb"] = machine.memory_gb
    if machine.spot and spot_availability is not None:
        instances["availability"] = spot_availability
    notes = [f"{machine.gpus:g} × {machine.gpu}"]
    notes += ["spot: availability is assumed"] if machine.spot else []
    notes += [f"flags: {', '.join(machine.flags)}"] if machine.flags else []
    notes += [said for said in (machine.mended, machine.hosted) if said]
    notes += ["price of the GPUs alone: the host is charged beside it"] if machine.host_missing else []
    return ListedOffer(
        offer=name,
        provider=machine.provider,
        models=tuple(models),
        regions=(machine.region,) if machine.region else (),
        tokens_per_s=tokens_per_s,
        instances=instances,
        note="; ".join(notes),
    )
