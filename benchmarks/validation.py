"""How fast shacl-rust is beside pySHACL on the same data, with the same results.

    python -m benchmarks.validation [OPERATIONS ...] [--alone 20000]

Operations (default: 500 and 2000) are made as in benchmarks.mapping and mapped as a build maps them; then faults of
several kinds are put into one operation in ten. Each engine validates them all against our shapes in a process of
its own, as a build does: files, shapes and ontology in, table and report out. Times are wall clock, without the
second a process takes to start. pySHACL takes a second for some ten operations, so the fast engine runs alone on
the larger number.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mapping import SHEETS, multiplied, run, seed
from etl import mapping
from etl.settings import VALIDATORS
from etl.source import sources

VALIDATE = """
import sys, time
from pathlib import Path
from etl import gate, validate
quads, out = Path(sys.argv[2]), Path(sys.argv[3])
start, begun = time.perf_counter(), time.process_time()
ontology = sorted(gate.ONTOLOGY.glob("*.ttl"))
found = validate.validate("benchmark", [quads], validate.shapes_graph(gate.SHAPES), ontology, sys.argv[1])
assert not found.validator["fell_back"], found.validator["fell_back"]
out.write_bytes(found.report)
out.with_suffix(".seconds").write_text(f"{time.perf_counter() - start} {time.process_time() - begun}")
"""

#: What is put into an operation's statements: (what the predicate ends with, pattern, what takes its place).
FAULTS = [
    ("startDate", r'"\d{4}-', '"2099-'),  # starts after its end
    ("endDate", r'"\d{4}-', '"1985-'),  # too early
    ("disbursedAmount", r'"(\d)', r'"9\1'),  # more than was committed
    ("admittedAmount", r'"(\d)', r'"-\1'),  # negative
    ("localCode", r'"[^"]*"', '""'),  # empty
    ("concernsProject", r"> <([^>]*)> <", r"> <\1-gone> <"),  # not in the data
    ("projectTitle", r"@it", "@en"),  # two titles in one language, with the next
    ("sha256", r'"[0-9a-f]', '"x'),  # no digest
]


def with_faults(lines: Iterator[str]) -> Iterator[str]:
    """The statements, with a fault in about one of ten that a fault can be put into."""
    seen = 0
    for line in lines:
        yield line
        for ending, pattern, spoilt in FAULTS:
            if f"{ending}> " in line:
                seen += 1
                if seen % 10 == 0:
                    yield re.sub(pattern, spoilt, line, count=1)


def data(operations: int, folder: Path) -> tuple[Path, int]:
    """N-Quads of so many operations with faults, and the number of statements."""
    for name, table in multiplied(seed([path for path in SHEETS if path.exists()], folder), operations).items():
        table.write_parquet(folder / f"{name}.parquet")
    sound, spoilt = folder / "sound.nq", folder / "data.nq"
    mapping.write(mapping.load(sources()["ponmetro"].mapping), folder, sound)
    triples = 0
    with sound.open(encoding="utf-8") as source, spoilt.open("w", encoding="utf-8") as target:
        for line in with_faults(source):
            target.write(line)
            triples += 1
    return spoilt, triples


@dataclass(frozen=True)
class Measured:
    """One run of an engine: wall seconds, seconds of all processors, the largest memory in MB, the report."""

    seconds: float
    processor: float
    megabytes: float
    report: bytes

    @property
    def results(self) -> int:
        """How many results the report has."""
        return self.report.count(b"sh:ValidationResult")


def measured(engine: str, quads: Path, folder: Path, triples: int) -> Measured:
    """Run an engine in a process of its own and print the figures."""
    out = folder / f"{engine}.ttl"
    whole = run([sys.executable, "-c", VALIDATE, engine, quads, out], folder, out)
    seconds, processor = map(float, out.with_suffix(".seconds").read_text().split())
    print(
        f"  {engine:10} {seconds:8.2f} s ({processor:.2f} s of processors) {triples / seconds:9,.0f} triples/s"
        f" {whole.megabytes:6,.0f} MB",
        flush=True,
    )
    return Measured(seconds, processor, whole.megabytes, out.read_bytes())


def main() -> None:
    """Run both, print the figures; ends with code 1 if the reports are not the same."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("operations", type=int, nargs="*", default=[500, 2000], help="how many both validate")
    asked.add_argument("--alone", type=int, default=20_000, help="how many the fast engine validates alone; 0: none")
    options = asked.parse_args()
    print(f"{os.cpu_count()} processors")
    wanted: list[tuple[int, tuple[str, ...]]] = [(operations, VALIDATORS) for operations in options.operations]
    wanted += [(options.alone, VALIDATORS[:1])] if options.alone else []
    for operations, engines in wanted:
        with tempfile.TemporaryDirectory(prefix="cupola-benchmark-") as temporary:
            folder = Path(temporary)
            quads, triples = data(operations, folder)
            print(f"{operations} operations, {triples} triples")
            runs = [measured(engine, quads, folder, triples) for engine in engines]
        print(f"  {runs[0].results} results")
        if len(runs) == 2:
            fast, slow = runs
            if fast.report != slow.report:
                sys.exit("the reports differ")
            print(
                f"  the same report; {engines[0]} is {slow.seconds / fast.seconds:.0f} times as fast,"
                f" and takes {slow.processor / fast.processor:.0f} times less of the processors"
            )


if __name__ == "__main__":
    main()
