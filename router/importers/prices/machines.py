"""Rows of GPU price tables as machines with a price: SkyPilot's `vms.csv`, gpuhunt's catalogue.

    SkyPilot   InstanceType, AcceleratorName, AcceleratorCount, Price, SpotPrice, Region, AvailabilityZone, GpuInfo;
               names no cloud. A GPU row without an InstanceType (Google Cloud's) is the price of the GPUs alone: their
               host stands in a row of its own
    gpuhunt    provider, instance_name, location, price, gpu_count, gpu_name, gpu_memory (GB each), spot, flags

The memory of a machine is count × size of one GPU. Tables write that size in MiB or in GiB, and now and then that of
one GPU as the total: a GPU has 1 to 400 GB, and where the figures disagree the cell itself says which is meant.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from router.importers.records import RawRecord

MIB_PER_GB = 1024.0  # cards are sold by GiB and called GB
LEAST_GB, MOST_GB = 1.0, 400.0  # of one GPU; the largest sold has 288
SAME = 0.01  # relative; sizes are rounded
HOSTS = {  # the accelerator-optimised machines that Google Cloud sells these GPUs in, by their number of GPUs
    "A100": "a2-highgpu-{}g",
    "A100-80GB": "a2-ultragpu-{}g",
    "H100": "a3-highgpu-{}g",
    "H100-MEGA": "a3-megagpu-{}g",
    "H200": "a3-ultragpu-{}g",
    "B200": "a4-highgpu-{}g",
}


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine in a region at a price, on demand or spot.

    pod            a row is a whole pod of TPUs, however many, and counts as one
    mended         what was read of its memory and what is taken, in words
    hosted         the price of its GPUs and of the host that is counted in; host_missing: none is in the table
    """

    provider: str
    kind: str
    region: str
    gpu: str
    gpus: float
    memory_gb: float | None
    usd_per_h: float | None
    spot: bool
    where: str
    flags: tuple[str, ...] = ()
    pod: bool = False
    mended: str | None = None
    hosted: str | None = None
    host_missing: bool = False

    @property
    def base(self) -> str:
        """`aws/p5.48xlarge/us-east-1`."""
        return "/".join(part for part in (self.provider, self.kind, self.region) if part)

    @property
    def variant(self) -> tuple[object, ...]:
        """What tells machines of one name apart."""
        return (self.gpus, self.gpu, self.memory_gb, self.flags)


def skypilot(records: Sequence[RawRecord], provider: str) -> Iterable[Machine | RawRecord]:
    """The machines of each row; a row without GPUs as it is. Raises InputError."""
    hosts = {
        (record.text("InstanceType"), record.text("AvailabilityZone"), spot): record.number(column)
        for record in records
        if not record.text("AcceleratorName")
        for spot, column in ((False, "Price"), (True, "SpotPrice"))
    }
    for record in records:
        gpu, count = record.text("AcceleratorName"), record.number("AcceleratorCount")
        if gpu is None or not count:
            yield record
            continue
        memory, mended = _cell_memory(record.text("GpuInfo") or record.text("GPUInfo"), count)
        kind = record.text("InstanceType")
        machine = Machine(
            provider=provider,
            kind=kind or f"{count:g}x{gpu}",
            region=record.text("Region") or "",
            gpu=gpu,
            gpus=count,
            memory_gb=memory,
            usd_per_h=record.number("Price"),
            spot=False,
            where=record.where,
            pod=gpu.lower().startswith("tpu"),
            mended=mended,
        )
        spot_price = record.number("SpotPrice")
        offers = [machine]
        if spot_price is not None:
            offers.append(dataclasses.replace(machine, usd_per_h=spot_price, spot=True))
        alone = kind is None and not machine.pod
        yield from (_hosted(one, record, hosts) for one in offers) if alone else offers


