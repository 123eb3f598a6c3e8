"""A register of any length, from its file of rows to dumps: seconds and memory, stage by stage.

    python -m benchmarks.register [ROWS] [--index]

Writes a CSV in the shape of OpenCUP's bulk export (the columns of progetti.json in ../shared/data, with new CUPs in
each copy of its rows) and builds it in a process of its own, with `cupola build`. Without --index the release has dumps
and tables only, as for loading into another store.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data" / "opencup" / "progetti.json"
AT_ONCE = 50_000  # rows written at a time


def register(real: Path, rows: int, target: Path) -> int:
    """Write a CSV of `rows` rows in the shape of the real ones; gives its size in bytes.

    Rows that share a CUP share one in every copy, so that what the rows of a CUP tell together stays as it is.
    """
    told = json.loads(real.read_text(encoding="utf-8"))["opencup"]
    seed = pl.DataFrame(told, infer_schema_length=None).cast(pl.String)
    different = seed["CUP"].n_unique()
    rank = pl.col("CUP").rank("dense").cast(pl.Int64) - 1
    written = 0
    with target.open("wb") as file:
        while written < rows:
            first = written // seed.height
            copies = pl.DataFrame({"copy": range(first, first + -(-AT_ONCE // seed.height))})
            number = (pl.col("copy") * different + rank.over("copy")).cast(pl.String).str.zfill(7)
            own = pl.col("copy").cast(pl.String).str.zfill(7)  # codes a row refers to are of its own copy too
            piece = copies.join(seed, how="cross").with_columns(
                pl.col("CUP").str.head(8) + number,
                pl.col("CUP_MASTER").str.head(8) + own,
                pl.col("CUP_IN_RELAZIONE").str.head(8) + own + ";",
            )
            piece = piece.drop("copy").head(rows - written)
            piece.write_csv(file, separator="|", include_header=not written)
            written += piece.height
    return target.stat().st_size


def main() -> None:
    """Print what one build takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--index", action="store_true", help="fill the local engine's index too")
    parser.add_argument("--real", type=Path, default=REAL, help="the file the rows are made from")
    chosen = parser.parse_args()
    if not chosen.real.is_file():
        parser.error(f"{chosen.real}: there is no such file; --real names one in the shape of OpenCUP's JSON")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "opencup_progetti.csv")
        size = register(chosen.real, chosen.rows, table)
        print(f"{chosen.rows:,} rows, {size / 1e6:,.0f} MB of CSV", flush=True)
        start = time.perf_counter()
        command: list[str] = [
            str(Path(sys.executable).with_name("cupola")),
            "build",
            str(table),
            "--releases",
            f"{folder}/releases",
            "--json",
        ]
        environment = os.environ | {"CUPOLA_INDEX": str(chosen.index).lower()}
        ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=False)
        seconds = time.perf_counter() - start
        if not ended.stdout:
            sys.exit(f"the build failed with {ended.returncode}")
        told = json.loads(ended.stdout)
        memory = max(told["memory"].values())  # the system's own peak is counted anew at each stage
        print(f"{told['triples']:,} triples in {seconds:.0f} s, at most {memory:,.0f} MB")
        for stage, took in told["timings"].items():
            print(f"  {stage:<10} {took:8.1f} s {told['memory'].get(stage, 0):8,} MB")


if __name__ == "__main__":
    main()
