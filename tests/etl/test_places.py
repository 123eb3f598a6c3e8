"""Places: exact names only, ambiguity told and not decided, official IRIs, tables equal to what the script makes."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from etl import places
from etl.places import make

CITIES = "https://w3id.org/italia/controlled-vocabulary/territorial-classifications/cities/"
REGISTER = Path("vocabularies") / "ontopia" / "cv"


def found(name: str, on: date | None = None) -> places.Found:
    place = places.find(name, on)
    assert isinstance(place, places.Found), place
    return place


def test_torino_has_its_official_iris() -> None:
    torino = found("Torino")
    assert torino.iri == CITIES + "001272-(2015-01-01)"
    assert torino.key == "001272-(2015-01-01)"
    assert torino.province_iri == places.CLASSIFICATIONS + "provinces/001"
    assert torino.region_iri == places.CLASSIFICATIONS + "regions/01"
    assert (torino.province_name, torino.abbreviation, torino.region_name) == ("Torino", "TO", "Piemonte")
    assert torino.valid_to is None


@pytest.mark.parametrize(
    ("asked", "istat"),
    [
        ("TORINO", "001272"),
        ("  torino\u00a0", "001272"),
        ("Comune di Torino", "001272"),
        ("COMUNE DI TORINO", "001272"),
        ("Città di Torino", "001272"),
        ("Citta' di Torino", "001272"),
        ("L'Aquila", "066049"),
        ("L’Aquila", "066049"),
        ("Forlì", "040012"),
        ("Forli'", "040012"),
        ("FORLI", "040012"),
        ("reggio nell'emilia", "035033"),
        ("Città di Castello", "054013"),
        ("Corigliano Rossano", "078157"),
        ("Bolzano", "021008"),
        ("Bolzano/Bozen", "021008"),
        ("Bozen", "021008"),
        ("Saint-Rhémy-en-Bosses", "007064"),
    ],
)
def test_a_name_is_found_whatever_its_case_accents_and_apostrophes(asked: str, istat: str) -> None:
    assert found(asked).istat == istat


@pytest.mark.parametrize("asked", ["Torin", "Torinoo", "Città metropolitana di Torino", "", "'", "di"])
def test_what_is_no_exact_name_is_unknown(asked: str) -> None:
    assert places.find(asked) == places.Unknown(asked)


@pytest.mark.parametrize(
    ("asked", "codes"),
    [("Samone", {"001235", "022165"}), ("Castro", {"016065", "075096"}), ("Livo", {"013130", "022106"})],
)
def test_a_name_of_two_municipalities_is_not_decided(asked: str, codes: set[str]) -> None:
    place = places.find(asked)
    assert isinstance(place, places.Ambiguous)
    assert {candidate.istat for candidate in place.candidates} == codes
    assert all(candidate.valid_to is None for candidate in place.candidates)


def test_a_day_chooses_the_record_of_that_day() -> None:
    assert found("Torino", date(2010, 5, 1)).key == "001272-(1948-01-01)"
    assert found("Torino", date(2014, 12, 31)).key == "001272-(1948-01-01)"
    assert found("Torino", date(2015, 1, 1)).key == "001272-(2015-01-01)"
    olbia = places.by_istat("104017", date(2010, 1, 1))
    assert isinstance(olbia, places.Found)
    assert (olbia.name, olbia.abbreviation, olbia.region_name) == ("Olbia", "OT", "Sardegna")
    assert olbia.province_iri is None


def test_a_municipality_that_is_no_more_is_found_and_known_to_be_no_more() -> None:
    presicce = found("Presicce")
    assert presicce.valid_to is not None
    assert found("Presicce", date(2010, 1, 1)).istat == presicce.istat
    later = places.find("Presicce", date(2024, 1, 1))
    assert isinstance(later, places.Unknown)
    assert {record.istat for record in later.once} == {presicce.istat}


def test_codes() -> None:
    torino = places.by_istat("001272")
    assert torino == found("Torino")
    assert places.by_istat("999999") == places.Unknown("999999")
    assert isinstance(places.by_istat("001272", date(1900, 1, 1)), places.Unknown)


@pytest.mark.parametrize(
    ("capitals", "written"),
    [
        ("TORINO", "Torino"),
        ("REGGIO NELL'EMILIA", "Reggio nell'Emilia"),
        ("L'AQUILA", "L'Aquila"),
        ("SANT'ANGELO DEI LOMBARDI", "Sant'Angelo dei Lombardi"),
        ("LA SPEZIA", "La Spezia"),
        ("CAVA DE' TIRRENI", "Cava de' Tirreni"),
        ("CA' D'ANDREA", "Ca' d'Andrea"),
        ("VO'", "Vo'"),
        ("ISOLA DEL GRAN SASSO D'ITALIA", "Isola del Gran Sasso d'Italia"),
        ("CASTELNUOVO BOCCA D'ADDA", "Castelnuovo Bocca d'Adda"),
        ("CASTELL'ALFERO", "Castell'Alfero"),
        ("QUARTU SANT'ELENA", "Quartu Sant'Elena"),
        ("SESTO ED UNITI", "Sesto ed Uniti"),
        ("GRESSONEY-LA-TRINITÉ", "Gressoney-La-Trinité"),
        ("SAINT-RHÉMY-EN-BOSSES", "Saint-Rhémy-en-Bosses"),
        ("CASTELLO-MOLINA DI FIEMME", "Castello-Molina di Fiemme"),
        ("SOTTO IL MONTE GIOVANNI XXIII", "Sotto il Monte Giovanni XXIII"),
        ("RIESE PIO X", "Riese Pio X"),
        ("MORRA DE SANCTIS", "Morra De Sanctis"),
        ("DOMUS DE MARIA", "Domus de Maria"),
        ("CHÂTILLON", "Châtillon"),
        ("NE", "Ne"),
    ],
)
def test_names_are_written_as_usual(capitals: str, written: str) -> None:
    assert make.cased(capitals) == written


def test_the_tables_are_whole() -> None:
    folder = Path(make.__file__).parent
    municipalities = pl.read_csv(folder / "municipalities.csv", infer_schema=False)
    provinces = pl.read_csv(folder / "provinces.csv", infer_schema=False)
    regions = pl.read_csv(folder / "regions.csv", infer_schema=False)
    assert municipalities.height > 11_000
    assert municipalities.filter(pl.col("valid_to").is_null()).height == 7_896
    assert not municipalities.is_duplicated().any()
    assert set(municipalities["province"]) == set(provinces["code"])
    assert set(provinces["region"]) == set(regions["code"])
    assert regions.height == 20
    assert provinces.filter(pl.col("iri").is_not_null()).height == 107
    assert (folder / "municipalities.csv").stat().st_size < 500_000
    for istat in municipalities["istat"].unique():
        assert isinstance(places.by_istat(istat), places.Found)


def test_every_name_finds_its_municipality_or_tells_that_it_is_not_alone() -> None:
    municipalities = pl.read_csv(Path(make.__file__).with_name("municipalities.csv"), infer_schema=False)
    for row in municipalities.iter_rows(named=True):
        place = places.find(row["name"], date.fromisoformat(row["valid_from"]))
        several = place.candidates if isinstance(place, places.Ambiguous) else (place,)
        assert row["istat"] in {each.istat for each in several if isinstance(each, places.Found)}


def test_the_committed_tables_are_what_the_script_makes_of_the_register(shared: Path) -> None:
    folder = shared / REGISTER
    if not (folder / "cities.csv").is_file():
        pytest.skip("needs the register of places in ../shared/vocabularies/ontopia/cv")
    for name, table in make.tables(folder).items():
        committed = Path(make.__file__).with_name(f"{name}.csv").read_text(encoding="utf-8")
        assert table.write_csv() == committed, name


def test_a_register_that_is_not_as_we_know_it_is_refused(shared: Path, tmp_path: Path) -> None:
    folder = shared / REGISTER
    if not (folder / "cities.csv").is_file():
        pytest.skip("needs the register of places in ../shared/vocabularies/ontopia/cv")
    for name in ("provinces.ttl", "regions.ttl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    cities = (folder / "cities.csv").read_text(encoding="utf-8")
    (tmp_path / "cities.csv").write_text(cities.replace("001272-(2015-01-01)", "001272-(2015-01-02)"), encoding="utf-8")
    with pytest.raises(make.RegisterError, match="official key"):
        make.tables(tmp_path)


def test_the_script_says_how_it_is_used() -> None:
    ran = subprocess.run([sys.executable, "-m", "etl.places.make"], capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "usage" in ran.stderr


@pytest.mark.parametrize(
    ("usual", "official"),
    [("Reggio Calabria", "Reggio di Calabria"), ("Roma Capitale", "Roma"), ("Reggio Emilia", "Reggio nell'Emilia")],
)
def test_the_name_everybody_uses_finds_the_municipality_of_the_register(usual: str, official: str) -> None:
    found = places.find(usual)
    assert isinstance(found, places.Found)
    assert found == places.find(official)
