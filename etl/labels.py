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
from rapidfuzz.fuzz import token_set_ratio

from etl.source import Field, Source, SourceError

#: A guess must be this near (0–1) to a label once the usual OCR confusions are levelled: one letter in ten.
LIKENESS: Final = 0.9
#: … and this much nearer than to any other field's label, else it is anybody's.
LEAD: Final = 0.05
#: … and each of its words this near to one of the label's …
WORD_LIKENESS: Final = 0.6
#: … or, several without the blanks between them, this near: "ImportoErogato" has no word more or less.
JOINED_LIKENESS: Final = 0.85
#: Labels this short (CUP and RUP, Fine, Foto) are a letter away from other words: never guessed.
SHORTEST_GUESSED: Final = 5
#: In a shorter label an added letter makes another word ("Data avviso" is no "Data avvio"), so it is not guessed.
SHORT: Final = 13
#: From here on (0-100) a declared label may be what unknown words mean: shown to a person, never acted upon.
NEAR: Final = 70
#: Nobody writes a longer label; a longer line is prose.
LONGEST_LABEL: Final = 80

# What parts a label from its value on one line. The weak ones occur in prose and names, too.
_SEPARATOR: Final = re.compile(r"\s*(?P<strong>[:|\t]|\.{3,}|…)[\s:|.…]*|\s*(?P<weak>\s{2,}|\s[-–—]\s)\s*")
_AROUND: Final = " \t\xa0:|…•*"  # what surrounds a label and is none of it
_BAR: Final = " \t|"  # a table's row may end with a bar
# OCR's confusions within labels, seen in real sheets ("fragility" for "fragilità") or usual ("Programrnato").
_CONFUSED: Final = (("rn", "m"), ("ty", "ta"), ("vv", "w"))
_CONFUSED_LETTERS: Final = str.maketrans(
    {"1": "i", "l": "i", "|": "i", "!": "i", "0": "o", "4": "a", "5": "s", "8": "b", "2": "z", "6": "b", "9": "g"}
    | {"e": "c", "u": "n", "h": "b", "f": "t", "q": "g"}
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

    `score` is 100 for a declared label, less for a guessed one; `firm` unless what parts label and value is weak;
    `scope` is the part of the sheet a heading opens, or the group a column's label belongs to ("": none).
    """

    field: Field | None
    declared: str
    found: str
    beside: str = ""
    score: int = 100
    firm: bool = True
    scope: str = ""

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


@dataclass(frozen=True)
class _Known:
    """What declared words are: the words, their field (None: a heading), and the scope they open or belong to."""

    declared: str
    field: Field | None
    scope: str = ""


class Words:
    """The words of one source's layouts.

    What a label means may depend on where it stands: `scope` is the section or group that is open, "" for none. Raises
    SourceError if one label stands for two fields in one place.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        everywhere: dict[str, _Known] = {key(h): _Known(h, None) for h in (*source.headings, *source.begins)}
        for name, headings in (*source.sections.items(), *((g.name, g.labels) for g in source.groups.values())):
            everywhere |= {key(heading): _Known(heading, None, name) for heading in headings}
        own: dict[str, dict[str, _Known]] = {name: {} for name in ("", *source.sections, *source.groups)}
        for field in source.fields.values():
            for name in field.sections or ("",):
                if name not in own:
                    raise SourceError(f"{source.id}: {field.name}: there is no section {name!r}")
                self._add(own[name], field, everywhere if name == "" else {})
        for group in source.groups.values():
            for column in group.columns.values():
                self._add(own[group.name], column, {})
        self._scopes = {name: everywhere | own[""] | labels for name, labels in own.items()}
        self._levelled = {
            name: {k: levelled(known.declared) for k, known in labels.items() if len(k) >= SHORTEST_GUESSED}
            for name, labels in self._scopes.items()
        }
        self._absent = {key(a) or a[:1] for a in source.absent}
        self._bodies = tuple(b.casefold() for b in source.body_starts)
        every = [known.declared for labels in self._scopes.values() for known in labels.values()]
        self._single_space = max((label.count(" ") for label in every), default=0) + 1

    def _add(self, labels: dict[str, _Known], field: Field, others: dict[str, _Known]) -> None:
        for label in field.labels:
            known = labels.setdefault(key(label), _Known(label, field, field.group))
            if known.field is not field or key(label) in others:
                raise SourceError(
                    f"{self._source.id}: the label {label!r} of {field.name} stands for something else, too"
                )

    def absent(self, value: str) -> bool:
        """Whether a whole value only says that there is none ("n.d.", "Foto non disponibili", "--")."""
        if len(value) > LONGEST_LABEL:
            return False
        return (key(value) or (value[:1] if len(set(value)) == 1 else "")) in self._absent

    def body(self, line: str) -> bool:
        """Whether a line begins as a body's name does ("Comune di …")."""
        return line.casefold().startswith(self._bodies)

    def label(self, line: str, scope: str = "") -> Label | None:
        """The declared label a line is, or begins with; None if there is none."""
        if (whole := self._declared(line, scope)) is not None:
            return Label(whole.field, whole.declared, line.strip(_AROUND), scope=whole.scope)
        found = None
        for head, parted in _heads(line):
            if (known := self._declared(head, scope)) is not None and known.field is not None:
                beside, firm = line[parted.end() :].rstrip(_BAR), parted["strong"] is not None
                found = Label(known.field, known.declared, head.strip(_AROUND), beside, firm=firm, scope=known.scope)
        return found or self._before_a_space(line, scope)

    def guess(self, line: str, scope: str = "") -> Label | None:
        """The label a line, or its part before a separator, most likely is through errors; None if none or several."""
        for head, beside in [(line, ""), *((h, line[p.end() :].rstrip(_BAR)) for h, p in _heads(line))]:
            if len(head) <= LONGEST_LABEL and (label := self._guessed(head.strip(_AROUND), beside, scope)) is not None:
                return label
        return None

    def nearest(self, words: str) -> str | None:
        """The declared label of any scope that unknown words resemble most; None if they resemble none."""
        known = (known for labels in self._scopes.values() for known in labels.values())
        declared = list(dict.fromkeys(each.declared for each in known if each.field))
        near = process.extractOne(words, declared, scorer=token_set_ratio, processor=_folded, score_cutoff=NEAR)
        return near[0] if near else None

    def column(self, words: str, group: str) -> Field | None:
        """The column of a group that the head of a table names."""
        label = self._declared(words.strip(_AROUND), group)
        return label.field if label and label.scope == group else None

    def known(self, words: str) -> bool:
        """Whether words are, as a whole, the label of a record's field, wherever in a sheet it means that."""
        scopes = ("", *self._source.sections)
        return any((label := self._declared(words.strip(_AROUND), scope)) and label.field for scope in scopes)

    def begins(self, line: str) -> bool:
        """Whether a line is the heading a sheet of this layout begins with."""
        return key(line) in {key(heading) for heading in self._source.begins}

    def could_be(self, field: Field, value: str, *, doubtful: bool = False) -> bool:
        """Whether a line can be a value of a field, by its form only; `doubtful` (the label is guessed) asks more."""
        if self.absent(value) or field.prose:
            return True
        digits = any(map(str.isdigit, value))
        named = value[:1].isupper() and not sentence(value)
        match field.type:
            case "amount" | "number" | "date" | "cup" | "cig" | "code":
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

    def _declared(self, words: str, scope: str) -> _Known | None:
        return self._scopes[scope].get(key(words)) if len(words) <= LONGEST_LABEL else None

    def _before_a_space(self, line: str, scope: str) -> Label | None:
        """A label and a value with a single space between, when the value's form leaves no doubt ("CUP C19J2103…")."""
        words = line[: LONGEST_LABEL * 2].split(" ")
        for count in range(1, min(len(words), self._single_space + 1)):
            head, beside = " ".join(words[:count]), line[len(" ".join(words[:count])) :].strip()
            known = self._declared(head, scope)
            if known and known.field and (form := _EXACT_FORM.get(known.field.type)) and form.fullmatch(beside):
                return Label(known.field, known.declared, head, beside, firm=False, scope=known.scope)
        return None

    def _guessed(self, words: str, beside: str, scope: str) -> Label | None:
        letters = levelled(words)
        if len(letters) < SHORTEST_GUESSED:
            return None
        near = process.extract(
            letters,
            self._levelled[scope],
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=LIKENESS - LEAD,
            limit=None,
        )
        if not near or near[0][1] < LIKENESS:
            return None
        best, likeness, found = near[0]
        labels = self._scopes[scope]
        known = labels[found]
        rivals = [k for _, score, k in near if score > likeness - LEAD and labels[k].field is not known.field]
        added = len(letters) > len(best) and len(best) < SHORT
        if rivals or added or not _word_by_word(words, known.declared):
            return None
        score = min(99, round(100 * Levenshtein.normalized_similarity(key(words), found)))
        return Label(known.field, known.declared, words, beside, score, scope=known.scope)


def _folded(words: str) -> str:
    """The words of a label, each without case, accents and signs: words in common make two labels near."""
    return " ".join(filter(None, map(key, re.split(r"[^\w]+", words))))


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
    """Whether each word of one resembles a word of the other, or several that lost their blanks ("ImportoErogato").

    An added word ("non ammesso", "quota UE") is no error of OCR. Marks within a word are none of it.
    """
    ours, theirs = ([levelled(w) for w in words.split() if levelled(w)] for words in (found, declared))
    return _covered(ours, theirs) and _covered(theirs, ours)


def _covered(words: list[str], others: list[str]) -> bool:
    """Whether each word, or a run of words it is in, resembles one of the others; or it alone a run of the others."""
    covered: set[int] = set()
    for first, last, run in _runs(words):
        near = [
            _like(run, other, joined=(last - first) * (to - start) > 1)
            for start, to, other in _runs(others)
            if 1 in (last - first, to - start)
        ]
        if any(near):
            covered.update(range(first, last))
    return len(covered) == len(words)


def _runs(words: list[str]) -> Iterator[tuple[int, int, str]]:
    """Words one after the other, as they are without blanks, and which they are."""
    for first in range(len(words)):
        for last in range(first + 1, len(words) + 1):
            yield first, last, "".join(words[first:last])


def _like(one: str, other: str, joined: bool) -> bool:
    return Levenshtein.normalized_similarity(one, other) >= (JOINED_LIKENESS if joined else WORD_LIKENESS)
