"""Makes the lists of how people write what our official lists have a code for: by code, by name, or by both.

    python -m etl.codes.written

Pages for readers name what data sets give a code for ("REALIZZAZIONE DI LAVORI PUBBLICI", "03 - Realizzazione …"). Each
list `<name>-written.csv` has every way we know as its `code`, with the official code (`official`), by which the list
of that name tells the rest, and the official name (`label`):

- `nature-written.csv`, `area-written.csv`, `sector-written.csv`: the words alone.
- `typology-written.csv`, `subsector-written.csv`, `category-written.csv`: the official code of what they stand under
  before the words ("03_NUOVA REALIZZAZIONE"), for the words alone mean several things.
- `region-written.csv`, `province-written.csv`: names, and of provinces their letters; with the official `iri`.

The official tables of this folder and of etl/places make them: the same tables always give the same lists.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from etl import codes, places

HERE: Final = Path(__file__).parent
#: The lists, and whether their codes begin with the code of what they stand under.
_LISTS: Final = {
    "nature": False, "typology": True, "area": False, "sector": False, "subsector": True, "category": True,
}  # fmt: skip
#: The register of CUPs cuts long names here.
_CUT: Final = 60
#: Capitals are written with an apostrophe for an accent, and the other way round.
_ACCENTS: Final = {"A'": "À", "E'": "È", "I'": "Ì", "O'": "Ò", "U'": "Ù"}


def tables() -> dict[str, pl.DataFrame]:
    """The lists by name."""
    made = {f"{name}-written": _names(codes.scheme(name), under) for name, under in _LISTS.items()}
    return {**made, "region-written": _regions(), "province-written": _provinces()}


def _names(official: pl.DataFrame, under: bool) -> pl.DataFrame:
    rows = []
    for code, label in official.select("code", "label").iter_rows():
        above, _, own = code.rpartition("_") if under else ("", "", code)
        rows += [(f"{above}_{form}" if under else form, None, label, code) for form in _forms(own, label)]
    return _table(rows, "official")


def _forms(code: str, name: str) -> Iterator[str]:
    """The ways a code and its name are written, the case apart."""
    names = dict.fromkeys([name, *_spelt(name)])
    cut = dict.fromkeys(each[:_CUT].strip() for each in names if len(each) > _CUT)
    yield code
    for each in (*names, *cut):
        yield from (each, f"{code} - {each}", f"{code} – {each}")


def _spelt(name: str) -> Iterator[str]:
    """A name with its apostrophes, accents and slashes as others write them."""
    accented = name
    for plain, accent in _ACCENTS.items():
        accented = accented.replace(f"{plain} ", f"{accent} ").replace(f"{plain},", f"{accent},")
        accented = f"{accented.removesuffix(plain)}{accent}" if accented.endswith(plain) else accented
    yield accented
    yield accented.replace("'", "’")
    yield name.replace("'", "’")
    bare = name
    for plain, accent in _ACCENTS.items():
        bare = bare.replace(accent, plain)
    yield bare


def _regions() -> pl.DataFrame:
    rows = []
    for each in places.regions():
        named = [each.name, *each.name.split("/")]
        named += [name.replace("-", " ") for name in named if "-" in name]
        rows += [(form, each.iri, each.name, each.code) for name in named for form in _spelt_place(name)]
    return _table(rows, "official")


def _provinces() -> pl.DataFrame:
    rows = []
    for each in places.provinces():
        if each.name is None:
            continue
        named = [each.name, *each.name.split("/"), each.abbreviation, f"{each.name} ({each.abbreviation})"]
        named += [name.replace("-", " ") for name in named if "-" in name]
        rows += [
            (form, each.iri, each.name, each.code, each.region_iri, each.region_name)
            for name in named
            for form in _spelt_place(name)
        ]
    return _table(rows, "official", "region_iri", "region_label")


def _spelt_place(name: str) -> Iterator[str]:
    """A place's name in its own spelling, and as those write it who have only capitals."""
    yield name
    yield name.replace("'", "’")
    yield name.replace("ì", "i'")


def _table(rows: Iterable[tuple[str | None, ...]], *columns: str) -> pl.DataFrame:
    """The rows, of those that differ only in case the first; a way to write two things is no way to write either."""
    names = ("code", "iri", "label", *columns)
    table = pl.DataFrame(list(rows), schema=dict.fromkeys(names, pl.String), orient="row")
    folded = pl.col("code").str.to_lowercase()
    meant = pl.col("official").n_unique().over(folded)
    return table.filter(meant == 1).unique(folded, keep="first", maintain_order=True).sort("official", "code")


def main() -> None:
    """Write the lists beside this module."""
    for name, table in tables().items():
        table.write_csv(HERE / f"{name}.csv")
        print(f"{name}.csv: {table.height} rows")


if __name__ == "__main__":
    main()
