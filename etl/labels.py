"""What the words of a line can be for a source: a label, a section's heading, "nothing here", a field's value.

Knows single lines only, not where they stand; `etl.sheet` decides with this. Pure, and the same for every layout.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from etl.source import Field, Source, SourceError

#: A guess must be this near (0–1) to a label once the usual OCR confusions are levelled: one letter in ten.
LIKENESS: Final = 0.9
#: … and this much nearer than to any other field's label, else it is anybody's.
LEAD: Final = 0.05
#: Labels this short (CUP and RUP, Fine, Foto) are a letter away from other words: never guessed.
SHORTEST_GUESSED: Final = 5
#: In a shorter label an added letter makes another word ("Data avviso" is no "Data avvio"), so it is not guessed.
SHORT: Final = 13
#: Nobody writes a longer label; a longer line is prose.
LONGEST_LABEL: Final = 80

# What parts a label from its value on one line. The weak ones occur in prose and names, too.
_SEPARATOR: Final = re.compile(r"\s*(?P<strong>[:|\t]|\.{3,}|…)[\s:|.…]*|\s*(?P<weak>\s{2,}|\s[-–—]\s)\s*")
_AROUND: Final = " \t\xa0:|…•*"  # what surrounds a label and is none of it
_BAR: Final = " \t|"  # a table's row may end with a bar
# OCR's confusions within labels, seen in real sheets ("fragility" for "fragilità") or usual ("Programrnato").
_CONFUSED: Final = (("rn", "m"), ("ty", "ta"), ("vv", "w"))
_CONFUSED_LETTERS: Final = str.maketrans(
    {"1": "i", "l": "i", "|": "i", "!": "i", "0": "o", "4": "a", "5": "s", "8": "b"}
)

# What a value must look like to follow its label after a single space.
_EXACT_FORM: Final = {
    "amount": re.compile(r"(?i)(€|euro?)?\s*\d[\d.,'’ ]*(€|euro?)?"),
    "date": re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}°? [^\W\d]{3,9} \d{4}"),
    "cup": re.compile(r"(?i)[a-z]\w{14}"),
}
_WEB: Final = re.compile(r"(?i)(https?://|www\.)\S+")
_FILE: Final = re.compile(r"(?i)\S.*\.(pdf|docx?|odt|zip|jpe?g|png|tiff?|p7m)")
_SENTENCE_END: Final = re.compile(r"\w{3,}[»”\")]?[.;!?][»”\")]?$|[,:]$")
_HANGING: Final = re.compile(
    r"(?i)([,/(]|\b(e|ed|o|od|a|ad|al|allo|alla|ai|agli|alle|con|cui|da|dal|dallo|dalla|dai|dagli|dalle|d['’]|di|del|dello"
    r"|della|dei|degli|delle|dell['’]|e['’]|fra|i|gli|il|in|la|le|lo|l['’]|nel|nello|nella|nei|negli|nelle|nell['’]|ogni"
    r"|per|quale|su|sul|sullo|sulla|sui|sugli|sulle|sull['’]|tra|un|uno|una|un['’]))$"
)


@dataclass(frozen=True)
class Label:
    """A label in a line: the field it stands for (None: a section's heading), the words as found, the value beside it.

    `score` is 100 for a declared label, less for a guessed one; `firm` unless what parts label and value is weak.
    """

    field: Field | None
    declared: str
    found: str
    beside: str = ""
    score: int = 100
    firm: bool = True

    @property
    def guessed(self) -> bool:
        """Whether the label is none of the declared ones."""
        return self.score < 100


@lru_cache(maxsize=4096)
def key(words: str) -> str:
    """Words without what writers vary: case, accents, spaces, dots, apostrophes, dashes.

    >>> key("CITTA'") == key("Città") == "citta" and key("R. U. P.") == key("Rup")
    True
    """
    letters = unicodedata.normalize("NFKD", words).casefold()
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", letters)))


def levelled(words: str) -> str:
    """The key with what OCR confuses made one.

    >>> levelled("Importo Programrnato") == levelled("lmp0rto programmato")
    True
    """
    letters = key(words)
    for pair, one in _CONFUSED:
        letters = letters.replace(pair, one)
    return letters.translate(_CONFUSED_LETTERS)


def hanging(line: str) -> bool:
    """Whether a line stops within a sentence: after a comma, an article, a preposition, a conjunction."""
    return bool(_HANGING.search(line))


def sentence(line: str) -> bool:
    """Whether a line ends as sentences end, not names (an abbreviation such as S.p.A. is no sentence)."""
    return bool(_SENTENCE_END.search(line))


class Words:
    """The words of one source's layouts. Raises SourceError if one label stands for two fields."""

    def __init__(self, source: Source) -> None:
        self._labels: dict[str, tuple[str, Field | None]] = {key(h): (h, None) for h in source.headings}
        for field in source.fields.values():
            for label in field.labels:
                _, other = self._labels.setdefault(key(label), (label, field))
                if other is not field:
                    raise SourceError(
                        f"{source.id}: the label {label!r} of {field.name} stands for something else, too"
                    )
        guessable = [k for k in self._labels if len(k) >= SHORTEST_GUESSED]
        self._levelled = {k: levelled(self._labels[k][0]) for k in guessable}
        self._absent = {key(a) or a[:1] for a in source.absent}
        self._bodies = tuple(b.casefold() for b in source.body_starts)
        self._single_space = max((label.count(" ") for label, _ in self._labels.values()), default=0) + 1

    def absent(self, value: str) -> bool:
        """Whether a whole value only says that there is none ("n.d.", "Foto non disponibili", "--")."""
        if len(value) > LONGEST_LABEL:
            return False
        return (key(value) or (value[:1] if len(set(value)) == 1 else "")) in self._absent

    def body(self, line: str) -> bool:
        """Whether a line begins as a body's name does ("Comune di …")."""
        return line.casefold().startswith(self._bodies)

    def label(self, line: str) -> Label | None:
        """The declared label a line is, or begins with; None if there is none."""
        if (whole := self._declared(line)) is not None:
            return Label(whole[1], whole[0], line.strip(_AROUND))
        found = None
        for head, parted in _heads(line):
            if (declared := self._declared(head)) is not None and declared[1] is not None:
                beside = line[parted.end() :].rstrip(_BAR)
                found = Label(declared[1], declared[0], head.strip(_AROUND), beside, firm=parted["strong"] is not None)
        return found or self._before_a_space(line)

    def guess(self, line: str) -> Label | None:
        """The label a line, or its part before a separator, most likely is through errors; None if none or several."""
        for head, beside in [(line, ""), *((h, line[p.end() :].rstrip(_BAR)) for h, p in _heads(line))]:
            if len(head) <= LONGEST_LABEL and (label := self._guessed(head.strip(_AROUND), beside)) is not None:
                return label
        return None

    def could_be(self, field: Field, value: str, *, doubtful: bool = False) -> bool:
        """Whether a line can be a value of a field, by its form only; `doubtful` (the label is guessed) asks more."""
        if self.absent(value) or field.prose:
            return True
        digits = any(map(str.isdigit, value))
        named = value[:1].isupper() and not sentence(value)
        match field.type:
            case "amount" | "date" | "cup" | "code":
                return digits and len(value) <= 40 and not sentence(value)
            case "action":
                return re.search(r"\d\.\d", value) is not None and len(value) <= 200
            case "municipality":
                return named and not digits and len(value) <= 60
            case "name":
                return any(map(str.isupper, value)) and not digits and not sentence(value) and len(value) <= 80
            case "bodies" if doubtful:
                return self.body(value)
            case "urls":
                return web(value) or _FILE.fullmatch(value) is not None
            case _:
                return (named or (digits and value[:1].isdigit())) and len(value) <= 300

    def _declared(self, words: str) -> tuple[str, Field | None] | None:
        return self._labels.get(key(words)) if len(words) <= LONGEST_LABEL else None

    def _before_a_space(self, line: str) -> Label | None:
        """A label and a value with a single space between, when the value's form leaves no doubt ("CUP C19J2103…")."""
        words = line[: LONGEST_LABEL * 2].split(" ")
        for count in range(1, min(len(words), self._single_space + 1)):
            head, beside = " ".join(words[:count]), line[len(" ".join(words[:count])) :].strip()
            declared = self._declared(head)
            if declared and declared[1] and (form := _EXACT_FORM.get(declared[1].type)) and form.fullmatch(beside):
                return Label(declared[1], declared[0], head, beside, firm=False)
        return None

    def _guessed(self, words: str, beside: str) -> Label | None:
        letters = levelled(words)
        if len(letters) < SHORTEST_GUESSED:
            return None
        near = process.extract(
            letters,
            self._levelled,
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=LIKENESS - LEAD,
            limit=None,
        )
        if not near or near[0][1] < LIKENESS:
            return None
        best, likeness, found = near[0]
        declared, field = self._labels[found]
        rivals = [k for _, score, k in near if score > likeness - LEAD and self._labels[k][1] is not field]
        added = len(letters) > len(best) and len(best) < SHORT
        if rivals or added or not _word_by_word(words, declared):
            return None
        score = min(99, round(100 * Levenshtein.normalized_similarity(key(words), found)))
        return Label(field, declared, words, beside, score)


def web(value: str) -> bool:
    """Whether a value is written as an address of the web."""
    return _WEB.fullmatch(value) is not None


def _heads(line: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Each beginning of a line that a separator ends, and the separator, short enough for a label."""
    for parted in _SEPARATOR.finditer(line[: LONGEST_LABEL + 1]):
        head = line[: parted.start()]
        if head and parted.end() < len(line):
            yield head, parted


def _word_by_word(found: str, declared: str) -> bool:
    """Whether each word of one resembles a word of the other: an added word ("non ammesso", "quota UE") is no error."""
    ours, theirs = ([levelled(w) for w in re.split(r"[^\w|!]+", words) if levelled(w)] for words in (found, declared))
    return all(
        max((Levenshtein.normalized_similarity(word, other) for other in others), default=0.0) >= 0.6
        for words, others in ((ours, theirs), (theirs, ours))
        for word in words
    )
