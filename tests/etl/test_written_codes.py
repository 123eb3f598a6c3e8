"""How people write what the official lists have a code for: lists made of the official ones, that find the code."""

from __future__ import annotations

import polars as pl
import pytest

from etl import codes
from etl.codes import written


def official(name: str, said: str) -> str | None:
    """The official code of what people say, by the list `<name>-written`."""
    told = codes.scheme(f"{name}-written").filter(pl.col("code").str.to_lowercase() == said.lower())
    return next(iter(told["official"]), None)


def test_the_lists_are_what_the_official_ones_make() -> None:
    for name, table in written.tables().items():
        assert codes.scheme(name).equals(table), f"{name}.csv: make it again with python -m etl.codes.written"


def test_no_way_to_write_a_code_means_two_whatever_the_case() -> None:
    for name in codes.names():
        if name.endswith("-written"):
            folded = codes.scheme(name)["code"].str.to_lowercase()
            assert not folded.is_duplicated().any(), name


@pytest.mark.parametrize("name", ["nature", "typology", "area", "sector", "subsector", "category"])
def test_every_official_code_can_be_written_by_its_name(name: str) -> None:
    for code, label in codes.scheme(name).select("code", "label").iter_rows():
        above = f"{code.rpartition('_')[0]}_" if "_" in code else ""
        assert official(name, above + label) == code


def test_states_of_a_code_are_official() -> None:
    assert set(codes.scheme("cup-status-written")["official"]) == set(codes.scheme("cup-status")["code"])


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("nature", "Realizzazione di lavori pubblici (opere ed impiantistica)", "03"),
        ("nature", "03 - Realizzazione di lavori pubblici (opere ed impiantistica)", "03"),
        ("nature", "03", "03"),
        ("typology", "03_nuova realizzazione", "03_01"),
        ("typology", "02_nuova realizzazione", None),  # of another nature
        ("sector", "Servizi per la P.A. e per la collettività", "10"),
        ("sector", "SERVIZI PER LA P.A. E PER LA COLLETTIVITA’", "10"),
        ("sector", "INFRASTRUTTURE PER TELECOMUNICAZIONI E TECNOLOGIE INFORMATIC", "07"),  # cut by the register
        ("category", "05_08_082 - ASILI NIDO", "05_08_082"),
        ("region", "EMILIA ROMAGNA", "08"),
        ("region", "Valle d’Aosta", "02"),
        ("province", "FORLI'-CESENA", "040"),
        ("province", "Bolzano", "021"),
        ("province", "MI", "015"),
        ("province", "Borgo Vecchio", None),
    ],
)
def test_what_people_write_has_its_code(name: str, said: str, code: str | None) -> None:
    assert official(name, said) == code
