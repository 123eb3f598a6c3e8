"""Sheets that a scanner spoilt: how much of them is read right, and whether what is wrong is found.

    python -m benchmarks.ocr [--noise 1 3 5] [--copies N] [--figures] [SHEET…]

Clean sheets (the examples, and the real one of ../shared/data if it is there) get errors such as OCR makes, at random
but the same for the same seed, and are read again. Their own values, read clean, are the truth. Of each field:

  published  values of the spoilt sheets that would be published; `precision`: how many of these are right
  recall     of all values, how many are published and right
  found      of the values that are wrong or missing, how many have a problem that says so
  suggested  of the values withheld with a suggestion, how many suggestions are the true value

With --figures one digit is read for another, too: an error that leaves another amount, date or code cannot be seen in
it, so this is what no reading of a sheet alone can find.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, Final

import polars as pl

from etl import read, sheets, values
from etl.inputs import Input
from etl.source import Source, sources

ROOT: Final = Path(__file__).parent.parent
EXAMPLES: Final = ROOT / "examples"
REAL: Final = ROOT.parent / "shared" / "data" / "ponmetro"
SEED: Final = 20
#: Types of fields whose every sign counts.
EXACT: Final = ("cup", "code", "amount", "date")
#: Marks that dirt on a page leaves, and how often a sign gets one although it could be read for another.
STRAYS: Final = ".,'`~-_^*"
STRAY_WEIGHT: Final = 0.5


@dataclass
class Tally:
    """How the values of one field fared."""

    total: int = 0
    right: int = 0
    wrong: int = 0
    withheld: int = 0
    found: int = 0
    suggested: int = 0
    suggested_right: int = 0

    @property
    def precision(self) -> float:
        """Of the published values, the share that is right."""
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        """Of all values, the share that is published and right."""
        return self.right / max(1, self.total)

    @property
    def told(self) -> float:
        """Of the values that are not right, the share with a problem."""
        return self.found / max(1, self.wrong + self.withheld)

    @property
    def suggestions(self) -> float:
        """Of the suggestions, the share that is right."""
        return self.suggested_right / max(1, self.suggested)

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass
class Result:
    """What reading spoilt sheets gave: of each field, of its labels, of the words of prose."""

    fields: dict[str, Tally] = field(default_factory=dict)
    labels: int = 0
    labels_found: int = 0
    words: Counter[str] = field(default_factory=Counter)

    def together(self, names: Iterable[str]) -> Tally:
        """Several fields as one."""
        return sum((self.fields[name] for name in names if name in self.fields), Tally())


# --- noise -------------------------------------------------------------------------------------------------------


@cache
def confusions(figures: bool = False) -> dict[str, list[tuple[str, str, float]]]:
    """What may be printed, by its first sign, with what is read for it and how often (ocr-noise.csv)."""
    table: dict[str, list[tuple[str, str, float]]] = {}
    lines = Path(__file__).with_name("ocr-noise.csv").read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        if row["kind"] != "figure" or figures:
            told = (row["printed"], row["read"].replace("\\n", "\n"), float(row["weight"]))
            table.setdefault(row["printed"][0], []).append(told)
    return table


def spoilt(text: str, percent: float, chance: random.Random, figures: bool = False) -> str:
    """The text with errors at so many of a hundred signs; line ends and what surrounds them stay."""
    table, seen, at = confusions(figures), list[str](), 0
    while at < len(text):
        sign = text[at]
        if sign == "\n" or chance.random() * 100 >= percent:
            seen.append(sign)
            at += 1
            continue
        options = [told for told in table.get(sign, []) if text.startswith(told[0], at)]
        options.append((sign, sign + chance.choice(STRAYS), STRAY_WEIGHT))
        printed, instead, _ = chance.choices(options, [weight for *_, weight in options])[0]
        seen.append(instead)
        at += len(printed)
    return "".join(seen)


# --- measuring -----------------------------------------------------------------------------------------------------


def measure(
    clean: Sequence[Path], source: Source, percent: float, copies: int, figures: bool = False, seed: int = SEED
) -> Result:
    """Read `copies` spoilt copies of each sheet and compare them with the clean ones."""
    truth, told_clean = _cleaned([Input(path, path.name, source) for path in clean], source)
    chance, result = random.Random(seed), Result()
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for path in clean:
            text = "\n".join(read.text(path).lines)
            for copy in range(copies):
                target = Path(folder, f"{path.stem}-{copy}.txt")
                target.write_text(spoilt(text, percent, chance, figures), encoding="utf-8")
                files.append(Input(target, f"{path.name}/{copy}", source))
        found, again = _cleaned(files, source)
    told = _problems(found, again)
    true = {row["file"]: row for row in truth.table.iter_rows(named=True)}
    got = {row["file"]: row for row in found.table.iter_rows(named=True)}
    raw = {row["file"]: row for row in again.strings.iter_rows(named=True)}
    labelled = told_clean.readings.filter(pl.col("label").is_not_null()).select("file", "field").unique()
    seen = set(again.readings.select("file", "field").iter_rows())
    for name in (item.name for item in files):
        original = name.rsplit("/", 1)[0]
        for file, label in labelled.iter_rows():
            if file == original:
                result.labels += 1
                result.labels_found += (name, label) in seen
        for each in source.fields.values():
            if (value := true[original].get(each.name)) is not None:
                published = got.get(name, {}).get(each.name)
                tally = result.fields.setdefault(each.name, Tally())
                _count(tally, value, published, told.get((name, each.name), []) + told.get((name, None), []))
                if each.prose and published:
                    result.words += _words(value, raw[name][each.name], published)
    return result


def _cleaned(files: Sequence[Input], source: Source) -> tuple[values.Cleaned, sheets.Read]:
    told = sheets.read(files, source)
    return values.clean(told.strings, source), told


def _problems(cleaned: values.Cleaned, read_: sheets.Read) -> dict[tuple[str, str | None], list[dict[str, Any]]]:
    """The problems of each file and field; those that keep a whole record from being published have no field."""
    told: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    withheld = ("identity.missing", "sheet.no-fields")
    for problem in pl.concat([cleaned.problems, read_.problems], how="diagonal").iter_rows(named=True):
        if problem["field"] or problem["code"] in withheld:
            told.setdefault((problem["file"], problem["field"]), []).append(problem)
    return told


def _count(tally: Tally, value: Any, published: Any, told: Sequence[Mapping[str, Any]]) -> None:
    tally.total += 1
    if published == value:
        tally.right += 1
        return
    tally.wrong += published is not None
    tally.withheld += published is None
    # That a label was guessed, or a text repaired, says nothing of the value.
    tally.found += any(problem["code"] not in ("sheet.label-guessed", "text.ocr-repaired") for problem in told)
    for problem in told:
        if problem["suggestion"] is not None and published is None:
            tally.suggested += 1
            tally.suggested_right += problem["suggestion"] == str(value)


def _words(value: str, raw: str | None, published: str) -> Counter[str]:
    """Words of prose that noise spoilt, and that are right again, or wrong by the repair only."""
    true, seen, repaired = value.split(), (raw or "").split(), published.split()
    told: Counter[str] = Counter()
    for right, before, after in _pairs(true, list(zip(seen, repaired, strict=False))):
        told["words"] += 1
        told["spoilt"] += before != right
        told["repaired"] += before not in (right, after) and after == right
        told["repaired wrongly"] += before not in (right, after) and after != right
        told["made worse"] += before == right != after
    return told


def _pairs(true: Sequence[str], read_: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Each word with what was read for it and what that was repaired to; where blanks were lost no words are told."""
    blocks = SequenceMatcher(None, true, [before for before, _ in read_], autojunk=False).get_opcodes()
    for _, first, last, start, end in blocks:
        if last - first == end - start:
            for right, (before, after) in zip(true[first:last], read_[start:end], strict=True):
                yield right, before, after


