"""The mapping: cases as files, the same quads as Morph-KGC, hostile strings, no quad twice, bad mapping files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from etl import mapping
from etl.mapping import MappingError, _Plan

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASES = sorted(path for path in (HERE / "cases").glob("*/*") if path.is_dir())
BAD = sorted((HERE / "bad-mappings").glob("*.yml"))
PEERS = Path(os.environ.get("CUPOLA_PEERS", ROOT / ".venv-peers"))

# The types the pipeline gives to columns, by the end of their names; what isn't here is a string.
TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "_amount": pl.Decimal(20, 2), "_date": pl.Date, "_time": pl.Datetime("us"), "_flag": pl.Boolean, "number": pl.Int64,
}  # fmt: skip

TERMS = HERE / "cases" / "terms" / "mapping.yml"
ANY = HERE / "cases" / "any-strings.yml"
COLUMNS = ("code", "part", "name", "see", "iri")


def mapping_of(case: Path) -> Path:
    source = case.parent.name
    own = case.parent / "mapping.yml"
    places = [own, ROOT / "etl" / "sources" / source / "mapping.yml", ROOT / "etl" / f"{source}.yml"]
    return next(path for path in places if path.is_file())


def tables_of(case: Path, rules: mapping.Mapping) -> dict[str, pl.DataFrame]:
    """The case's tables; columns and tables the mapping asks for and the case leaves out are null and empty."""
    wanted: dict[str, set[str]] = {table: set() for table in rules.tables}
    for each in rules.maps:
        for term in (each.subject, *(term for _, term in each.pairs)):
            wanted[each.table] |= term.columns
    tables = {}
    for name, columns in wanted.items():
        path = case / f"{name}.json"
        rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        names = sorted(columns.union(*rows))
        texts = {each: [None if row.get(each) is None else str(row[each]) for row in rows] for each in names}
        tables[name] = pl.DataFrame(texts, schema=dict.fromkeys(names, pl.String)).select(map(typed, names))
    return tables


def typed(name: str) -> pl.Expr:
    dtype = next((dtype for end, dtype in TYPES.items() if name.endswith(end)), pl.String)
    column = pl.col(name)
    if dtype == pl.Boolean:
        return column.str.to_lowercase() == "true"
    if dtype == pl.Date:
        return column.str.to_date("%Y-%m-%d")
    if dtype == pl.Datetime:
        return column.str.to_datetime("%Y-%m-%dT%H:%M:%S")
    return column.cast(dtype)


def quads(path: Path) -> set[Quad]:
    return set(parse(path=str(path), format=RdfFormat.N_QUADS))


def lines(path: Path) -> list[str]:
    return path.read_bytes().decode().removesuffix("\n").split("\n") if path.stat().st_size else []


def written(rules: mapping.Mapping, tables: dict[str, pl.DataFrame], out: Path) -> list[str]:
    """The lines written, after checking that they are as many as told and that none comes twice."""
    count = mapping.write(rules, {name: table.lazy() for name, table in tables.items()}, out)
    got = lines(out)
    assert count == len(got) == len(set(got)) == len(quads(out))
    return got


@cache
def any_strings() -> mapping.Mapping:
    return mapping.load(ANY)


def case_name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_case_gives_the_expected_graph(case: Path, tmp_path: Path) -> None:
    rules = mapping.load(mapping_of(case))
    got = written(rules, tables_of(case, rules), tmp_path / "out.nq")
    assert sorted(got) == lines(case / "expected.nq")


# Runs Morph-KGC in each of the folders named, as its command does: one process for all, for to start takes seconds.
MORPH = """
import os, runpy, sys, traceback
for folder in sys.argv[1:]:
    os.chdir(folder)
    sys.argv[1:] = ["config.ini"]
    try:
        runpy.run_module("morph_kgc", run_name="__main__")
    except BaseException:
        with open("failed.txt", "w") as file:
            traceback.print_exc(file=file)
"""


@pytest.fixture(scope="module")
def morph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """The folder in which Morph-KGC was run on each case that is tested."""
    python = PEERS / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"needs Morph-KGC in {PEERS.name} (make install-dev), or where CUPOLA_PEERS says")
    tests = (item for item in request.session.items if isinstance(item, pytest.Function))
    params = [test.callspec.params for test in tests if "morph" in test.fixturenames]
    asked = [case for case in CASES if any(each["case"] == case for each in params)]
    folders = {case: prepared_for_morph(case, tmp_path_factory.mktemp("morph")) for case in asked}
    subprocess.run([python, "-c", MORPH, *folders.values()], capture_output=True, timeout=300, check=True)
    return folders


