"""The formats this endpoint speaks: one table for negotiation, extensions, documentation and service description."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from werkzeug.datastructures import MIMEAccept

Kind = Literal["results", "boolean", "graph"]
KINDS: tuple[Kind, ...] = ("results", "boolean", "graph")


@dataclass(frozen=True)
class Format:
    """One way of writing an answer.

    `kinds` are the answers it can write: "results" (SELECT), "boolean" (ASK), "graph" (CONSTRUCT, DESCRIBE, resources).
    `iri` is the W3C's name for it (https://www.w3.org/ns/formats/), `serialiser` pyoxigraph's (in RdfFormat or
    QueryResultsFormat), `also` the media types that older clients ask for, `called` what SPARQLWrapper names it in
    `?format=`, where it says json and xml for graphs too.
    """

    name: str
    title: str
    media_type: str
    extension: str
    iri: str
    kinds: tuple[Kind, ...]
    serialiser: str
    also: tuple[str, ...] = ()
    called: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        """The media type as sent: with a charset where the registration of a text type knows one."""
        return f"{self.media_type}; charset=utf-8" if self.media_type.startswith("text/") else self.media_type


_F = "http://www.w3.org/ns/formats/"
_TABULAR: tuple[Kind, ...] = ("results", "boolean")

# In order of preference: the first that fits answers a client that has none.
FORMATS = (
    Format("json", "SPARQL JSON", "application/sparql-results+json", "srj", f"{_F}SPARQL_Results_JSON",
           _TABULAR, "JSON", ("application/json",)),
    Format("xml", "SPARQL XML", "application/sparql-results+xml", "srx", f"{_F}SPARQL_Results_XML",
           _TABULAR, "XML", ("application/xml", "text/xml")),
    Format("csv", "CSV", "text/csv", "csv", f"{_F}SPARQL_Results_CSV", _TABULAR, "CSV"),
    Format("tsv", "TSV", "text/tab-separated-values", "tsv", f"{_F}SPARQL_Results_TSV", _TABULAR, "TSV"),
    Format("turtle", "Turtle", "text/turtle", "ttl", f"{_F}Turtle", ("graph",), "TURTLE", ("application/x-turtle",),
           ("n3",)),
    Format("jsonld", "JSON-LD", "application/ld+json", "jsonld", "https://www.w3.org/ns/formats/data/JSON-LD",
           ("graph",), "JSON_LD", ("application/json",), ("json-ld", "json")),
    Format("ntriples", "N-Triples", "application/n-triples", "nt", f"{_F}N-Triples", ("graph",), "N_TRIPLES",
           ("text/plain",)),
    Format("rdfxml", "RDF/XML", "application/rdf+xml", "rdf", f"{_F}RDF_XML", ("graph",), "RDF_XML",
           ("application/xml", "text/xml"), ("rdf+xml", "xml")),
    Format("trig", "TriG", "application/trig", "trig", f"{_F}TriG", ("graph",), "TRIG", ("application/x-trig",)),
    Format("nquads", "N-Quads", "application/n-quads", "nq", f"{_F}N-Quads", ("graph",), "N_QUADS", ("text/x-nquads",)),
)  # fmt: skip

HTML = "text/html"


def of(kind: Kind) -> tuple[Format, ...]:
    """The formats that can write an answer of this kind, best first."""
    return tuple(f for f in FORMATS if kind in f.kinds)


def named(name: str, kind: Kind) -> Format | None:
    """The format meant with `?format=name` or `.name`: name, extension or type; None when unknown.

    Several may stand there with commas between, as SPARQLWrapper writes the types it takes.
    """
    wanted = {each.strip() for each in name.lower().split(",")}
    return next((f for f in of(kind) if wanted & {f.name, f.extension, f.media_type, *f.also, *f.called}), None)


def by_type(kind: Kind) -> dict[str, Format]:
    """Every media type that can be asked for an answer of this kind, best first: the registered, then the older."""
    types = {f.media_type: f for f in of(kind)}
    for f in of(kind):
        for old in f.also:
            types.setdefault(old, f)
    return types


def negotiate(accept: MIMEAccept, offered: Iterable[str]) -> str | None:
    """The media type of `offered` (best first) that this Accept header likes best; None when it refuses them all.

    A missing header takes anything (RFC 9110, 12.5.1), so the first offered.
    """
    offers = list(offered)
    if not accept:
        return offers[0]
    # `;charset=utf-8`, `;profile=…`: what we have is the nearest there is to any parameter.
    plain = MIMEAccept([(value.partition(";")[0].strip(), quality) for value, quality in accept])
    return plain.best_match(offers)


def preferred(accept: MIMEAccept, kind: Kind) -> Format | None:
    """The format of this kind that an Accept header likes best; older names of a type count last."""
    types = by_type(kind)
    best = negotiate(accept, types)
    return types[best] if best is not None else None


def listing(kinds: Iterable[Kind]) -> str:
    """The media types that can be had, for the text of a 406."""
    wanted = set(kinds)
    return ", ".join(f"{f.media_type} (?format={f.name})" for f in FORMATS if wanted & set(f.kinds))
