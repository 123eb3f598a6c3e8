"""Where a deployment does not publish persons, they stand nowhere in a release: whatever the source, form or format."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from etl import pipeline
from etl.settings import Settings
from etl.source import sources

INPUTS = Path(__file__).parent / "sources"

#: A person in every place a sheet can have one. Who stands in a text that is published as it is, stays there.
SHEET = """SCHEDA OPERA PUBBLICA

Denominazione: Scuola di via Esempio
Codice CUP: F31B19000990001
CIG: 88442108F8
RUP: Ada Primacasi
RUP: Bice Secondacasi
Direttore dei lavori: Carla Terzacasi
Progettista: Dina Quartacasi
Diretore dei lavori: Elsa Quintacasi
Stazione appaltante: Comune di Esempio
Importo a base di gara: € 240.000,00

Il collaudo è di Fulvia Sestacasi.
"""
PAGE = """<!doctype html><html><head><title>Scheda</title></head><body>
<h1>Scuola di via Esempio</h1>
<dl><dt>Codice CUP</dt><dd>F31B19000990001</dd><dt>CIG</dt><dd>88442108F8</dd>
<dt>RUP</dt><dd>Ada Primacasi</dd><dt>Direttore dei lavori</dt><dd>Carla Terzacasi</dd>
<dt>Progettista</dt><dd>Dina Quartacasi</dd><dt>Stazione appaltante</dt><dd>Comune di Esempio</dd>
<dt>Importo a base di gara</dt><dd>€ 240.000,00</dd></dl>
<h2>Collaudatrice Fulvia Sestacasi</h2><p>Il collaudo è suo, dice Fulvia Sestacasi.</p></body></html>
"""
NAMES = ("Primacasi", "Secondacasi", "Terzacasi", "Quartacasi", "Quintacasi", "Sestacasi")


def built(path: Path, releases: Path, publish_persons: bool, source: str | None = None) -> pipeline.Built:
    settings = Settings(releases=releases, publish_persons=publish_persons)
    return pipeline.build([path], settings, sources()[source] if source else None)


def texts(release: Path) -> Iterator[tuple[str, str]]:
    """Everything a release says: each of its files, as text."""
    for path in sorted(release.rglob("*")):
        if not path.is_file() or "store" in path.relative_to(release).parts:
            continue  # the index has what the dumps have
        if path.suffix == ".parquet":
            yield path.name, json.dumps(pl.read_parquet(path).to_dicts(), default=str, ensure_ascii=False)
        elif path.suffix == ".gz":
            yield path.name, gzip.decompress(path.read_bytes()).decode()
        elif path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as base:
                yield path.name, "\n".join(base.iterdump())
        else:
            yield path.name, path.read_bytes().decode(errors="replace")


@pytest.mark.parametrize(("name", "content"), [("scuola.txt", SHEET), ("scuola.html", PAGE)])
def test_no_person_of_a_sheet_stands_anywhere_in_a_release(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    open_, closed = (built(tmp_path / name, tmp_path / str(told), told, "opere") for told in (True, False))
    said = "".join(text for _, text in texts(open_.folder))
    assert all(person in said for person in NAMES if person in content), "the test looks where they would stand"
    assert [(file, person) for file, text in texts(closed.folder) for person in NAMES if person in text] == []
    assert not (closed.folder / "copies").exists()
    assert "Comune di Esempio" in "".join(text for _, text in texts(closed.folder))


def test_a_problem_still_says_where_what_is_not_shown_stands(tmp_path: Path) -> None:
    (tmp_path / "scuola.txt").write_text(SHEET, encoding="utf-8")
    found = built(tmp_path / "scuola.txt", tmp_path / "releases", False, "opere").problems
    told = found.filter(pl.col("code").is_in(["sheet.unknown-label", "sheet.text-outside"]))
    assert set(told["raw"]) == {"[…]"}
    assert told["place"].str.contains("line 9").any()


def test_no_tax_code_of_a_person_is_read_of_a_page(tmp_path: Path) -> None:
    page = (INPUTS.parent / "layouts" / "opencup-page" / "other-words.txt").read_text(encoding="utf-8")
    assert "99999000013" in page
    (tmp_path / "scheda.txt").write_text(page.replace("99999000013", "RSSMRA80A01H501U"), encoding="utf-8")
    for told in (True, False):
        release = built(tmp_path / "scheda.txt", tmp_path / str(told), told, "opencup-page").folder
        assert any("RSSMRA80A01H501U" in text for _, text in texts(release)) is told


def test_persons_stand_neither_in_the_tables_nor_in_their_text(tmp_path: Path) -> None:
    (path,) = (INPUTS / "scp-awards").glob("esiti.json")
    open_, closed = (built(path, tmp_path / str(told), told).folder for told in (True, False))
    names = pl.read_parquet(open_ / "tables" / "scp-awards.parquet")["rup"].drop_nulls().to_list()
    assert names
    assert [(file, name) for file, text in texts(closed) for name in names if name in text] == []


def test_persons_stand_in_no_problem_of_a_table_either(tmp_path: Path) -> None:
    path = tmp_path / "esiti.json"
    (source,) = (INPUTS / "scp-awards").glob("esiti.json")
    told = json.loads(source.read_text(encoding="utf-8"))["esiti"]
    row = told[0] | {"rup": "MARIA ESEMPIO"}
    # The same key with another person, and a row without a key: both stand whole in the problems.
    rows = [row, row | {"rup": "GIOVANNI PROVA"}, dict.fromkeys(row) | {"rup": "ANNA CASO"}]
    path.write_text(json.dumps({"esiti": rows}), encoding="utf-8")
    for publish in (True, False):
        found = built(path, tmp_path / str(publish), publish)
        said = " ".join(str(value) for value in found.problems["raw"].to_list())
        assert ("GIOVANNI PROVA" in said, "ANNA CASO" in said) == (publish, publish)