def prepared_for_morph(case: Path, folder: Path) -> Path:
    rules = mapping.load(mapping_of(case))
    for name, table in tables_of(case, rules).items():
        times = pl.selectors.datetime().dt.to_string("%Y-%m-%dT%H:%M:%S")
        table.with_columns(times).write_csv(folder / f"{name}.csv")
    (folder / "mapping.ttl").write_text(mapping.translate(mapping_of(case)), encoding="utf-8")
    # na_values: only the empty string is null, not the word "nan". Partitioning is for large data, and takes its time.
    (folder / "config.ini").write_text(
        "[CONFIGURATION]\noutput_file: morph.nq\noutput_format: N-QUADS\nna_values:\nnumber_of_processes: 1\n"
        "mapping_partitioning: no\n"
        "[SOURCE]\nmappings: mapping.ttl\n"
    )
    return folder


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_morph_kgc_gives_the_same_quads(case: Path, morph: dict[Path, Path]) -> None:
    failed = morph[case] / "failed.txt"
    assert not failed.is_file(), failed.read_text(encoding="utf-8")
    assert quads(morph[case] / "morph.nq") == quads(case / "expected.nq")


def test_two_operations_of_one_cup_give_its_project_once(tmp_path: Path) -> None:
    case = HERE / "cases" / "ponmetro" / "one-cup-two-operations"
    rules = mapping.load(mapping_of(case))
    got = written(rules, tables_of(case, rules), tmp_path / "out.nq")
    project = "<https://w3id.org/cupola/id/project/C19J21037430006>"
    assert sum(line.startswith(f"{project} ") and "Progetto_di_investimento_pubblico" in line for line in got) == 1
    assert sum(f" <https://w3id.org/cupola/onto/concernsProject> {project} " in line for line in got) == 2


def test_tables_with_a_key_are_not_compared_row_by_row(tmp_path: Path) -> None:
    case = HERE / "cases" / "ponmetro" / "torino-and-venezia"
    rules = mapping.load(mapping_of(case))
    tables: dict[str, pl.LazyFrame] = {name: table.lazy() for name, table in tables_of(case, rules).items()}
    plan = _Plan(rules, tables)
    assert frozenset({"record"}) in plan.keys()["ponmetro"]
    for group, frame in zip(plan.groups(), plan.lines(), strict=True):
        if [rule.of.name for rule in group] in (["operation"], ["sheet"], ["reading"], ["person"]):
            assert "UNIQUE" not in frame.explain(), group
    doubled = {**tables, "ponmetro": pl.concat([tables["ponmetro"]] * 2)}
    assert frozenset({"record"}) not in _Plan(rules, doubled).keys()["ponmetro"]
    assert mapping.write(rules, doubled, tmp_path / "doubled.nq") == mapping.write(rules, tables, tmp_path / "once.nq")
    assert quads(tmp_path / "doubled.nq") == quads(tmp_path / "once.nq")


def test_an_iri_in_a_column_that_another_mapping_mints_is_not_written_twice(tmp_path: Path) -> None:
    case = HERE / "cases" / "terms" / "every-kind"
    rules = mapping.load(mapping_of(case))
    tables = tables_of(case, rules)
    compared = [group for group in _Plan(rules, lazy(tables)).groups() if len(group) > 1]
    assert {"thing", "named"} <= {rule.of.name for group in compared for rule in group}
    got = written(rules, tables, tmp_path / "out.nq")
    thing = "<https://w3id.org/cupola/id/thing/a%2Fb:x-y-7>"
    assert sum(line.startswith(f"{thing} ") and "#type" in line for line in got) == 1


def lazy(tables: dict[str, pl.DataFrame]) -> dict[str, pl.LazyFrame]:
    return {name: table.lazy() for name, table in tables.items()}


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    case = HERE / "cases" / "ponmetro" / "one-cup-two-operations"
    rules = mapping.load(mapping_of(case))
    for name, table in tables_of(case, rules).items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    made = set()
    for number in range(5):
        mapping.write(rules, tmp_path, tmp_path / f"{number}.nq")
        made.add((tmp_path / f"{number}.nq").read_bytes())
    assert len(made) == 1


def test_a_deployment_has_its_base_in_data_and_graphs_but_not_in_the_ontology(tmp_path: Path) -> None:
    case = HERE / "cases" / "ponmetro" / "torino-and-venezia"
    rules = mapping.load(mapping_of(case), "http://localhost:8000/")
    got = "\n".join(written(rules, tables_of(case, rules), tmp_path / "out.nq"))
    assert "<http://localhost:8000/id/operation/ponmetro/TO7.1.1.b> " in got
    assert "<http://localhost:8000/graph/ponmetro> ." in got
    assert "<https://w3id.org/cupola/onto/Operation>" in got
    assert "<https://w3id.org/cupola/id/" not in got
    assert "<https://w3id.org/cupola/graph/" not in got
    assert rules.prefixes["id"] == "http://localhost:8000/id/"
    assert rules.prefixes["cupola"] == "https://w3id.org/cupola/onto/"


def test_subjects_tell_their_records() -> None:
    case = HERE / "cases" / "ponmetro" / "one-cup-two-operations"
    rules = mapping.load(mapping_of(case))
    found = mapping.subjects(rules, lazy(tables_of(case, rules))).collect()
    owners: dict[str, set[str]] = {}
    for iri, table, record in found.iter_rows():
        assert table in rules.tables
        owners.setdefault(iri.removeprefix("https://w3id.org/cupola/id/"), set()).add(record)
    assert owners["operation/ponmetro/TO7.1.1.b"] == {"TO7.1.1.b"}
    assert owners["operation/ponmetro/TO7.1.1.b/implementing-body-2"] == {"TO7.1.1.b"}
    assert owners["project/C19J21037430006"] == owners["agent/ponmetro/comune-di-torino"] == {"TO7.1.1.b", "TO7.1.1.c"}
    assert set(found["iri"]) == {line.split("> ")[0][1:] for line in lines(case / "expected.nq")}
    assert found.height == found.unique().height


