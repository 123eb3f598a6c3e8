"""What can be said of a term before any table is read. Pure.

A line of N-Quads may come twice only if two rows, or two rules, can make the same terms; mostly the shape of the
templates says that they can't, and then nothing need be compared.
"""

import re

from etl.rml import Column, Term

_ANY = "\0"  # stands for a column in a term's text; no IRI and no YAML text holds it
# Characters a percent-encoded value never has, so that they stand where the template put them.
_BETWEEN = re.compile(r"([^A-Za-z0-9._~%\0-])")


def pinned(term: Term) -> frozenset[str]:
    """The columns whose values can be read back from the term.

    One column can, whatever stands around it. Of several, only those an IRI template sets off with characters
    that encoding leaves to nobody else (`/`, not `-`). A whole IRI can't: making it safe may make two one.
    """
    if term.iri and term.whole:
        return frozenset()
    if sum(isinstance(part, Column) for part in term.parts) == 1:
        return term.columns
    if not term.iri:
        return frozenset()
    parts = (*term.parts, "/")  # an IRI template starts with text; its end counts as set off
    found = set()
    for before, part, after in zip(parts, parts[1:], parts[2:], strict=False):
        if isinstance(part, Column) and isinstance(before, str) and isinstance(after, str):
            found |= {part.name} if _BETWEEN.fullmatch(before[-1]) and _BETWEEN.fullmatch(after[0]) else set()
    return frozenset(found)


def may_equal(one: Term, other: Term) -> bool:
    """Whether two terms could be the same RDF term for some values of their columns; true when in doubt."""
    if (one.iri, one.datatype, one.language) != (other.iri, other.datatype, other.language):
        return False
    first, second = _text(one), _text(other)
    if one.iri and not one.whole and not other.whole:
        left, right = _BETWEEN.split(first), _BETWEEN.split(second)
        return len(left) == len(right) and all(map(_fit, left, right))
    return _fit(first, second)


def _text(term: Term) -> str:
    return "".join(part if isinstance(part, str) else _ANY for part in term.parts)


def _fit(one: str, other: str) -> bool:
    """Whether two texts with gaps agree up to their first gap and from their last one."""
    if _ANY not in one and _ANY not in other:
        return one == other
    starts = sorted((one.split(_ANY)[0], other.split(_ANY)[0]), key=len)
    ends = sorted((one.split(_ANY)[-1], other.split(_ANY)[-1]), key=len)
    if _ANY not in one or _ANY not in other:
        gapped, fixed = (one, other) if _ANY in one else (other, one)
        return fixed.startswith(gapped.split(_ANY)[0]) and fixed.endswith(gapped.split(_ANY)[-1])
    return starts[1].startswith(starts[0]) and ends[1].endswith(ends[0])
