"""The diagram of the model, drawn from the ontology: classes as boxes, arrows for the more general and for links."""

from __future__ import annotations

from dataclasses import dataclass

from endpoint.language import Language
from endpoint.layout import Box, lay_out
from endpoint.terms import ONTO, Links, last_part, short
from endpoint.views import Text
from endpoint.vocabulary import Vocabulary

LINE = 18  # height of a line of text
PAD = 10  # around the text of a box
LONGEST = 44  # characters of a line

# How wide characters are at the size the style sheet gives; nobody's fonts are known here, so rather too wide.
_NARROW, _WIDE = set("iljtfrI.,:;'|!()[] "), set("mwMWABCDEFGHKNOPQRSUVXYZ@%")


@dataclass(frozen=True)
class Line:
    """A line of text in a box: a property, with the address of its entry."""

    text: Text
    href: str | None
    y: float


@dataclass(frozen=True)
class Drawn:
    """A class ("ours", "other") with the datatype properties said of it, or ("names") the properties of a link."""

    kind: str
    box: Box
    title: Text | None
    code: str
    href: str | None
    lines: list[Line]


@dataclass(frozen=True)
class Arrow:
    """A line: "up" begins at the more general of two classes, "from" leads to the name of a link, "to" away from it."""

    kind: str
    path: str


@dataclass(frozen=True)
class Drawing:
    """All of it, for the template."""

    nodes: list[Drawn]
    arrows: list[Arrow]
    width: float
    height: float


def draw(vocabulary: Vocabulary, language: Language, links: Links) -> Drawing:
    """The diagram of a vocabulary: our classes, those right above, and those that our object properties join."""
    graph, groups = vocabulary.graph, vocabulary.groups

    def said_of(prop: str) -> list[str]:
        """Its domain; where it is said of several classes, a domain would be all of them at once: there is a hint."""
        return [*graph.iris(prop, "rdfs:domain"), *graph.iris(prop, "schema:domainIncludes")]

    def text(iri: str) -> Text:
        label = language.choose(graph.labels(iri))
        word = language.get(f"term.{short(iri)}")
        named = Text(*label) if label else Text(word, language.code) if word else Text(last_part(iri))
        return Text(_cut(named.text), named.lang)

    def node(iri: str) -> Drawn:
        said = [prop for prop in groups["datatype_properties"] if iri in said_of(prop)]
        kind = "ours" if iri.startswith(ONTO) else "other"
        return _node(kind, text(iri), short(iri) or last_part(iri), links.href(iri), [(text(p), p) for p in said])

    def _node(kind: str, title: Text | None, code: str, href: str | None, lines: list[tuple[Text, str]]) -> Drawn:
        code = _cut(code)
        above = 2 * LINE + 6 if title else 0
        words = [_width(each.text) for each, _ in lines]
        words += [_width(title.text) * 1.18, 6.8 * len(code)] if title else []
        height = above + LINE * len(lines) + (PAD if title else 4)
        shown = [Line(each, links.href(prop), above + LINE * (n + 0.8)) for n, (each, prop) in enumerate(lines)]
        return Drawn(kind, Box(max(words) + 2 * PAD, height), title, code, href, shown)

    ours = groups["classes"]
    joined: dict[tuple[str, str], list[str]] = {}
    for prop in groups["object_properties"]:
        for start in said_of(prop):
            for end in graph.iris(prop, "rdfs:range"):
                joined.setdefault((start, end), []).append(prop)
    classes = dict.fromkeys([*ours, *(up for each in ours for up in graph.iris(each, "rdfs:subClassOf"))])
    classes |= dict.fromkeys(iri for pair in joined for iri in pair)

    nodes = [node(iri) for iri in classes]
    number = {iri: n for n, iri in enumerate(classes)}
    edges: list[tuple[int, int]] = []
    kinds: list[str] = []
    for iri in classes:
        above = [number[up] for up in graph.iris(iri, "rdfs:subClassOf") if up in number and up != iri]
        edges += [(up, number[iri]) for up in above]
        kinds += ["up"] * len(above)
    for (start, end), props in joined.items():
        edges += [(number[start], len(nodes)), (len(nodes), number[end])]
        kinds += ["from", "to"]
        nodes.append(_node("names", None, "", None, [(text(prop), prop) for prop in props]))
    layout = lay_out([each.box for each in nodes], edges)
    arrows = [Arrow(kind, line) for kind, line in zip(kinds, layout.lines, strict=True)]
    return Drawing(nodes, arrows, layout.width, layout.height)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _width(text: str) -> float:
    return sum(4.9 if c in _NARROW else 10.6 if c in _WIDE else 8.0 for c in text)
