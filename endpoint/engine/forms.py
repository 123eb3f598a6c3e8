"""What a query asks for, told from its text before it is sent to a store that will do the parsing.

No parser runs over every query: pyoxigraph's ends the whole process at deep nesting (it overflows the stack), rdflib's
takes a millisecond for the shortest and 16 for the median of our examples. What has to be known needs neither: the
keyword after the prologue, and that the letters of SERVICE occur nowhere. Only a query that has them is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pyparsing import ParseBaseException
from rdflib.plugins.sparql.parser import parseQuery
from rdflib.plugins.sparql.parserutils import CompValue

from endpoint.engine import QueryRefused, QuerySyntax
from endpoint.engine.keywords import is_update, unescaped
from endpoint.formats import Kind

# https://www.w3.org/TR/sparql11-query/#rPrologue, in which a comment may stand wherever a blank may.
_BLANK = r"(?:\s|\#[^\n\r]*(?:[\n\r]|\Z))"
_IRI = r'<[^<>"{}|^`\\\x00-\x20]*>'
_FORM = re.compile(
    rf"{_BLANK}*(?:(?:BASE{_BLANK}*|PREFIX{_BLANK}+[^\s:<>#]*:{_BLANK}*){_IRI}{_BLANK}*)*"
    r"(SELECT|ASK|CONSTRUCT|DESCRIBE)(?![\w:-])",
    re.IGNORECASE,
)
_KINDS: dict[str, Kind] = {"select": "results", "ask": "boolean", "construct": "graph", "describe": "graph"}
# What can hold the word without its being a keyword, by the longest match, as https://www.w3.org/TR/sparql11-query/
# #sparqlGrammar has it: literals and IRIs; and comments.
_QUOTED = re.compile(
    rf"{_IRI}|'''(?:'{{0,2}}(?:[^'\\]|\\.))*'''|\"\"\"(?:\"{{0,2}}(?:[^\"\\]|\\.))*\"\"\""
    r"|'(?:[^'\\\n\r]|\\.)*'|\"(?:[^\"\\\n\r]|\\.)*\"|\#[^\n\r]*",
    re.DOTALL,
)
_KEYWORD = re.compile(r"(?<![\w:?$@.-])service(?![\w:-])", re.IGNORECASE)
SERVICE_REFUSED = "This endpoint does not call other endpoints: SERVICE is not allowed."


def form(text: str) -> Kind:
    """The kind of answer a query asks for. Raises QueryRefused for SERVICE and for updates, QuerySyntax for no query.

    >>> form("# all\\nPREFIX x: <x:y#> ASK { ?s x:z ?o }"), form("describe<x:y>")
    ('boolean', 'graph')
    """
    text = unescaped(text)
    found = _FORM.match(text)
    if found is None:
        if is_update(text):
            raise QueryRefused("This endpoint is read-only: it runs no updates.")
        raise QuerySyntax(
            "Not a SPARQL 1.1 query: after PREFIX and BASE comes SELECT, ASK, CONSTRUCT or DESCRIBE. The store behind "
            "this endpoint may know other beginnings; this endpoint passes on the standard ones."
        )
    # Both: some letters beyond ASCII are an S or an I in one case only, and a store may think so too.
    if "SERVICE" in text.upper() or "service" in text.casefold():
        _refuse_service(text)
    return _KINDS[found[1].lower()]


@lru_cache(64)
def _refuse_service(text: str) -> None:
    """Raise QueryRefused unless two ways of reading the text agree that the word is no keyword in it.

    One way is a grammar's (rdflib's), the other the specification's longest match of tokens: stores read in both, and
    they differ where `<` may open an IRI or compare.
    """
    try:
        parsed = parseQuery(text)
    except (ParseBaseException, RecursionError, ValueError) as fault:
        raise QueryRefused(
            "The query has the word SERVICE and cannot be read here, so whether it calls another endpoint cannot be "
            f"told ({str(fault) or type(fault).__name__}). Without that word it is passed on to the store."
        ) from fault
    if _mentions(parsed, "ServiceGraphPattern") or _KEYWORD.search(_QUOTED.sub("''", text)):
        raise QueryRefused(SERVICE_REFUSED)


def _mentions(node: Any, name: str) -> bool:
    """Whether a parse tree of rdflib's has a node of this name."""
    if isinstance(node, CompValue):
        return node.name == name or any(_mentions(value, name) for value in node.values())
    if isinstance(node, Sequence) and not isinstance(node, str | bytes):
        return any(_mentions(value, name) for value in node)
    # pyparsing's own containers are no Sequence, but are walked like one.
    return hasattr(node, "asList") and any(_mentions(value, name) for value in node)
