"""How much each graph of a release says, and all of them together: the numbers of VoID (https://www.w3.org/TR/void/).

A graph is read once, when it is made: of each statement stay the predicate and the checksums of its subject and object.
These tables are kept in the release, so that a graph that is taken over need not be read again, and what two graphs
both say can be told: all numbers are exact, as a query over the named graph, or over the default graph, counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

#: The folder of a release with a table for each graph.
FOLDER: Final = "counts"
TYPE: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_GRAPH: Final = pl.Categorical()  # names that come again and again, as numbers
_BATCH: Final = 500_000  # statements counted together: some 100 bytes each
_ROWS: Final = 500_000  # of a row group: many, and they pack well; few, and one predicate is found without reading all


@dataclass(frozen=True)
class Property:
    """A property: how many statements it has, how many subjects they are about, how many objects they have.

    `values` counts statements by what they lead to: by class for rdf:type, else by the prefix of a linked dataset.
    """

    iri: str
    triples: int
    subjects: int
    objects: int
    values: Mapping[str, int]


@dataclass(frozen=True)
class Counts:
    """What one graph, or several as one, say; `properties` are in order of their IRIs."""

    properties: Sequence[Property]
    subjects: int
    objects: int

    @property
    def triples(self) -> int:
        """How many statements there are."""
        return sum(each.triples for each in self.properties)

    @property
    def entities(self) -> int:
        """How many things have a class."""
        return sum(each.subjects for each in self.properties if each.iri == TYPE)

    @property
    def classes(self) -> dict[str, int]:
        """How many things each class has, by its IRI."""
        return {iri: number for each in self.properties if each.iri == TYPE for iri, number in each.values.items()}

    @property
    def links(self) -> list[tuple[str, str, int]]:
        """Properties that lead to other datasets: the property, the prefix it leads to, how many statements do."""
        links = [each for each in self.properties if each.iri != TYPE]
        return [(each.iri, prefix, number) for each in links for prefix, number in each.values.items()]


def reduce(quads: Path, graph: str, base: str, table: Path) -> None:
    """Write the table of a graph from its N-Quads.

    Its columns are `p`, the predicate's IRI; `s` and `o`, checksums of 64 bits of subject and object; `iri`, the object
    itself where it is a class or of another base than ours.
    """
    # No line of N-Quads holds a control character, so this separates nothing.
    lines = pl.scan_csv(
        quads, has_header=False, separator="\x01", quote_char=None, infer_schema=False, new_columns=["line"], glob=False
    ) if quads.stat().st_size else pl.LazyFrame(schema={"line": pl.String})  # fmt: skip
    part = pl.col("line").str.strip_suffix(f" <{graph}> .").str.splitn(" ", 3).struct
    terms = lines.select(s=part[0], p=part[1].str.strip_chars("<>"), o=part[2])
    kept = (pl.col("p") == TYPE) | (pl.col("o").str.starts_with("<") & ~pl.col("o").str.starts_with(f"<{base}"))
    told = terms.select("p", pl.col("s", "o").hash(), iri=pl.when(kept).then(pl.col("o").str.strip_chars("<>")))
    told.sink_parquet(table, compression="zstd", compression_level=1, row_group_size=_ROWS)


def count(tables: Mapping[str, Path], prefixes: Iterable[str]) -> tuple[dict[str, Counts], Counts]:
    """The counts of each graph, by its name in `tables`, and those of all as one.

    A link leads to the longest of the prefixes that its object begins with; to none, and it is no link. Memory holds
    the statements of a few properties at a time (of one, if they are many), and the different subjects, or objects, of
    all.
    """
    longest = sorted(prefixes, key=len, reverse=True)
    of: dict[str, list[Property]] = {name: [] for name in tables}
    together: list[Property] = []
    for predicates in _batches(tables):
        said = pl.concat(_of(table, predicates, name) for name, table in tables.items())
        found = _properties(said, longest)
        for (name, _), told in found.items():
            of[name].append(told)
        told_by = Counter(predicate for _, predicate in found)
        shared = [predicate for predicate, graphs in told_by.items() if graphs > 1]
        both = said.filter(pl.col("p").is_in(shared)).unique(["p", "s", "o"]).with_columns(graph=pl.lit("", _GRAPH))
        del said
        whole = {predicate: told for (_, predicate), told in found.items()}
        whole |= {predicate: told for (_, predicate), told in _properties(both, longest).items()}
        together += [whole[predicate] for predicate in predicates]
    each = {name: Counts(of[name], *_different([table])) for name, table in tables.items()}
    return each, Counts(together, *_different(tables.values()))


def _of(table: Path, predicates: Sequence[str], graph: str) -> pl.DataFrame:
    """The statements of a graph with these predicates."""
    found = _scan(table).filter(pl.col("p").is_in(predicates)).collect(engine="streaming")
    return found.with_columns(pl.col("p").cast(_GRAPH), graph=pl.lit(graph, _GRAPH))


def _batches(tables: Mapping[str, Path]) -> Iterator[list[str]]:
    """All predicates in order, so many together that their statements fit into memory."""
    sizes = [_scan(table).group_by("p").len().collect(engine="streaming") for table in tables.values()]
    batch: list[str] = []
    room = _BATCH
    for predicate, number in pl.concat(sizes).group_by("p").agg(pl.col("len").sum()).sort("p").iter_rows():
        if batch and number > room:
            yield batch
            batch, room = [], _BATCH
        batch.append(predicate)
        room -= number
    if batch:
        yield batch


def _properties(said: pl.DataFrame, prefixes: Sequence[str]) -> dict[tuple[str, str], Property]:
    """The properties of statements, by the graph each is of and its IRI; no statement of a graph comes twice."""
    keys = ["graph", "p"]
    names = pl.col(keys).cast(pl.String)
    numbers = said.group_by(keys).agg(pl.len(), pl.col("s", "o").n_unique()).with_columns(names).sort(keys)
    leads = said.drop_nulls("iri").group_by(*keys, "iri").len().with_columns(names)
    none = pl.lit(None, pl.String)
    at = [pl.when(pl.col("iri").str.starts_with(prefix)).then(pl.lit(prefix)).otherwise(none) for prefix in prefixes]
    leads = leads.with_columns(iri=pl.when(pl.col("p") == TYPE).then(pl.col("iri")).otherwise(pl.coalesce(none, *at)))
    values: dict[tuple[str, str], dict[str, int]] = {}
    summed = leads.drop_nulls("iri").group_by(*keys, "iri").agg(pl.col("len").sum()).sort(*keys, "iri")
    for graph, predicate, iri, number in summed.iter_rows():
        values.setdefault((graph, predicate), {})[iri] = number
    return {
        (graph, predicate): Property(predicate, triples, subjects, objects, values.get((graph, predicate), {}))
        for graph, predicate, triples, subjects, objects in numbers.iter_rows()
    }


def named(table: Path, prefix: str) -> list[str]:
    """The things with this prefix that a graph links to, in order."""
    leads = _scan(table).select(pl.col("iri").drop_nulls()).filter(pl.col("iri").str.starts_with(prefix))
    return leads.unique().collect(engine="streaming")["iri"].sort().to_list()


def _scan(table: Path) -> pl.LazyFrame:
    return pl.scan_parquet(table, glob=False)


def _different(tables: Iterable[Path]) -> list[int]:
    """How many different subjects, and objects, the tables have together."""
    rows = pl.concat([_scan(table).select("s", "o") for table in tables])
    return [rows.select(pl.col(name).n_unique()).collect(engine="streaming").item() for name in ("s", "o")]