# --- telling -------------------------------------------------------------------------------------------------------


def exact(source: Source) -> list[str]:
    """The fields whose every sign counts: codes, amounts, dates."""
    return [each.name for each in source.fields.values() if each.type in EXACT]


def table(result: Result, source: Source) -> str:
    """A result as a Markdown table."""
    rows = [
        "| field | values | precision | recall | found | suggestions | right |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    total = result.together(exact(source))
    for name, tally in [*result.fields.items(), ("**codes, amounts, dates**", total)]:
        rows.append(
            f"| {name} | {tally.total} | {tally.precision:.3f} | {tally.recall:.3f} | {tally.told:.3f} "
            f"| {tally.suggested} | {tally.suggestions:.3f} |"
        )
    words = result.words
    rows += [
        "",
        f"Labels found: {result.labels_found} of {result.labels} ({result.labels_found / max(1, result.labels):.3f}).",
        f"Words of prose: {words['words']}, spoilt {words['spoilt']}, of these repaired {words['repaired']}, "
        f"repaired wrongly {words['repaired wrongly']}; right ones made worse {words['made worse']}.",
    ]
    return "\n".join(rows)


def main() -> None:
    """Print a table for each amount of noise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheets", nargs="*", type=Path, help="clean sheets, instead of the examples and the real one")
    parser.add_argument("--noise", nargs="+", type=float, default=[1.0, 3.0, 5.0], help="errors in a hundred signs")
    parser.add_argument("--copies", type=int, default=20, help="spoilt copies of each sheet")
    parser.add_argument("--figures", action="store_true", help="read digits for other digits, too")
    chosen = parser.parse_args()
    source = sources()["ponmetro"]
    clean = chosen.sheets or [*sorted(EXAMPLES.glob("*.txt")), *sorted(REAL.glob("*.txt"))]
    for percent in chosen.noise:
        print(f"\n## {percent:g} % of the signs wrong: {len(clean)} sheets, {chosen.copies} copies of each\n")
        print(table(measure(clean, source, percent, chosen.copies, chosen.figures), source), flush=True)


if __name__ == "__main__":
    main()
