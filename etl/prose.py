"""Prose that OCR read -> the same prose repaired for reading; what was found stays with whoever asks.

Only the usual confusions of Italian, by the rules and words of etl/prose.toml: "I'attivazione" is "l'attivazione",
"alia" is "alla". Numbers and codes are left alone. A sentence that is right is never changed; one that is wrong in
another way is left as it is. Pure.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import polars as pl

#: How a repair is told: what was found and what it is read as, and what parts one from the next.
TOLD: Final = "{} → {}"
BETWEEN: Final = "; "
_WORD: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Rule:
    """What is wrong and what stands for it, with examples of both and texts it must leave alone."""

    pattern: re.Pattern[str]
    replacement: str
    examples: tuple[tuple[str, str], ...]
    unlike: tuple[str, ...]


def repaired(text: pl.Series) -> pl.DataFrame:
    """Each text as `value`, and `found`: the words that were repaired ("alia → alla; …"), each once; null if none.

    Blanks and line breaks stay where they are. A null stays null.
    """
    given = text.unique(maintain_order=True).drop_nulls().alias("text")
    told = [one(each) for each in given]
    read = pl.DataFrame(
        {"text": given, "value": [value for value, _ in told], "found": [found for _, found in told]},
        schema=dict.fromkeys(("text", "value", "found"), pl.String),
    )
    return text.alias("text").to_frame().join(read, on="text", how="left", maintain_order="left").drop("text")


def one(text: str) -> tuple[str, str | None]:
    """One text repaired, and the words that were repaired; None if none."""
    value = text
    for rule in rules():
        value = rule.pattern.sub(rule.replacement, value)
    value = _WORD.sub(_word, value)
    if value == text:
        return text, None
    value = unicodedata.normalize("NFC", value)
    pairs = zip(text.split(), value.split(), strict=True)
    found = dict.fromkeys(TOLD.format(_bare(before), _bare(after)) for before, after in pairs if before != after)
    return value, BETWEEN.join(found)


def _word(match: re.Match[str]) -> str:
    word = match[0]
    right = confused().get(word[:1].lower() + word[1:])  # capitals are not confused so
    return word if right is None else right.capitalize() if word[:1].isupper() else right


def _bare(word: str) -> str:
    """A word without the marks around it."""
    return word.strip('.,;:!?()[]«»“”"') or word


@cache
def rules() -> tuple[Rule, ...]:
    """The rules in their order."""
    told = _told()
    made = []
    for rule in told["rule"]:
        pattern = rule["pattern"]
        for name, part in told["parts"].items():
            pattern = pattern.replace(f"{{{name}}}", part)
        examples = tuple((wrong, right) for wrong, right in rule["examples"])
        made.append(Rule(re.compile(pattern), rule["replacement"], examples, tuple(rule["unlike"])))
    return tuple(made)


@cache
def confused() -> dict[str, str]:
    """The words that are none, each with the one it stands for: those that may stand for several are left out."""
    told = _told()["words"]
    right = told["right"].split()
    found: dict[str, set[str]] = {}
    for word in right:
        for printed, read in told["confusions"]:
            for place in range(len(word)):
                if word.startswith(printed, place):
                    found.setdefault(word[:place] + read + word[place + len(printed) :], set()).add(word)
    known = {*right, *told["but"]}
    return {word: meant.pop() for word, meant in found.items() if len(meant) == 1 and word not in known}


@cache
def _told() -> dict[str, Any]:
    return tomllib.loads(files("etl").joinpath("prose.toml").read_text(encoding="utf-8"))
