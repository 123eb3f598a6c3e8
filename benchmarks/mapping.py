"""How fast the mapping is beside Morph-KGC's, on the same tables, with the same quads.

    python -m benchmarks.mapping [--rows 50000] [--runs 3] [SHEET ...]
    python -m benchmarks.mapping --release releases/current --source pnrr-payments [--runs 3]

Sheets (default: examples/, and the real one in ../shared if it is there) are read as a build reads them; their
tables are multiplied to the wanted number of operations, with codes and CUPs of their own (each CUP is shared by
two operations). With --release the tables are those a build made of a source, as they are. Both engines run as
processes of their own, in turn; times are of whole processes, wall clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import polars as pl

from etl import mapping
from etl.clock import Clock
from etl.collection import collect, silent
from etl.inputs import find_inputs
from etl.preparation import prepare
from etl.settings import Settings
from etl.source import sources

ROOT = Path(__file__).parent.parent
PEER = Path(os.environ.get("CUPOLA_PEERS", ROOT / ".venv-peers")) / "bin" / "python"
SHEETS = [ROOT / "examples", ROOT.parent / "shared" / "data" / "ponmetro" / "TO7.1.1.b.txt"]

OURS = "import sys; from pathlib import Path; from etl import mapping; " + (
    "mapping.write(mapping.load(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))"
)
# Linux counts a parent's memory as its child's, so a small process stands between us and what is measured.
TIMER = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
CONFIG = """[CONFIGURATION]
output_file: morph.nq
output_format: N-QUADS
na_values:
logging_level: WARNING
number_of_processes: {processes}
[SOURCE]
mappings: mapping.ttl
"""


@dataclass(frozen=True)
class Run:
    """One process: wall seconds, and the resident memory of the largest of its processes in MB."""

    seconds: float
    megabytes: float


def seed(sheets: Sequence[Path], folder: Path) -> dict[str, pl.DataFrame]:
    """The tables a build makes of the sheets, by name."""
    source = sources()["ponmetro"]
    inputs, clock = find_inputs(sheets, source), Clock()
    collected = collect(inputs, source, Settings(), folder, silent, clock)
    made = prepare(collected, Settings(), folder, silent, clock).tables
    return {name: pl.read_parquet(path) for name, path in made.items()}


def multiplied(tables: dict[str, pl.DataFrame], rows: int) -> dict[str, pl.DataFrame]:
    """The tables with as many records as wanted: copies of the seeds, each with its own code, title and CUP."""
    records = tables["ponmetro"]
    copies = pl.DataFrame({"copy": range(-(-rows // records.height))}, schema={"copy": pl.Int64})
    number = pl.col("copy").cast(pl.String)
    changes = {
        "record": pl.col("record") + "-" + number,
        "local_code": pl.col("local_code") + "-" + number,
        "title": pl.col("title") + " " + number,
        "label": pl.col("label") + " " + number,
        "cup": pl.col("cup").str.head(8) + (pl.col("copy") // 2).cast(pl.String).str.zfill(7),
    }
    chosen = copies.join(records, how="cross").head(rows).select("copy", "record")
    made = {}
    for name, table in tables.items():
        whole = chosen.join(table, on="record", how="inner", maintain_order="left")
        # Readings have a column `label` of their own; only the records' fields change.
        fields = changes if name == "ponmetro" else {"record": changes["record"]}
        made[name] = whole.with_columns(**{k: v for k, v in fields.items() if k in whole.columns}).drop("copy")
    return made


def run(command: Sequence[str | Path], folder: Path, out: Path) -> Run:
    """Run a process to its end; the old output goes first, so that its removal costs neither side."""
    out.unlink(missing_ok=True)
    told = subprocess.run(
        [sys.executable, "-S", "-c", TIMER, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, kilobytes = told.stdout.split()[-2:]
    return Run(float(seconds), int(kilobytes) / 1024)


def different(one: Path, other: Path) -> tuple[bytes | None, bytes | None] | None:
    """The first lines that differ once both files are sorted; None if they hold the same lines."""
    for path in (one, other):
        subprocess.run(["sort", "-o", path, path], env={**os.environ, "LC_ALL": "C"}, check=True)
    with one.open("rb") as first, other.open("rb") as second:
        return next(((a, b) for a, b in zip_longest(first, second) if a != b), None)


def main() -> None:
    """Run both, print the figures; ends with code 1 if the quads are not the same."""
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("--rows", type=int, default=50_000, help="operations to map (default 50000)")
    told.add_argument("--runs", type=int, default=3, help="runs of each engine; medians are printed (default 3)")
    told.add_argument("--release", type=Path, help="take the tables of --source from this release")
    told.add_argument("--source", default="ponmetro", help="the source whose mapping is run (with --release)")
    told.add_argument("sheets", nargs="*", type=Path, help="sheets or folders to make the rows from")
    asked = told.parse_args()
    if not PEER.is_file():
        sys.exit(f"Morph-KGC is not there: {PEER} (requirements-peers.txt; or set CUPOLA_PEERS to its environment)")
    if asked.source not in sources():
        sys.exit(f"--source {asked.source}: there are {', '.join(sources())}")
    rules = sources()[asked.source].mapping
    with tempfile.TemporaryDirectory(prefix="cupola-benchmark-") as temporary:
        folder = Path(temporary)
        if asked.release:
            names = mapping.load(rules).tables
            tables = {name: pl.read_parquet(asked.release / "tables" / f"{name}.parquet") for name in names}
        else:
            tables = multiplied(seed(asked.sheets or [path for path in SHEETS if path.exists()], folder), asked.rows)
        for name, table in tables.items():
            table.write_parquet(folder / f"{name}.parquet")
            texts = table.select(pl.exclude(pl.List(pl.String))).with_columns(
                pl.col(pl.Datetime).dt.to_string("%Y-%m-%dT%H:%M:%S%.f")
            )
            texts.write_csv(folder / f"{name}.csv")
        (folder / "mapping.ttl").write_text(mapping.translate(rules), encoding="utf-8")
        (folder / "config.ini").write_text(CONFIG.format(processes=os.cpu_count()), encoding="utf-8")
        ours, theirs = folder / "ours.nq", folder / "morph.nq"
        runs: dict[str, list[Run]] = {"cupola": [], "morph-kgc": []}
        for number in range(asked.runs):
            runs["cupola"].append(run([sys.executable, "-c", OURS, rules, folder, ours], folder, ours))
            runs["morph-kgc"].append(run([PEER, "-m", "morph_kgc", "config.ini"], folder, theirs))
            print(f"run {number + 1}: " + ", ".join(f"{name} {each[-1].seconds:.1f} s" for name, each in runs.items()))
        size = ours.stat().st_size / 1e6
        difference = different(ours, theirs)
        with ours.open("rb") as quads:
            triples = sum(block.count(b"\n") for block in iter(lambda: quads.read(1 << 20), b""))
    rows = tables[asked.source].height
    print(f"{rows} records of {asked.source}, {triples} triples, {size:.0f} MB of N-Quads; median of {asked.runs} runs")
    print(f"{'':10} {'seconds':>8} {'triples/s':>11} {'peak MB':>8}")
    for name, each in runs.items():
        seconds = statistics.median(one.seconds for one in each)
        peak = max(one.megabytes for one in each)
        print(f"{name:10} {seconds:8.2f} {triples / seconds:11,.0f} {peak:8.0f}")
    ratio = statistics.median(a.seconds / b.seconds for a, b in zip(runs["morph-kgc"], runs["cupola"], strict=True))
    print(f"cupola is {ratio:.1f} times as fast as Morph-KGC")
    if difference:
        sys.exit(f"the quads differ, first at\n  cupola    {difference[0]!r}\n  morph-kgc {difference[1]!r}")
    print("the same quads")


if __name__ == "__main__":
    main()
