"""What the program is made with: licences, and a bill of materials (CycloneDX) that the wheel carries.

Read from the metadata of what is installed, so that it states the versions that the tests run on (`pyproject.toml` pins
them). Ray is left out: its extra is installed in no development environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROGRAM = "llm-inference-planner"
LEFT_OUT = frozenset({"ray"})
STATED_ELSEWHERE = {"orloge": "MIT"}  # in its README alone
LONGEST = 60  # of a licence's name; what is longer is its text


@dataclass(frozen=True)
class Package:
    """A distribution, and what it needs in turn."""

    name: str
    version: str
    licence: str
    extras: tuple[str, ...]  # of the program that ask for it; none: it is always installed
    needs: tuple[str, ...]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def packages() -> list[Package]:
    """All that the program may be installed with, by name."""
    asked: dict[str, set[str]] = {}
    needs: dict[str, set[str]] = {}
    program = distribution(PROGRAM)
    for extra in ("", *sorted(program.metadata.get_all("Provides-Extra") or ())):
        if extra not in LEFT_OUT:
            for name in _required(program, (extra,)):
                _follow(name, extra, asked, needs)
    made = []
    for text in sorted(asked):
        name = text.partition("[")[0]
        found = distribution(name)
        extras = () if "" in asked[text] else tuple(sorted(asked[text]))
        needed = tuple(sorted({need.partition("[")[0] for need in needs[text]} - {name}))
        made.append(Package(name, found.version, licence_of(found), extras, needed))
    return _merged(made)


def _merged(made: list[Package]) -> list[Package]:
    """One entry for a distribution that is asked for with extras of its own and without."""
    found: dict[str, Package] = {}
    for one in made:
        other = found.get(one.name, one)
        always = not one.extras or not other.extras
        extras = () if always else tuple(sorted({*one.extras, *other.extras}))
        needs = tuple(sorted({*one.needs, *other.needs}))
        found[one.name] = Package(one.name, one.version, one.licence, extras, needs)
    return [found[name] for name in sorted(found)]


def _follow(text: str, extra: str, asked: dict[str, set[str]], needs: dict[str, set[str]]) -> None:
    if extra in asked.setdefault(text, set()):
        return
    asked[text].add(extra)
    name, _, wanted = text.rstrip("]").partition("[")
    needs[text] = set(_required(distribution(name), ("", *filter(None, wanted.split(",")))))
    for need in needs[text]:
        _follow(need, extra, asked, needs)


def _required(found: Distribution, extras: tuple[str, ...]) -> Iterator[str]:
    """Names, with the extras that are asked of them, that hold for these extras here."""
    for line in found.requires or ():
        need = Requirement(line)
        name, wanted = canonicalize_name(need.name), ",".join(sorted(need.extras))
        plain = need.marker is None or need.marker.evaluate({"extra": ""})
        for extra in extras:
            holds = (
                plain if extra == "" else need.marker is not None and need.marker.evaluate({"extra": extra})
            )
            if holds and not (extra and plain):
                yield f"{name}[{wanted}]" if wanted else name


def licence_of(found: Distribution) -> str:
    """Its expression, else its name, else what its classifiers say."""
    metadata = found.metadata
    stated = metadata.get("License-Expression") or metadata.get("License") or ""
    if stated and len(stated) <= LONGEST and "\n" not in stated:
        return str(stated)
    kinds = [
        line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or () if line.startswith("License")
    ]
    return "; ".join(kinds) or STATED_ELSEWHERE.get(canonicalize_name(metadata["Name"]), "not stated")


def licences_page() -> str:
    """The table."""
    lines = [
        "# Licences",
        "",
        "Made by `python docs/reference_pages.py` from the metadata of what is installed, at the versions that the",
        f"tests run on. The program itself is under {licence_of(distribution(PROGRAM))}. Nothing of these packages is",
        "copied into its wheel; `pip` installs them beside it. The extra `ray` is not listed. The same stands in the",
        "wheel as CycloneDX (`.dist-info/sboms/sbom.cdx.json`).",
        "",
        "| package | version | licence | installed |",
        "|---|---|---|---|",
    ]
    for one in packages():
        when = ", ".join(f"with `{extra}`" for extra in one.extras) or "always"
        lines.append(f"| {one.name} | {one.version} | {one.licence} | {when} |")
    return "\n".join(lines) + "\n"


def bill_of_materials() -> str:
    """CycloneDX 1.6, without a time or a number of its own: the same packages give the same bytes."""
    program, listed = distribution(PROGRAM), packages()
    purls = {one.name: one.purl for one in listed}
    root = f"pkg:pypi/{PROGRAM}@{program.version}"
    first = {name.partition("[")[0] for name in _required(program, ("", *_extras(program)))}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": PROGRAM,
                "version": program.version,
                "licenses": [{"expression": licence_of(program)}],
                "purl": root,
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": one.purl,
                "name": one.name,
                "version": one.version,
                "scope": "optional" if one.extras else "required",
                "licenses": [{"license": {"name": one.licence}}],
                "purl": one.purl,
            }
            for one in listed
        ],
        "dependencies": [
            {"ref": root, "dependsOn": sorted(purls[name] for name in first if name in purls)},
            *({"ref": one.purl, "dependsOn": [purls[need] for need in one.needs]} for one in listed),
        ],
    }
    return json.dumps(bill, indent=1) + "\n"


def _extras(program: Distribution) -> list[str]:
    return [extra for extra in program.metadata.get_all("Provides-Extra") or () if extra not in LEFT_OUT]
