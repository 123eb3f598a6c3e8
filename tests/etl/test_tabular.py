"""Files of rows: whatever they are packed in, the same rows; whatever is wrong with one, one clear problem."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl import linked, pipeline, problems, tabular
from etl.settings import Settings
from etl.source import Source, sources
from etl.tables import without_doubles

PAIRS = sources()["anac-cup-cig"]
ROWS = [("B31C20999990006", "Z99999901A"), ("B44D19999990005", "Z99999902B")]
CSV = "CUP,CIG\n" + "".join(f"{cup},{cig}\n" for cup, cig in ROWS)
JSON = json.dumps({"cupcig": [{"CUP": cup, "CIG": cig} for cup, cig in ROWS]})


def parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame(ROWS, schema=["CUP", "CIG"], orient="row").write_parquet(file)
    return file.getvalue()


def zipped(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)
    return packed.getvalue()


def encrypted(text: str) -> bytes:
    """A zip that says its file is encrypted: bit 0 of the flags, in the header of the file and in the directory."""
    data = bytearray(zipped(a_csv=text))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    return bytes(data)


SAME = {
    "cup_cig.csv": CSV.encode(),
    "cup_cig.bom.csv": b"\xef\xbb\xbf" + CSV.encode(),
    "cup_cig.crlf.csv": CSV.replace("\n", "\r\n").encode(),
    "cup_cig.other-heads.csv": CSV.replace("CUP,CIG", " cup , Cig ").encode(),
    "cup_cig.quoted.csv": CSV.replace("Z99999901A", '"Z99999901A"').encode(),
    "cup_cig.csv.gz": gzip.compress(CSV.encode()),
    "cup_cig.zip": zipped(cup_csv=CSV, leggimi_txt="nulla"),
    "cup_cig.json": JSON.encode(),
    "cup_cig.list.json": json.dumps(json.loads(JSON)["cupcig"]).encode(),
    "cup_cig.json.gz": gzip.compress(JSON.encode()),
    "cup_cig.parquet": parquet(),
}


def read(folder: Path, name: str, data: bytes, source: Source = PAIRS) -> tuple[tabular.Table, pl.DataFrame]:
    """The table of a file, and all its rows."""
    (folder / name).write_bytes(data)
    work = folder / "work"
    work.mkdir(exist_ok=True)
    found = tabular.table(folder / name, source, work)
    return found, pl.concat([found.strings(batch) for batch in found.batches()])


@pytest.mark.parametrize("name", SAME)
def test_the_same_rows_come_from_every_format(name: str, tmp_path: Path) -> None:
    found, rows = read(tmp_path, name, SAME[name])
    assert rows.select("cup", "cig").rows() == ROWS
    assert rows["place"].to_list() == ["row 1", "row 2"]
    assert (found.unknown, found.missing) == ((), ())
    assert PAIRS.reads(tmp_path / name)


BAD = {
    "empty.csv": (b"", "file.empty"),
    "blank.csv": (b" \n\n", "file.empty"),
    "ragged.csv": (CSV.encode() + b"a,b,c,d\n", "table.malformed"),
    "other.csv": (b"nome,cognome\na,b\n", "table.no-columns"),
    "cut.csv.gz": (gzip.compress(CSV.encode() * 100)[:40], "table.malformed"),
    "not.csv.gz": (CSV.encode(), "table.malformed"),
    "not.zip": (CSV.encode(), "table.malformed"),
    "two.zip": (zipped(a_csv=CSV, b_csv=CSV), "table.malformed"),
    "none.zip": (zipped(a_txt=CSV), "table.malformed"),
    "cut.json": (JSON[:-4].encode(), "table.malformed"),
    "number.json": (b"7", "table.malformed"),
    "elsewhere.json": (JSON.replace("cupcig", "altro").encode(), "table.malformed"),
    "numbers.json": (b'{"cupcig": [1, 2]}', "table.malformed"),
    "deep.json": (b"[" * 100_000, "table.malformed"),
    "not.parquet": (CSV.encode(), "table.malformed"),
    "broken.parquet": (parquet()[:40] + b"?" * 200 + parquet()[240:], "table.malformed"),
    "encrypted.zip": (encrypted(CSV), "table.malformed"),
    "other.txt": (CSV.encode(), "table.malformed"),  # as --source makes it be read
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_refused_by_name(name: str, tmp_path: Path) -> None:
    data, code = BAD[name]
    with pytest.raises(problems.Unusable) as refused:
        read(tmp_path, name, data)
    assert refused.value.code == code


def test_a_pipe_is_refused_before_anybody_waits_for_it(tmp_path: Path) -> None:
    for name, read_ in (("a.csv", lambda path: tabular.table(path, PAIRS, tmp_path)), ("a.trig", linked_graphs)):
        os.mkfifo(tmp_path / name)
        with pytest.raises(problems.Unusable) as refused:
            read_(tmp_path / name)
        assert refused.value.code == "file.unreadable"


def linked_graphs(path: Path) -> object:
    return linked.graphs(path, "https://w3id.org/cupola/", path.parent)


def test_two_rows_of_one_key_are_not_merged_and_the_second_is_kept_whole() -> None:
    source = dataclasses.replace(PAIRS, key=("cup",))
    table = pl.DataFrame(
        {"cup": ["A", "A", "A"], "cig": ["x", "x", "y"], "record": ["A"] * 3, "file": ["f", "f", "g"]}
    ).with_columns(sha256=pl.lit(""), place=pl.Series(["row 1", "row 2", "row 1"]))
    first, told = without_doubles(table, source)
    assert first["place"].to_list() == ["row 1"]
    assert told.select("code", "file", "place", "raw").rows() == [
        ("table.repeated-row", "f", "row 2", "cup=A; cig=x"),
        ("table.repeated-key", "g", "row 1", "cup=A; cig=y"),
    ]
    assert "f, row 1" in told["message_en"][1]


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(problems.Unusable) as refused:
        tabular.table(tmp_path / "none.csv", PAIRS, tmp_path)
    assert refused.value.code == "file.not-found"


def test_a_small_file_that_unpacks_to_an_enormous_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "MAX_BYTES", 10_000)
    for name, data in {"a.csv.gz": gzip.compress(bytes(10**7)), "a.zip": zipped(a_csv="0" * 10**7)}.items():
        with pytest.raises(problems.Unusable) as refused:
            read(tmp_path, name, data)
        assert refused.value.code == "file.too-large"


def test_columns_nobody_knows_and_columns_that_are_missing_are_told(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "a.csv", b"CUP,Regione,CUP\na,b,c\n")
    assert found.unknown == ("Regione", "CUP_duplicated_0")
    assert found.missing == ("CIG",)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_any_texts_come_through_json_as_they_are(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    data = json.dumps([{"CUP": cup, "CIG": cig} for cup, cig in rows]).encode()
    assert read(tmp_path, "a.json", data)[1].select("cup", "cig").rows() == rows


# --- built -------------------------------------------------------------------------------------------------------


def test_rows_become_lots_tied_to_their_projects(tmp_path: Path) -> None:
    text = CSV + "B44D19999990005,Z99999901A\n B31C20999990006 ,z99999901a\nX,Z99999901A\nB44D19999990005,12\n,\n"
    (tmp_path / "cup_cig.csv").write_text(text.replace("\n", ",x\n").replace("CIG,x", "CIG,nota"), encoding="utf-8")
    built = pipeline.build([tmp_path], Settings(releases=tmp_path / "releases", index=False))
    (source,) = built.manifest["sources"]
    assert (source["form"], source["read"], source["published"]) == ("table", 7, 3)
    told = built.problems.select("code", "place").rows()
    assert sorted(told, key=str) == [
        ("cig.malformed", "row 6"),
        ("cig.normalised", "row 4"),
        ("cup.malformed", "row 5"),
        ("cup.normalised", "row 4"),
        ("table.no-key", "row 5"),
        ("table.no-key", "row 6"),
        ("table.no-key", "row 7"),
        ("table.repeated-row", "row 4"),
        ("table.unknown-column", None),
    ]
    whole = built.problems.filter(pl.col("code") == "table.no-key")["raw"].to_list()
    assert whole == ["cup=X; cig=Z99999901A", "cup=B44D19999990005; cig=12", None]
    records = pl.read_parquet(built.folder / "tables" / "anac-cup-cig.parquet")
    assert set(records.select("cup", "cig").rows()) == {*ROWS, ("B44D19999990005", "Z99999901A")}


def test_a_table_without_a_column_it_needs_is_withheld_whole(tmp_path: Path) -> None:
    (tmp_path / "cup_cig.csv").write_text("CUP\nB31C20999990006\n", encoding="utf-8")
    with pytest.raises(pipeline.NothingToPublish) as nothing:
        pipeline.build([tmp_path], Settings(releases=tmp_path / "releases", index=False))
    assert nothing.value.problems["code"].to_list() == ["table.missing-column"]


def test_the_pairs_of_the_authority_are_all_published(shared: Path, tmp_path: Path) -> None:
    built = pipeline.build(
        [shared / "data" / "anac" / "cup_cig_padigitale.json"], Settings(releases=tmp_path / "releases", index=False)
    )
    (source,) = built.manifest["sources"]
    assert (source["read"], source["published"], built.problems.height) == (677, 677, 0)


def test_checking_a_long_table_counts_what_would_be_published(tmp_path: Path, cupola: Callable[..., Any]) -> None:
    rows = "".join(f"B31C2099999{number:04}6"[:15] + f",Z{number:09}\n" for number in range(1000))
    (tmp_path / "cup_cig.csv").write_text("CUP,CIG\n" + rows + "X,Z\n", encoding="utf-8")
    told = cupola("check", tmp_path / "cup_cig.csv")
    assert told.returncode == 1
    assert "1000 of 1001 rows would be published" in told.stdout
    assert "row 1001" in told.stdout + told.stderr