def test_illegal_characters_of_an_iri_are_encoded_and_what_is_no_iri_is_listed(tmp_path: Path) -> None:
    values = ['https://example.org/a b<c>"{d}|^`\\\n', "no address", "https://example.org/100%", "", None]
    things = pl.DataFrame({"code": list("abcde"), "see": values, "record": list("12345")})
    case = HERE / "cases" / "terms" / "nulls"
    rules = mapping.load(mapping_of(case))
    nothing = tables_of(case, rules)["things"].clear()
    things = nothing.join(things, on=["code", "see"], how="full", coalesce=True).sort("code")
    tables = {"things": things.with_columns(part=pl.lit("p"), number=pl.lit(1))}
    written(rules, tables, tmp_path / "out.nq")
    see = NamedNode("https://example.org/see")
    assert {quad.object for quad in quads(tmp_path / "out.nq") if quad.predicate == see} == {
        NamedNode("https://example.org/a%20b%3Cc%3E%22%7Bd%7D%7C%5E%60%5C%0A"),
        NamedNode("https://example.org/100%25"),
    }
    assert mapping.refused(rules, lazy(tables)).collect().rows() == [("things", "2", "see", "no address")]


@given(rows=st.lists(st.fixed_dictionaries({name: st.none() | st.text() for name in COLUMNS}), max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_strings_give_n_quads_that_say_just_them(
    rows: list[dict[str, str | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.getbasetemp() / "any-strings.nq"
    rules = any_strings()
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    got = mapping.write(rules, {"things": pl.LazyFrame(columns, schema=dict.fromkeys(columns, pl.String))}, out)
    graph = NamedNode("https://example.org/graph")
    expected = set()
    for row in rows:
        code, part, name = row["code"], row["part"], row["name"]
        if not code or not part:
            continue
        subject = NamedNode(f"https://example.org/{quote(code, safe='')}/{quote(part, safe='')}")
        if name:
            expected.add(Quad(subject, NamedNode("https://example.org/name"), Literal(name, language="it"), graph))
            text = Literal(f'"{name}" {code}\\')
            expected.add(Quad(subject, NamedNode("https://example.org/text"), text, graph))
    read = quads(out)
    assert {quad for quad in read if quad.predicate.value != "https://example.org/see"} == expected
    assert got == len(lines(out)) == len(read)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_mapping_is_refused_with_file_and_reason(path: Path) -> None:
    expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(MappingError) as raised:
        mapping.load(path)
    assert expected in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_a_mapping_error(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="can't be read"):
        mapping.load(tmp_path / "none.yml")


def test_reading_a_mapping_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    mapping.translate(TERMS)
    with pytest.raises(MappingError):
        mapping.load(HERE / "bad-mappings" / "unknown-prefix.yml")
    assert capfd.readouterr() == ("", "")


def test_prefixes_of_one_file_do_not_serve_another(tmp_path: Path) -> None:
    mapping.translate(ANY)  # yatter reads it now: a mapping loaded before would not be read again
    other = tmp_path / "other.yml"
    text = ANY.read_text(encoding="utf-8")
    other.write_text(text[text.index("mappings:") :], encoding="utf-8")
    with pytest.raises(MappingError):
        mapping.load(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": ["name"]}, "no column 'name'"),
        ({"number": pl.lit([1, 2])}, "'number' of type List"),
        ({"euro_amount": pl.lit(1.5)}, "'euro_amount' of type Float64"),
    ],
    ids=["missing-column", "list-column", "float-column"],
)
def test_a_table_that_does_not_fit_is_refused(
    change: dict[str, list[str] | pl.Expr], message: str, tmp_path: Path
) -> None:
    case = HERE / "cases" / "terms" / "every-kind"
    rules = mapping.load(mapping_of(case))
    things = tables_of(case, rules)["things"]
    for name, new in change.items():
        things = things.with_columns(new.alias(name)) if isinstance(new, pl.Expr) else things.drop(new)
    with pytest.raises(MappingError, match=message):
        mapping.write(rules, {"things": things.lazy()}, tmp_path / "out.nq")


@pytest.mark.parametrize("tables", [{}, None], ids=["by-name", "in-a-folder"])
def test_a_table_that_is_not_there_is_refused(tables: dict[str, pl.LazyFrame] | None, tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="things"):
        mapping.write(mapping.load(TERMS), tmp_path if tables is None else tables, tmp_path / "out.nq")


def every_statement(paths: Iterable[Path]) -> int:
    return sum(len(lines(path)) for path in paths)


def test_the_expected_graphs_hold_something() -> None:
    assert len(CASES) >= 7
    assert every_statement(case / "expected.nq" for case in CASES) > 400
