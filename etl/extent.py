"""Where and when the things are that a dataset tells of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import polars as pl

#: What the IRIs of Italian regions begin with.
REGIONS: Final = "https://w3id.org/italia/controlled-vocabulary/territorial-classifications/regions/"
_START: Final = "start_date"
_END: Final = "end_date"


def period(tables: Iterable[Path]) -> list[str] | None:
    """From the first start to the last end of what the tables tell of, as ISO 8601 dates; None if they tell neither."""
    days: list[pl.Series] = []
    for table in tables:
        frame = pl.scan_parquet(table, glob=False)
        dated = [name for name in (_START, _END) if frame.collect_schema().get(name) == pl.Date()]
        days += frame.select(dated).collect(engine="streaming").get_columns() if dated else []
    known = pl.concat(days).drop_nulls() if days else pl.Series(dtype=pl.Date)
    return [str(known.min()), str(known.max())] if len(known) else None
