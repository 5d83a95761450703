"""GPU price tables → offers of instances: SkyPilot's `vms.csv` and gpuhunt's catalogue.

    SkyPilot   InstanceType, AcceleratorName, AcceleratorCount, Price, SpotPrice, Region, AvailabilityZone, GpuInfo;
               names no cloud, so `provider` does
    gpuhunt    provider, instance_name, location, price, gpu_count, gpu_name, gpu_memory (GB each), spot

An instance is one machine: `units` are its GPUs, `memory_gb` their memory together. Of several zones of a region the
cheapest stands. Spot prices become offers only with a stated `spot_availability`, for a share of the time that nobody
states cannot be planned with. The table does not know what a machine serves: `models`, and its throughput, are yours.
"""

from __future__ import annotations

import ast
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from router.errors import InputError, Issue
from router.importers.prices.listing import LeftOut, ListedOffer, Listing, picked
from router.importers.records import RawRecord, csv_records

SKYPILOT = ("InstanceType", "AcceleratorName")
GPUHUNT = ("instance_name", "gpu_name")
MIB_PER_GB = 1024.0  # cards are sold by GiB and called GB


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
    best: dict[str, ListedOffer] = {}
    left: dict[str, LeftOut] = {}
    for record in records:
        for machine in _skypilot(record, provider or "") if sky else _gpuhunt(record, provider):
            if not _wanted(machine, gpus, count, regions):
                continue
            name = machine.name + (":spot" if machine.spot else "")
            if not machine.usd_per_h or machine.usd_per_h <= 0:
                left.setdefault(name, LeftOut(name, "no price"))
            elif machine.spot and spot_availability is None:
                left.setdefault(name, LeftOut(name, "spot, and no --spot-availability is stated"))
            else:
                made = _entry(machine, name, models, spot_availability, tokens_per_s)
                if name not in best or _price(made) < _price(best[name]):
                    best[name] = made
    listing = [best[name] for name in sorted(best)]
    source = f"{'SkyPilot' if sky else 'gpuhunt'} price table {path.name}"
    remarks = []
    if tokens_per_s is None and listing:
        remarks.append("no throughput is stated: add tokens_per_s, or points (router import performance)")
    return Listing(
        listing, [one for name, one in sorted(left.items()) if name not in best], source, when, remarks
    )


class _Machine:
    """One row: a machine in a region at a price, on demand or spot."""

    def __init__(
        self,
        provider: str,
        kind: str,
        region: str,
        gpu: str,
        gpus: float,
        memory_gb: float | None,
        usd_per_h: float | None,
        spot: bool,
    ) -> None:
        self.provider, self.kind, self.region, self.gpu = provider, kind, region, gpu
        self.gpus, self.memory_gb, self.usd_per_h, self.spot = gpus, memory_gb, usd_per_h, spot

    @property
    def name(self) -> str:
        return "/".join(part for part in (self.provider, self.kind, self.region) if part)


def _skypilot(record: RawRecord, provider: str) -> list[_Machine]:
    gpu, count = record.text("AcceleratorName"), record.number("AcceleratorCount")
    if gpu is None or not count:
        return []
    memory = _memory_gb(record.text("GpuInfo") or record.text("GPUInfo"))
    region = record.text("Region") or ""
    kind = record.text("InstanceType") or f"{count:g}x{gpu}"
    found = [_Machine(provider, kind, region, gpu, count, memory, record.number("Price"), False)]
    spot = record.number("SpotPrice")
    if spot is not None:
        found.append(_Machine(provider, kind, region, gpu, count, memory, spot, True))
    return found


def _gpuhunt(record: RawRecord, provider: str | None) -> list[_Machine]:
    gpu, count = record.text("gpu_name"), record.number("gpu_count")
    seller = record.text("provider") or provider
    if gpu is None or not count:
        return []
    if seller is None:
        raise record.error(("provider",), "is missing", hint="--provider NAME says whose table it is")
    each = record.number("gpu_memory")
    return [
        _Machine(
            seller,
            record.text("instance_name") or f"{count:g}x{gpu}",
            record.text("location") or "",
            gpu,
            count,
            each * count if each is not None else None,
            record.number("price"),
            str(record.get("spot")).lower() == "true",
        )
    ]


def _memory_gb(text: str | None) -> float | None:
    """`{'Gpus': [...], 'TotalGpuMemoryInMiB': 655360}`: a Python literal in a cell."""
    try:
        info = ast.literal_eval(text or "None")
        total = info.get("TotalGpuMemoryInMiB") if isinstance(info, dict) else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return total / MIB_PER_GB if isinstance(total, int | float) and total > 0 else None


def _wanted(machine: _Machine, gpus: Sequence[str], count: int | None, regions: Sequence[str]) -> bool:
    right_count = count is None or machine.gpus == count
    return picked(machine.gpu, gpus) and right_count and picked(machine.region, regions)


def _entry(
    machine: _Machine,
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
    note = f"{machine.gpus:g} × {machine.gpu}"
    if machine.spot:
        note += "; spot: availability is assumed"
    return ListedOffer(
        offer=name,
        provider=machine.provider,
        models=tuple(models),
        regions=(machine.region,) if machine.region else (),
        tokens_per_s=tokens_per_s,
        instances=instances,
        note=note,
    )


def _price(entry: ListedOffer) -> float:
    return (entry.instances or {}).get("usd_per_h", 0.0)
