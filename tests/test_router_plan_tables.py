"""Tables of a plan beside it, in Parquet: what is written is read again, whole or by parts, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problem_factory import by_period, gpu, load, plan_of, problem

from router.api import verify
from router.commands.plan_file import write_plan
from router.errors import InputError
from router.plan.document import Plan
from router.plan.file import read_json, read_plan
from router.plan.rows import InstanceRow, RouteRow, TableFile
from router.plan.tables import TableReader, table_beside

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

PERIODS = 5
DATA = problem(by_period([1e6, 3e6, 0.0, 2e6, 5e6], "chat"), gpu("own", 2.0, 1.0), periods=PERIODS)

number = st.floats(-1e60, 1e60)
words = st.text(max_size=5)
route_rows = st.lists(
    st.builds(
        RouteRow,
        workload=words,
        offer=words,
        model=words,
        period=st.integers(0, 30),
        occurrence=st.none() | st.integers(-3, 3),
        scenario=st.none() | words,
        share=number,
        requests=st.none() | number,
        prompt_tokens=number,
        completion_tokens=number,
        free_share=st.none() | number,
        origin=st.none() | words,
        after_loss=st.none() | st.dictionaries(words, number, max_size=2),
    ),
    max_size=30,
)


@pytest.fixture
def plan() -> Plan:
    return plan_of(DATA)


def written(folder: Path, plan: Plan) -> Path:
    path = folder / "plan.json"
    assert write_plan(path, plan, parquet=True) == ("plan.routes.parquet", "plan.instances.parquet")
    return path


def test_a_plan_with_tables_beside_it_is_read_as_it_was(plan: Plan, tmp_path: Path) -> None:
    """Rows in the order of periods: what has one workload is in that order already."""
    path = written(tmp_path, plan)
    assert read_json(path)["routes"] == read_json(path)["instances"] == []
    assert read_plan(path) == plan
    assert verify(load(DATA), read_plan(path)).ok
    stated = read_plan(path, apart=True).tables
    assert stated is not None
    assert {name: table.rows for name, table in stated.items()} == {"routes": 4, "instances": 4}


def test_the_rows_of_tables_are_not_taken_for_none(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stand beside the plan"):
        Plan.from_dict(json.loads(written(tmp_path, plan).read_text()))


@settings(max_examples=25, deadline=None)
@given(rows=route_rows, periods=st.integers(1, 8))
def test_all_rows_are_read_again_by_parts(
    rows: list[RouteRow], periods: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the rows: those of so many periods at a time, counted from the first of them."""
    path = tmp_path_factory.mktemp("rows") / "plan.json"
    ordered = sorted(rows, key=lambda row: row.period)
    with table_beside(path, "routes") as table:
        for row in ordered:
            table.add([row])
        stated = table.closed()
    with TableReader(path, "routes", stated) as reader:
        assert list(reader.rows()) == ordered
    with TableReader(path, "routes", stated) as reader:
        blocks = [(at, list(own)) for at, own in reader.blocks(periods)]
    assert [at for at, _ in blocks] == sorted({row.period // periods for row in rows})
    again = [replace(row, period=row.period + at * periods) for at, own in blocks for row in own]
    assert again == ordered
    assert all(0 <= row.period < periods for _, own in blocks for row in own)


def _rewritten(path: Path, change: Any) -> TableFile:
    """The file of instances with something changed, and what a plan would say of it."""
    from hashlib import sha256

    file = path.with_name("plan.instances.parquet")
    table = change(parquet.read_table(file))
    parquet.write_table(table, file)
    return TableFile(file.name, sha256(file.read_bytes()).hexdigest(), table.num_rows)


def _column(name: str, values: list[Any]) -> Any:
    def change(table: Any) -> Any:
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, arrow.array(values, table.schema.types[at]))

    return change


FAULTS = [
    (_column("period", [0, 3, 1, 4]), "not in the order of periods"),
    (_column("count", [1.0, float("nan"), 2.0, 5.0]), "count holds what is not a finite number"),
    (_column("count", [1.0, float("inf"), 2.0, 5.0]), "count holds what is not a finite number"),
    (_column("offer", ["own", None, "own", "own"]), "offer is required"),
    (_column("role", [None, "cook", None, None]), "role must be one of prefill, decode"),
    (lambda table: table.drop_columns(["started"]), "must have the columns offer, model"),
    (lambda table: table.cast(_with(table, "period", arrow.int32())), "each of its type"),
]


def _with(table: Any, name: str, type_: Any) -> Any:
    at = table.schema.get_field_index(name)
    return table.schema.set(at, arrow.field(name, type_))


@pytest.mark.parametrize(("change", "rule"), FAULTS)
def test_rows_that_are_none_are_refused(change: Any, rule: str, plan: Plan, tmp_path: Path) -> None:
    path = written(tmp_path, plan)
    stated = _rewritten(path, change)
    with pytest.raises(InputError, match=rule), TableReader(path, "instances", stated) as reader:
        [list(rows) for _, rows in reader.blocks(2)]


def test_a_table_of_another_plan_is_refused(plan: Plan, tmp_path: Path) -> None:
    path = written(tmp_path, plan)
    _rewritten(path, _column("count", [1.0, 3.0, 2.0, 6.0]))
    with pytest.raises(InputError, match="its hash is another"):
        read_plan(path)


def test_a_missing_table_is_named(plan: Plan, tmp_path: Path) -> None:
    path = written(tmp_path, plan)
    path.with_name("plan.routes.parquet").unlink()
    with pytest.raises(InputError, match=r"cannot be read[\s\S]*keep both together"):
        read_plan(path)


def test_a_table_with_fewer_rows_than_stated_is_refused(plan: Plan, tmp_path: Path) -> None:
    path = written(tmp_path, plan)
    stated = _rewritten(path, lambda table: table.slice(0, 3))
    with pytest.raises(InputError, match="has 3 rows, not the 4 stated"):
        TableReader(path, "instances", replace(stated, rows=4))


def test_what_is_no_table_or_stands_in_the_plan_too_is_refused(plan: Plan, tmp_path: Path) -> None:
    path = written(tmp_path, plan)
    data = json.loads(path.read_text())
    for tables, routes in (
        ({"cost_lines": data["tables"]["routes"]}, []),
        (data["tables"], plan.to_dict()["routes"]),
    ):
        path.write_text(json.dumps(data | {"tables": tables, "routes": routes}))
        with pytest.raises(InputError, match=r"is not a table that|stands in the plan itself too"):
            read_plan(path)


def test_an_interrupted_plan_leaves_what_was_there(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it breaks in the rows or in the plan: the files are those of before, and no other is left."""
    path = written(tmp_path, plan)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def endless() -> Iterator[InstanceRow]:
        yield from plan.instances
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt), table_beside(path, "instances") as table:
        table.add(endless())
    monkeypatch.setattr(Plan, "to_json", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_plan(path, replace(plan, instances=()), parquet=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
