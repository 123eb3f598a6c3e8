"""Makes our tables of municipalities, provinces and regions from the official register of OntoPiA.

    python -m etl.places.make FOLDER

FOLDER holds `cities.csv`, `provinces.ttl` and `regions.ttl` of the territorial classifications in
https://github.com/italia/daf-ontologie-vocabolari-controllati (CC BY 4.0; source ISTAT, CC BY 3.0 IT).
The same register always gives the same tables.
"""

import re
import sys
from pathlib import Path

import polars as pl
from rdflib import SKOS, Graph, Literal, URIRef

from etl import places

HERE = Path(__file__).parent
_ACRONYM = URIRef("https://w3id.org/italia/onto/CLV/acronym")
_NO_REGION = "00"  # the register's "region not yet existing (before 1948)"

# Words Italian place names write in lower case, except at the start.
_SMALL = frozenset(
    """
    a ad ai al all' alla alle allo con d' da dal dall' dalla de de' degli dei del dell' della delle dello di
    e ed en il in l' la le li lo ne' nei nel nell' nella per su sul sull' sulla
    """.split()  # noqa: SIM905 - a list of 45 strings would be less readable
)
_NUMERAL = re.compile(r"[ivx]{2,}|x")  # Sotto il Monte Giovanni XXIII, Riese Pio X


class RegisterError(ValueError):
    """The register is not as we know it, so that our tables would say something wrong."""


def cased(name: str) -> str:
    """A name in capitals as it is usually written: `SANT'ANGELO DEI LOMBARDI` -> `Sant'Angelo dei Lombardi`.

    Words between spaces, hyphens and apostrophes begin with a capital, articles and prepositions don't unless
    they come first; after a hyphen (`Gressoney-La-Trinité`) an article is part of the name.
    """
    words = re.findall(r"[^\s'-]+'?|[\s-]+", name.lower())
    if name.lower().endswith(" de sanctis"):  # the one surname that begins like a preposition
        return cased(name[: -len(" de sanctis")]) + " De Sanctis"
    written = []
    for number, word in enumerate(words):
        after_hyphen = number > 0 and words[number - 1] == "-"
        if word in _SMALL and number > 0 and (not after_hyphen or word == "en"):
            written.append(word)
        else:
            written.append(word.upper() if number > 0 and _NUMERAL.fullmatch(word) else word[:1].upper() + word[1:])
    return "".join(written)


def tables(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables by name; raises RegisterError if the register breaks what our form relies on."""
    cities = _cities(folder / "cities.csv")
    regions = _concepts(folder / "regions.ttl", "regions").filter(pl.col("code") != _NO_REGION)
    provinces = _concepts(folder / "provinces.ttl", "provinces", _ACRONYM)
    # The register has no concept for provinces abolished since (four of Sardinia): they have no IRI.
    known = cities.group_by("province").agg(pl.col("abbreviation", "region").unique().sort())
    if known.filter((pl.col("abbreviation").list.len() != 1) | (pl.col("region").list.len() != 1)).height:
        raise RegisterError("a province with two abbreviations or in two regions")
    known = known.select("province", pl.col("abbreviation", "region").list.first())
    joined = known.join(provinces, left_on="province", right_on="code", how="full", coalesce=True)
    differ = joined.filter(pl.col("abbreviation") != pl.col("abbreviation_right"))
    if differ.height:
        raise RegisterError(f"cities.csv and provinces.ttl give other abbreviations: {differ.rows()}")
    return {
        "municipalities": cities.select("istat", "name", "other_name", "province", "valid_from", "valid_to"),
        "provinces": joined.rename({"province": "code"})
        .select("code", "name", "abbreviation", "region", "iri")
        .sort("code"),
        "regions": regions.select("code", "name", "iri").sort("code"),
    }


def _cities(path: Path) -> pl.DataFrame:
    read = pl.read_csv(path, infer_schema=False).unique()
    start, end = (pl.col(f"DATA_{which}_VALIDITA").str.to_date("%d-%m-%Y") for which in ("INIZIO", "FINE"))
    read = read.with_columns(valid_from=start, valid_to=end).filter(
        pl.col("valid_to") > places.SINCE,
        pl.col("valid_from") < pl.col("valid_to"),  # a record that ends as it begins marks an end, and was never valid
    )
    made = pl.col("CODICE_COMUNE") + "-(" + pl.col("valid_from").cast(pl.String) + ")"
    odd = read.filter(
        (pl.col("ID_COMUNE") != made) | (pl.col("CODICE_COMUNE").str.head(3) != pl.col("CODICE_PROVINCIA"))
    )
    if odd.height or read["ID_COMUNE"].n_unique() != read.height:
        raise RegisterError(f"an official key not of the form code-(start), or twice: {odd.head(3).rows()}")
    return read.select(
        istat="CODICE_COMUNE",
        name=pl.col("LABEL_COMUNE_IT").map_elements(cased, return_dtype=pl.String),
        other_name=pl.col("LABEL_COMUNE_DE").replace("", None).map_elements(cased, return_dtype=pl.String),
        province="CODICE_PROVINCIA",
        abbreviation="SIGLA_AUTOMOBILISTICA",
        region="CODICE_REGIONE",
        valid_from="valid_from",
        valid_to=pl.when(pl.col("valid_to").dt.year() < 9999).then("valid_to"),
    ).sort("istat", "valid_from")


def _concepts(path: Path, scheme: str, abbreviation: URIRef | None = None) -> pl.DataFrame:
    """The concepts of a scheme: code, name (in Italian), IRI, abbreviation."""
    graph = Graph().parse(path, format="turtle")
    start = f"{places.CLASSIFICATIONS}{scheme}/"
    rows = []
    for concept in sorted(str(each) for each in set(graph.subjects()) if str(each).startswith(start)):
        names = [str(name) for name in graph.objects(URIRef(concept), SKOS.prefLabel)
                 if isinstance(name, Literal) and name.language == "it"]  # fmt: skip
        short = [str(each) for each in graph.objects(URIRef(concept), abbreviation)] if abbreviation else []
        if len(names) != 1 or len(short) > 1:
            raise RegisterError(f"{concept}: names {names}, abbreviations {short}")
        rows.append((concept.removeprefix(start), names[0], concept.removeprefix(places.CLASSIFICATIONS), *short))
    columns = ["code", "name", "iri", *(["abbreviation"] if abbreviation else [])]
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


def main() -> None:
    """Write the tables beside this module."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m etl.places.make FOLDER (with cities.csv, provinces.ttl, regions.ttl)")
    for name, table in tables(Path(sys.argv[1])).items():
        table.write_csv(HERE / f"{name}.csv")
        print(f"{name}.csv: {table.height} rows")


if __name__ == "__main__":
    main()
