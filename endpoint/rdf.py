"""Descriptions and quads written as RDF."""

from collections.abc import Iterable

import pyoxigraph as ox

from endpoint.describe import Description, Term
from endpoint.engine import NotAcceptable
from endpoint.engine.frames import Refusal
from endpoint.engine.oxigraph import writable
from endpoint.formats import Format
from endpoint.terms import NAMESPACES


def _node(term: Term) -> ox.NamedNode | ox.Literal:
    if term.kind == "iri":
        return ox.NamedNode(term.value)
    if term.lang:
        return ox.Literal(term.value, language=term.lang)
    return ox.Literal(term.value, datatype=ox.NamedNode(term.datatype) if term.datatype else None)


def serialise(found: Description, fmt: Format) -> bytes:
    """A description as RDF: what is said of the thing and its parts, and what points to it; in TriG with the graphs."""
    quads = [(s, p, _node(o), g) for s, p, o, g in found.quads]
    quads += [(s, p, ox.NamedNode(found.iri), g) for s, p, g in found.incoming]
    return written((ox.Quad(ox.NamedNode(s), ox.NamedNode(p), o, ox.NamedNode(g)) for s, p, o, g in quads), fmt)


def written(quads: Iterable[ox.Quad], fmt: Format) -> bytes:
    """Quads in a format, with the prefixes they use. Raises NotAcceptable for what the format cannot say (RDF/XML)."""
    rdf: ox.RdfFormat = getattr(ox.RdfFormat, fmt.serialiser)
    quads = list(quads)
    iris = {n.value for q in quads for n in (q.subject, q.predicate, q.object) if isinstance(n, ox.NamedNode)}
    iris |= {q.object.datatype.value for q in quads if isinstance(q.object, ox.Literal)}
    spaces = {iri[: max(iri.rfind("/"), iri.rfind("#")) + 1] for iri in iris}
    used = {prefix: namespace for prefix, namespace in NAMESPACES.items() if namespace in spaces}
    statements: Iterable[ox.Quad] | Iterable[ox.Triple] = quads
    if fmt.name not in ("trig", "nquads"):
        statements = writable((quad.triple for quad in quads), set(), rdf == ox.RdfFormat.RDF_XML)
    try:
        text = ox.serialize(statements, format=rdf, prefixes=used)
    except Refusal as refusal:
        raise NotAcceptable(str(refusal), "graph") from refusal
    if text is None or fmt.name not in ("turtle", "trig"):
        return text or b""
    # pyoxigraph declares the prefixes in another order each time; the same data shall be the same bytes.
    lines = text.splitlines(keepends=True)
    return b"".join(sorted(lines[: len(used)]) + lines[len(used) :])
