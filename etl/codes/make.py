"""Makes our tables of the CUP system's code lists from the official vocabularies of Public Investment.

    python -m etl.codes.make FOLDER

FOLDER holds `public-investment.ttl`, `classificazione_intervento.ttl` and `natura-tipologia.extract.ttl` (here or in
`extract/`), from https://github.com/PCM-DIPE/public-investment (CC BY 4.0). The same vocabularies always give the same
tables:

- `nature.csv`: code `03`; concept (`iri`), individual of the ontology, class of the interventions of that nature.
- `nature-group.csv`: code `LP`, the finer division of natures that OpenCUP calls DIPE's; `nature`.
- `typology.csv`: code `03_01`, nature and typology; `iri`, `nature`.
- `area.csv`, `sector.csv`, `subsector.csv` and `category.csv`: codes `01`, `05`, `05_30` and `05_30_111`, with the
  digits OpenCUP writes. The vocabulary's own keys begin with the area, which most sources leave out. Sector and
  sub-sector together tell it (a sector alone does not, in two cases: there the area is empty), and each row has the
  levels above it.

The other tables of this folder are written by hand: they say what words of the sources mean in our own code lists.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl
from rdflib import OWL, RDF, RDFS, SKOS, Graph, Literal, URIRef

HERE = Path(__file__).parent
_ONTOLOGY: Final = "https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/"
_LISTS: Final = "https://w3id.org/italia/PublicInvestment/controlled-vocabulary/"
_NATURES: Final = f"{_LISTS}natura_intervento/"
_TYPOLOGIES: Final = f"{_LISTS}tipologia_intervento/"
_CLASSIFICATION: Final = f"{_LISTS}classificazione_intervento/"
#: The levels of the classification: the vocabulary's name, ours, the digits OpenCUP writes a code with.
_LEVELS: Final = (
    ("Area_di_intervento", "area", 2),
    ("Settore_di_intervento", "sector", 2),
    ("Sottosettore_di_intervento", "subsector", 2),
    ("Categoria_di_intervento", "category", 3),
)


class VocabularyError(ValueError):
    """The vocabularies are not as we know them, so that our tables would say something wrong."""


def tables(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables by name; raises VocabularyError if the vocabularies break what our form relies on."""
    ontology, classification, kinds = (
        Graph().parse(_there(folder, name), format="turtle")
        for name in ("public-investment.ttl", "classificazione_intervento.ttl", "natura-tipologia.extract.ttl")
    )
    natures = _natures(ontology, kinds)
    return {
        "nature": natures,
        "nature-group": _nature_groups(kinds),
        "typology": _typologies(kinds, set(natures["code"])),
        **_classification(classification),
    }


def _there(folder: Path, name: str) -> Path:
    return next((path for path in (folder / name, folder / "extract" / name) if path.is_file()), folder / name)


def _natures(ontology: Graph, kinds: Graph) -> pl.DataFrame:
    """The six natures. Ontology and list have no link: the label of an individual begins that of its concept.

    A class and its individual differ only in the capital their names begin with.
    """
    individuals = {
        str(label).casefold(): str(each)
        for each in ontology.subjects(RDF.type, OWL.NamedIndividual)
        for label in ontology.objects(each, RDFS.label)
        if str(each).startswith(_ONTOLOGY) and isinstance(label, Literal) and label.language == "it"
    }
    rows = []
    for code, label in _concepts(kinds, _NATURES):
        if not code.isdigit():
            continue  # one of the finer groups
        meant = [iri for name, iri in individuals.items() if label.casefold().startswith(name)]
        if len(meant) != 1:
            raise VocabularyError(f"nature {code} {label!r}: individuals {meant}")
        name = meant[0].removeprefix(_ONTOLOGY)
        kind = f"{_ONTOLOGY}{name[0].upper()}{name[1:]}"
        if (URIRef(kind), RDF.type, OWL.Class) not in ontology:
            raise VocabularyError(f"nature {code}: there is no class {kind}")
        rows.append((code, f"{_NATURES}{code}", label, meant[0], kind))
    return _table(rows, "code", "iri", "label", "individual_iri", "class_iri")


