"""Which keywords a query uses, and which of them are refused: judged by a parser, not by our own reading."""

import re

import pyoxigraph as ox

from endpoint.engine.frames import Refusal

_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_SERVICE_PATTERN = re.compile(r"(?<![\w:/#?$.\-])service(?:\s+silent)?(?![\w:/#.\-])", re.IGNORECASE)
_UPDATE = re.compile(
    r"(?:\s|\#[^\n\r]*[\n\r]|(?:PREFIX\s+[^\s:]*:|BASE)\s*<[^>]*>)*"
    r"(?:INSERT|DELETE|LOAD|CLEAR|CREATE|DROP|COPY|MOVE|ADD|WITH)\b",
    re.IGNORECASE,
)


def uses(keyword: str, text: str) -> bool:
    """Whether a query that parses uses a keyword, judged by the very parser that will run it.

    Telling a keyword from a literal, a comment or an IRI by our own scan can be fooled (`<` opens an IRI or compares,
    which only the grammar knows). So the word is spelt wrong wherever it occurs and the text parsed again: inside
    literals, comments, IRIs and names that changes nothing, a keyword it breaks. An empty store makes it cheap. True
    for a text that does not parse at all.
    """
    text = unescaped(text)
    word = re.compile(keyword, re.IGNORECASE)
    if not word.search(text):
        return False
    try:
        ox.Store().query(word.sub(keyword[:-1] + "xx", text))
    except SyntaxError:
        return True
    return False


def refuse_service(text: str) -> None:
    """Raise a Refusal for a query with SERVICE, SyntaxError for one that has the word and does not parse anyway."""
    if not uses("service", text):
        return
    # Never hand the text itself to a parser that might run it: GRAPH stands in, just as long, so places stay right.
    ox.Store().query(_SERVICE_PATTERN.sub(lambda found: "GRAPH".ljust(len(found[0])), text))
    raise Refusal("QueryRefused", "This endpoint does not call other endpoints: SERVICE is not allowed.")


def is_update(text: str) -> bool:
    """Whether a text that is no query begins as an update does."""
    return _UPDATE.match(text) is not None


def unescaped(text: str) -> str:
    """The text with the ASCII letters it has as code points (SPARQL 1.1, 19.2) written plainly."""
    return _ESCAPE.sub(_letter, text)


def _letter(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2], 16)
    return chr(code) if code < 128 and chr(code).isalpha() else escape[0]
