"""Which queries sparq is not given, by the rules of guard.toml.

They are judged on the syntax tree tree-sitter makes of a query, in some 50 microseconds (rdflib's algebra takes some
75 milliseconds), kept for queries asked again. A text the grammar cannot read is not given to sparq either.
"""

import tomllib
import warnings
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import tree_sitter_sparql
from tree_sitter import Language, Node, Parser, Query, QueryCursor

UNREAD = "unread"


@lru_cache(1024)
def reason(text: str) -> str | None:
    """The name of the rule by which a query that parses is not for sparq, `unread` if we cannot tell, else None."""
    root = Parser(_language()).parse(text.encode()).root_node
    if root.has_error:
        return UNREAD
    for name, pattern in _patterns():
        if QueryCursor(pattern).captures(root):
            return name
    return "apart" if any(_apart(run) for group in _groups(root) for run in _runs(group)) else None


@cache
def rules() -> dict[str, str]:
    """Why, by the name of the rule."""
    return {rule["name"]: " ".join(rule["because"].split()) for rule in _told()}


@cache
def _told() -> list[dict[str, str]]:
    told: list[dict[str, str]] = tomllib.loads(Path(__file__).with_name("guard.toml").read_text("utf-8"))["rule"]
    return told


@cache
def _language() -> Language:
    with warnings.catch_warnings():
        # The grammar hands its pointer over as a number still, which tree-sitter calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Language(tree_sitter_sparql.language())


@cache
def _patterns() -> list[tuple[str, Query]]:
    return [(rule["name"], Query(_language(), rule["pattern"])) for rule in _told() if "pattern" in rule]


def _groups(node: Node) -> Iterator[Node]:
    """The groups of a query, each one's own patterns its children."""
    if node.type == "group_graph_pattern":
        yield node
    for child in node.named_children:
        yield from _groups(child)


def _runs(group: Node) -> Iterator[list[set[bytes]]]:
    """The basic graph patterns of a group (filters do not end one), as the variables of each of their subjects."""
    run: list[set[bytes]] = []
    for child in group.named_children:
        if child.type == "triples_block":
            run += [names for triples in child.named_children if (names := set(_names(triples)))]
        elif child.type not in ("filter", "comment"):
            yield run
            run = []
    yield run


def _names(node: Node) -> Iterator[bytes]:
    """The variables and blank nodes under a node; `$x` is `?x`."""
    if node.type in ("var", "blank_node_label") and node.text:
        yield node.text.replace(b"$", b"?", 1)
    for child in node.named_children:
        yield from _names(child)


def _apart(run: list[set[bytes]]) -> bool:
    """Whether these sets do not all hang together."""
    if not run:
        return False
    together, left = set(run[0]), run[1:]
    while joined := [names for names in left if names & together]:
        together = together.union(*joined)
        left = [names for names in left if names not in joined]
    return bool(left)