def _nature_groups(kinds: Graph) -> pl.DataFrame:
    rows = []
    for code, label in _concepts(kinds, _NATURES):
        if not code.isdigit():
            above = [str(each) for each in kinds.objects(URIRef(f"{_NATURES}{code}"), SKOS.broader)]
            if len(above) != 1:
                raise VocabularyError(f"nature {code}: above it {above}")
            rows.append((code, f"{_NATURES}{code}", label, above[0].removeprefix(_NATURES)))
    return _table(rows, "code", "iri", "label", "nature")


def _typologies(kinds: Graph, natures: set[str]) -> pl.DataFrame:
    rows = [
        (code, f"{_TYPOLOGIES}{code}", label, code.partition("_")[0])
        for code, label in _concepts(kinds, _TYPOLOGIES)
        if "_" in code
    ]
    if odd := {row[3] for row in rows} - natures:
        raise VocabularyError(f"typologies of unknown natures: {odd}")
    return _table(rows, "code", "iri", "label", "nature")


def _classification(graph: Graph) -> dict[str, pl.DataFrame]:
    """Sectors, sub-sectors and categories by their codes without the area, with everything above them."""
    labels = {
        (level, tuple(key.split("_"))): label
        for level, _, _ in _LEVELS
        for key, label in _concepts(graph, f"{_CLASSIFICATION}{level}/")
    }
    made = {}
    for depth in range(len(_LEVELS)):
        rows: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        for level, key in labels:
            if level == _LEVELS[depth][0]:
                row = _with_levels_above(key, labels)
                told = [row[name] for _, name, _ in _LEVELS[min(depth, 1) : depth + 1]]  # an area is told by itself
                rows["_".join(told)].append(row)
        names = [name for _, name, _ in _LEVELS[: depth + 1]]
        columns = [f"{name}{end}" for name in reversed(names[:-1]) for end in ("", "_iri", "_label")]
        if depth > 1 and (doubles := [code for code, found in rows.items() if len(found) > 1]):
            raise VocabularyError(f"{names[-1]}: codes without area that mean several things: {doubles}")
        unique: dict[str, Mapping[str, str | None]] = {
            code: found[0] if len(found) == 1 else _undecided(found) for code, found in rows.items()
        }
        made[names[-1]] = pl.DataFrame(
            [
                {"code": code, "iri": row[f"{names[-1]}_iri"], "label": row[f"{names[-1]}_label"]}
                | {column: row[column] for column in columns}
                for code, row in sorted(unique.items())
            ]
        )
    return made


def _with_levels_above(key: tuple[str, ...], labels: dict[tuple[str, tuple[str, ...]], str]) -> dict[str, str]:
    row: dict[str, str] = {}
    for number, (level, name, digits) in enumerate(_LEVELS[: len(key)], start=1):
        above = key[:number]
        if (level, above) not in labels:
            raise VocabularyError(f"{'_'.join(key)}: {level} {'_'.join(above)} is not in the vocabulary")
        row |= {
            name: above[-1].zfill(digits),
            f"{name}_iri": f"{_CLASSIFICATION}{level}/{'_'.join(above)}",
            f"{name}_label": labels[level, above],
        }
    return row


def _undecided(found: list[dict[str, str]]) -> dict[str, str | None]:
    """What rows of one code agree on: the IRI and the area of a sector in two areas are nobody's to choose."""
    return {name: value if all(row[name] == value for row in found) else None for name, value in found[0].items()}


def _concepts(graph: Graph, start: str) -> Iterator[tuple[str, str]]:
    """Code and Italian label (with single spaces) of the concepts whose IRIs begin so, in order of code."""
    for concept in sorted({str(each) for each in graph.subjects() if str(each).startswith(start)}):
        names = {" ".join(str(each).split()) for each in graph.objects(URIRef(concept), SKOS.prefLabel)}
        if len(names) == 0:
            continue  # a class, not a concept
        if len(names) > 1:
            raise VocabularyError(f"{concept}: labels {names}")
        yield concept.removeprefix(start), names.pop()


def _table(rows: Sequence[tuple[str, ...]], *columns: str) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row").sort("code")


def main() -> None:
    """Write the tables beside this module."""
    if len(sys.argv) != 2:
        sys.exit(
            "usage: python -m etl.codes.make FOLDER (with public-investment.ttl, classificazione_intervento.ttl …)"
        )
    for name, table in tables(Path(sys.argv[1])).items():
        table.write_csv(HERE / f"{name}.csv")
        print(f"{name}.csv: {table.height} rows")


if __name__ == "__main__":
    main()
