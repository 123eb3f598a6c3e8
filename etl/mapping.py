"""Tables + a mapping file -> N-Quads, vectorised.

Each (mapping, predicate, object) becomes one polars expression that builds the whole line of N-Quads
(https://www.w3.org/TR/n-quads/); polars streams the lines to the file, so memory stays bounded whatever the
size of the tables. What is written:

* no value, no statement: a null or an empty string in any column a line needs drops the line (RML's rule for
  nulls; Morph-KGC's default treats the empty string so too);
* literals as they are, escaped; decimals with all their digits, dates in ISO form, booleans as true and false;
* IRIs as `etl.iris` makes them: a column that should hold an IRI and holds none gives no statement, and
  `refused` lists it;
* every quad once, in an order fixed by the mapping and the tables.
"""

from collections.abc import Iterable
from collections.abc import Mapping as Named
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from etl import iris
from etl.rml import Column, Mapping, MappingError, Term, TriplesMap, load, translate
from etl.terms import may_equal, pinned

__all__ = ["Mapping", "MappingError", "load", "refused", "subjects", "translate", "write"]

Tables = Path | Named[str, pl.LazyFrame]

# Rows in flight: the lines of one column of so many rows are a few MB, and larger is not faster.
_ROWS = 20_000

_FIRST = "@first"  # the column that says whether a row comes for the first time

_ESCAPES = {chr(code): f"\\u{code:04X}" for code in (*range(0x20), 0x7F)} | {
    "\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f",
}  # fmt: skip


def write(mapping: Mapping, tables: Tables, out: Path) -> int:
    """Write the quads of the tables to a file; returns how many.

    `tables` is a folder of `<name>.parquet`, or lazy frames by name. Raises MappingError for a table or a
    column that isn't there or is of a type no literal can be made of.
    """
    written: list[int] = []

    def counted(lines: pl.Series) -> pl.Series:
        """Counts what streams by: reading the file again to count would cost a fifth of the whole."""
        written.append(len(lines))
        return lines

    lines = pl.concat(_Plan(mapping, tables).lines())
    lines = lines.select(pl.col("line").map_batches(counted, return_dtype=pl.String, is_elementwise=True))
    with pl.Config(streaming_chunk_size=_ROWS):
        lines.sink_csv(out, include_header=False, quote_style="never", engine="streaming")
    return sum(written)


def subjects(mapping: Mapping, tables: Tables) -> pl.LazyFrame:
    """Which record a subject comes from: columns iri, table, record (null if the table has no such column).

    A subject of several records (a project, a body, a city) has a row for each.
    """
    plan = _Plan(mapping, tables)
    return pl.concat([plan.subject(each) for each in mapping.maps]).unique(maintain_order=True)


def refused(mapping: Mapping, tables: Tables) -> pl.LazyFrame:
    """The values a column of IRIs holds that are no absolute IRI: columns table, record, column, value."""
    plan = _Plan(mapping, tables)
    wholes = {
        (each.table, name): term
        for each in mapping.maps
        for term in (each.subject, *(term for _, term in each.pairs))
        if term.iri and term.whole
        for name in term.columns
    }
    none = pl.LazyFrame(schema=dict.fromkeys(("table", "record", "column", "value"), pl.String))
    return pl.concat([none, *(plan.refused(table, name) for table, name in wholes)])


@dataclass(frozen=True)
class _Rule:
    """What makes one line of N-Quads from a row."""

    of: TriplesMap
    predicate: str
    object: Term

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(sorted(self.of.subject.columns | self.object.columns))

    @cached_property
    def pinned(self) -> frozenset[str]:
        """The columns whose values can be read back from the line."""
        return pinned(self.of.subject) | pinned(self.object)

    def may_repeat(self, other: "_Rule") -> bool:
        """Whether this and the other rule might, for all the mapping says, write the same line."""
        return (
            (self.predicate, self.of.graph) == (other.predicate, other.of.graph)
            and may_equal(self.of.subject, other.of.subject)
            and may_equal(self.object, other.object)
        )


