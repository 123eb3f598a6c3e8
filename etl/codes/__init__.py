"""Code lists: a table for each, with the official identifier and label of every code. Pure: it reads only its tables.

A table has the columns `code`, `iri` and `label`, and may have more; a cell is empty where there is nothing official.
"""

from functools import cache
from importlib.resources import files

import polars as pl


def names() -> list[str]:
    """The code lists there are."""
    return sorted(path.name.removesuffix(".csv") for path in files("etl.codes").iterdir() if path.name.endswith(".csv"))


@cache
def scheme(name: str) -> pl.DataFrame:
    """The code list of this name, all columns strings, empty cells null.

    Raises ValueError for a list there is not or that lacks a column.
    """
    path = files("etl.codes").joinpath(f"{name}.csv")
    if not path.is_file():
        raise ValueError(f"code list {name!r}; there are: {', '.join(names())}")
    table = pl.read_csv(path.read_bytes(), infer_schema=False)
    if missing := {"code", "iri", "label"} - set(table.columns):
        raise ValueError(f"code list {name!r} has no column {', '.join(sorted(missing))}")
    if table["code"].is_duplicated().any() or table["code"].null_count():
        raise ValueError(f"code list {name!r}: a code is there twice, or is empty")
    return table