def gpuhunt(records: Iterable[RawRecord], provider: str | None) -> Iterable[Machine | RawRecord]:
    """The machine of each row; a row without GPUs as it is. Raises InputError."""
    for record in records:
        gpu, count = record.text("gpu_name"), record.number("gpu_count")
        if gpu is None or not count:
            yield record
            continue
        seller = record.text("provider") or provider
        if seller is None:
            raise record.error(("provider",), "is missing", hint="--provider NAME says whose table it is")
        read = record.number("gpu_memory")
        each = _one_gpu(read, count) if read is not None else None
        mended = None if each == read else f"memory of one GPU read {read:g}, taken {_gb(each)}"
        yield Machine(
            provider=seller,
            kind=record.text("instance_name") or f"{count:g}x{gpu}",
            region=record.text("location") or "",
            gpu=gpu,
            gpus=count,
            memory_gb=each * count if each is not None else None,
            usd_per_h=record.number("price"),
            spot=str(record.get("spot")).lower() == "true",
            where=record.where,
            flags=tuple((record.text("flags") or "").replace(",", " ").split()),
            pod=record.text("gpu_vendor") == "google",
            mended=mended,
        )


def _hosted(
    machine: Machine, record: RawRecord, hosts: Mapping[tuple[str | None, str | None, bool], float | None]
) -> Machine:
    """With the price of the host in the same zone, where the table has it."""
    host = HOSTS.get(machine.gpu, "").format(f"{machine.gpus:g}")
    price = hosts.get((host, record.text("AvailabilityZone"), machine.spot))
    if price is None or not machine.usd_per_h:
        return dataclasses.replace(machine, host_missing=True)
    said = f"GPUs {machine.usd_per_h:g} + host {host} {price:g} USD/h"
    return dataclasses.replace(machine, usd_per_h=round(machine.usd_per_h + price, 9), hosted=said)


def _cell_memory(text: str | None, count: float) -> tuple[float | None, str | None]:
    """GB of a machine from `{'Gpus': [{'Count': 8, 'MemoryInfo': {'SizeInMiB': 81920}}], 'TotalGpuMemoryInMiB': …}`,
    a Python literal in a cell; and, where the figures disagree, what was read and what is taken."""
    try:
        info = ast.literal_eval(text or "None")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None, None
    cell = RawRecord(info if isinstance(info, dict) else {}, "")
    gpus = cell.get("Gpus")
    parts = [RawRecord(gpu, "") for gpu in (gpus if isinstance(gpus, list) else ()) if isinstance(gpu, dict)]
    total = _number(cell, "TotalGpuMemoryInMiB")
    sizes = [(_number(part, "Count") or count, _number(part, "MemoryInfo", "SizeInMiB")) for part in parts]
    known = [(number, size) for number, size in sizes if size is not None]
    if len(known) < len(sizes) or not sizes:
        if total is None:
            return None, None
        known = [(count, total / count)]
    stated = sum(number * size for number, size in known) if total is None else total
    each = [(number, _one_gpu(size / MIB_PER_GB, number)) for number, size in known]
    taken = sum(number * size for number, size in each if size is not None)
    if any(size is None for _, size in each):
        return None, f"GPU memory read {stated:g} MiB, which no GPU has; none taken"
    if abs(stated / MIB_PER_GB - taken) <= SAME * taken:
        return taken, None
    shown = " + ".join(f"{number:g} × {_gb(size)}" for number, size in each)
    return taken, f"GPU memory read {stated:g} MiB, taken {taken:g} GB ({shown})"


def _one_gpu(read: float, count: float = 1.0) -> float | None:
    """GB of one GPU from what a table calls so: MiB for GB or GB for MiB, or all GPUs of the machine for one."""
    scales = (1.0, MIB_PER_GB, 1 / MIB_PER_GB) + ((1 / count,) if count > 1 else ())
    return next((read * scale for scale in scales if LEAST_GB <= read * scale <= MOST_GB), None)


def _number(record: RawRecord, *path: str) -> float | None:
    value = record.get(*path)
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _gb(each: float | None) -> str:
    return "none" if each is None else f"{each:g} GB"