class _Plan:
    """A mapping over its tables: what must be built, and where quads could come twice."""

    def __init__(self, mapping: Mapping, tables: Tables) -> None:
        self.mapping = mapping
        self.frames = {name: self.frame(name, tables) for name in mapping.tables}
        self.schemas = {name: frame.collect_schema() for name, frame in self.frames.items()}
        rules = [_Rule(each, *pair) for each in mapping.maps for pair in each.pairs]
        for rule in rules:
            self.check(rule)
        # The same statement written in two mappings is one statement.
        self.rules = list({(r.of.table, r.of.subject, r.of.graph, r.predicate, r.object): r for r in rules}.values())
        self.wholes: dict[tuple[str, str], pl.Series] = {}  # the different IRIs of columns that are subjects

    def frame(self, name: str, tables: Tables) -> pl.LazyFrame:
        if isinstance(tables, Path):
            path = tables / f"{name}.parquet"
            if not path.is_file():
                raise MappingError(f"{self.mapping.path}: the table {name}.parquet is not in {tables}")
            return pl.scan_parquet(path, glob=False)
        if name not in tables:
            raise MappingError(f"{self.mapping.path}: there is no table {name!r}; there are {sorted(tables)}")
        return tables[name].lazy()

    def check(self, rule: _Rule) -> None:
        schema = self.schemas[rule.of.table]
        where = f"{self.mapping.path}: {rule.of.name}: {rule.predicate}: the table {rule.of.table}"
        for name in rule.columns:
            if name not in schema:
                raise MappingError(f"{where} has no column {name!r}; it has {', '.join(schema)}")
            if _text(name, schema[name]) is None:
                raise MappingError(f"{where} has a column {name!r} of type {schema[name]}: no term is made of it")

    def lines(self) -> Iterable[pl.LazyFrame]:
        """Frames of one column of lines; together they hold every quad once."""
        keys = self.keys()
        distinct: dict[tuple[str, tuple[str, ...]], pl.LazyFrame] = {}
        for group in self.groups():
            parts: list[pl.LazyFrame] = []
            for rule in group:
                at = (rule.of.table, rule.columns)
                keyed = any(key <= rule.pinned for key in keys[rule.of.table])
                if not keyed and at not in distinct:
                    distinct[at] = self.distinct(*at)
                lines = self.built(rule, self.frames[rule.of.table] if keyed else distinct[at])
                exact = keyed or rule.pinned >= set(rule.columns)
                parts.append(lines if exact or len(group) > 1 else _once(lines))
            yield parts[0] if len(group) == 1 else _once(pl.concat(parts))

    def built(self, rule: _Rule, frame: pl.LazyFrame) -> pl.LazyFrame:
        if not rule.columns:
            frame = frame.head(1)  # a constant statement holds once, if the table has a row
        schema = self.schemas[rule.of.table]
        pieces = [
            *_pieces(rule.of.subject, schema), f" <{rule.predicate}> ", *_pieces(rule.object, schema),
            f" <{rule.of.graph}> .",
        ]  # fmt: skip
        return frame.select(line=_joined(pieces)).drop_nulls()

    def distinct(self, table: str, columns: tuple[str, ...]) -> pl.LazyFrame:
        """The different values of some columns: several rules say things of them."""
        chosen = self.frames[table].select(columns) if columns else self.frames[table].select(pl.lit(1)).head(1)
        return _once(chosen.drop_nulls())

    def keys(self) -> dict[str, list[frozenset[str]]]:
        """For each table the smallest sets of columns that hold no value twice, as found in the data.

        A line that shows all columns of such a set can't come twice from its rule, so nothing is sorted out.
        """
        keys: dict[str, list[frozenset[str]]] = {table: [] for table in self.frames}
        wanted = {(rule.of.table, rule.pinned) for rule in self.rules if rule.pinned}
        for table, columns in sorted(wanted, key=lambda each: (each[0], len(each[1]), sorted(each[1]))):
            if not any(key <= columns for key in keys[table]):
                rows = self.frames[table].select(sorted(columns)).drop_nulls()
                # Of hashes: small, and two alike by chance only mean that we look where we need not.
                hashes = rows.select(pl.struct(pl.all()).hash())
                counted = hashes.select(rows=pl.len(), different=pl.all().n_unique()).collect(engine="streaming")
                if counted.item(0, "rows") == counted.item(0, "different"):
                    keys[table].append(columns)
        return keys

    def groups(self) -> list[list[_Rule]]:
        """The rules, with those together that might write the same line."""
        groups: list[list[_Rule]] = []
        for rule in self.rules:
            joined = [group for group in groups if any(self.meet(rule, other) for other in group)]
            if joined:
                joined[0].append(rule)
                for group in joined[1:]:
                    joined[0].extend(group)
                    groups.remove(group)
            else:
                groups.append([rule])
        return groups

    def meet(self, one: _Rule, other: _Rule) -> bool:
        """Whether two rules might write the same line in these tables.

        A subject taken whole from a column could be any IRI, so there the data are asked: nearly always the
        column's IRIs are of another place than those the other rule mints.
        """
        if not one.may_repeat(other):
            return False
        first, second = (one, other) if one.of.subject.whole else (other, one)
        if not first.of.subject.whole or second.of.subject.whole:
            return True
        (column,), start = first.of.subject.columns, str(second.of.subject.parts[0])
        at = (first.of.table, column)
        if at not in self.wholes:
            values = self.frames[first.of.table].select(pl.col(column).unique()).select(iris.absolutes(pl.col(column)))
            self.wholes[at] = values.collect().to_series()
        return bool(self.wholes[at].str.starts_with(start).any())

    def subject(self, each: TriplesMap) -> pl.LazyFrame:
        schema = self.schemas[each.table]
        record = pl.col("record").cast(pl.String) if "record" in schema else pl.lit(None, pl.String)
        iri = _joined(_pieces(each.subject, schema)).str.strip_prefix("<").str.strip_suffix(">")
        return self.frames[each.table].select(iri=iri, table=pl.lit(each.table), record=record).drop_nulls("iri")

    def refused(self, table: str, name: str) -> pl.LazyFrame:
        schema = self.schemas[table]
        value = _value(name, schema)
        rows = self.frames[table].filter(value.is_not_null() & iris.absolutes(value).is_null())
        record = pl.col("record").cast(pl.String) if "record" in schema else pl.lit(None, pl.String)
        return rows.select(table=pl.lit(table), record=record, column=pl.lit(name), value=value)


