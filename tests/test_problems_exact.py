"""The program without the allowance at unit boundaries: taken off the rows that have it, it is the one encoded anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from problems.core.encode import encode, exact
from problems.throughput import BOUNDARY
from router.loading.catalogue import load
from router.normalise import normalise

EXAMPLES = Path(__file__).parents[1] / "router" / "examples"


@pytest.mark.parametrize("name", ["fleet", "case-11-hybrid", "sizing-quote"])
def test_the_allowance_is_taken_off(name: str) -> None:
    inst = normalise(load(EXAMPLES / f"{name}.yaml"))
    encoded, anew = encode(inst), encode(inst, boundary=0.0)
    taken_off = exact(encoded)
    assert taken_off.views[0].boundary == 0.0
    assert taken_off.program.matrix.data == approx(anew.program.matrix.data, rel=1e-14)
    assert np.array_equal(taken_off.program.matrix.indices, anew.program.matrix.indices)
    for part in ("cost", "row_lower", "row_upper", "col_lower", "col_upper", "integer"):
        assert np.array_equal(getattr(taken_off.program, part), getattr(anew.program, part))


def test_there_is_an_allowance() -> None:
    """On whole counts alone: 1e-6 of them."""
    encoded = encode(normalise(load(EXAMPLES / "fleet.yaml")))
    ratio = encoded.program.matrix.data / exact(encoded).program.matrix.data
    assert sorted({round(float(each), 9) for each in ratio}) == approx([1.0, 1.0 + BOUNDARY])


def test_a_part_of_the_allowance() -> None:
    """A quarter of it: what is encoded anew with 0.25e-6."""
    inst = normalise(load(EXAMPLES / "fleet.yaml"))
    taken_off, anew = exact(encode(inst), 0.25), encode(inst, boundary=0.25 * BOUNDARY)
    assert taken_off.views[0].boundary == approx(0.25 * BOUNDARY)
    assert taken_off.program.matrix.data == approx(anew.program.matrix.data, rel=1e-14)