def _once(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Each row once, in order.

    They are told apart by two checksums of 64 bits and then read, or made, again: memory holds no text, but 16 bytes
    for each row and then a bit. A row is new if either says so: two rows would have to be alike in both to be lost.
    """
    sums = rows.select(a=pl.struct(pl.all()).hash(1), b=pl.struct(pl.all()).hash(2)).collect(engine="streaming")
    first = (sums["a"].is_first_distinct() | sums["b"].is_first_distinct()).alias(_FIRST)
    if first.all():
        return rows
    return pl.concat([rows, first.to_frame().lazy()], how="horizontal").filter(_FIRST).drop(_FIRST)


def _pieces(term: Term, schema: pl.Schema) -> list[str | pl.Expr]:
    """The parts of a term as N-Quads writes it."""
    if term.iri:
        inside = iris.absolutes if term.whole else iris.encoded
        opened, closed = "<", ">"
    else:
        inside = _escaped
        opened = '"'
        closed = f'"@{term.language}' if term.language else f'"^^<{term.datatype}>' if term.datatype else '"'
    parts = [
        # Only strings can hold what must be escaped.
        (inside(_value(part.name, schema)) if schema[part.name] == pl.String or term.iri else _value(part.name, schema))
        if isinstance(part, Column)
        else part if term.iri else "".join(_ESCAPES.get(each, each) for each in part)
        for part in term.parts
    ]  # fmt: skip
    return [opened, *parts, closed]


def _joined(pieces: list[str | pl.Expr]) -> pl.Expr:
    """The pieces as one string; null if a piece is null. Neighbouring fixed texts are joined beforehand."""
    merged: list[str | pl.Expr] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return pl.concat_str([pl.lit(piece) if isinstance(piece, str) else piece for piece in merged])


def _value(name: str, schema: pl.Schema) -> pl.Expr:
    text = _text(name, schema[name])
    assert text is not None  # noqa: S101 - _Plan.check was here before
    return text


def _text(name: str, dtype: pl.DataType) -> pl.Expr | None:
    """A column as the text of literals, in XSD's canonical form; None for a type that has none.

    Floats have none on purpose: cents would be lost before they came here.
    """
    column = pl.col(name)
    if dtype == pl.String:
        return pl.when(column.str.len_bytes() > 0).then(column)
    if dtype.is_integer() or dtype.is_decimal() or dtype in {pl.Boolean, pl.Date, pl.Null}:
        return column.cast(pl.String)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone in {None, "UTC"}:
        return column.dt.to_string("%Y-%m-%dT%H:%M:%S%.f" + ("Z" if dtype.time_zone else ""))
    return None


def _escaped(column: pl.Expr) -> pl.Expr:
    """Strings as they stand between the quotes of a literal; only those that need it are touched."""

    def escape(values: pl.Series) -> pl.Series:
        rows = values.str.contains(r'[\x00-\x1f\x7f"\\]').fill_null(False).arg_true()
        if rows.is_empty():
            return values
        changed = values.gather(rows).str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
        return values.clone().scatter(rows, changed)

    return column.map_batches(escape, return_dtype=pl.String, is_elementwise=True)
