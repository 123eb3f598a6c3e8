"""The vocabulary at /onto/: as a page or as RDF, its diagram, its JSON-LD context; each term leads to its entry."""

import pyoxigraph as ox
from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import NotFound

from endpoint import addresses, errors, formats, pages
from endpoint.context import MEDIA_TYPE
from endpoint.formats import Format
from endpoint.language import LANGUAGES
from endpoint.rdf import written
from endpoint.resources import best, cached, see_other
from endpoint.service import Service
from endpoint.terms import ONTO

blueprint = Blueprint("onto", __name__)


def _service() -> Service:
    service: Service = current_app.extensions["cupola"]
    return service


@blueprint.get("/onto/")
def ontology() -> Response:
    """The vocabulary: RDF as a whole, or its page."""
    chosen = best(html=True)
    if chosen is None:
        return errors.not_acceptable(("graph",), html=True)
    response = pages.ontology_page() if isinstance(chosen, str) else _ontology(chosen)
    response.vary.add("Accept")
    return response


@blueprint.get("/onto.<extension>")
def ontology_file(extension: str) -> Response:
    """The vocabulary in one format."""
    chosen = next((f for f in formats.of("graph") if f.extension == extension), None)
    if chosen is None:
        raise NotFound(f"No such format. Available: {formats.listing(['graph'])}.")
    return _ontology(chosen)


@blueprint.get("/onto/context.jsonld")
def context() -> Response:
    """The names our JSON-LD uses, for whoever writes or reads JSON with them."""
    service = _service()
    response = cached(Response(service.context.document, content_type=MEDIA_TYPE), service.release, "context")
    # Readers ask for a context with every document that names it.
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@blueprint.get("/onto/diagram.svg")
def diagram() -> Response:
    """The diagram of the vocabulary."""
    return pages.ontology_diagram()


@blueprint.get("/onto/<path:_term>")
def term(_term: str) -> Response:
    """303 from a term to its entry, or to the RDF it is in; the IRI of this version is the vocabulary as a whole."""
    vocabulary = _service().vocabulary
    iris = [ONTO + spelt for spelt in addresses.spellings(addresses.after("/onto/"))]
    iri = next((iri for iri in iris if iri in vocabulary.versions or iri in vocabulary.graph.statements), None)
    if iri is None:
        raise NotFound("The vocabulary of this release has no such term; all of them are at /onto/.")
    chosen = best(html=True)
    if chosen is None:
        return errors.not_acceptable(("graph",), html=True)
    if isinstance(chosen, Format):
        return see_other(f"/onto.{chosen.extension}")
    asked = request.args.get("lang")
    language = f"?lang={asked}" if asked in LANGUAGES else ""
    return see_other(f"/onto/{language}#{addresses.address(iri.removeprefix(ONTO))}")


def _ontology(fmt: Format) -> Response:
    service = _service()
    text = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{service.release.base}graph/ontology> {{ ?s ?p ?o }} }}"
    triples = ox.parse(service.engine.query(text).read(), format=ox.RdfFormat.N_TRIPLES)
    ordered = sorted(triples, key=lambda quad: (quad.subject.value, quad.predicate.value, str(quad.object)))
    response = Response(written(ordered, fmt), content_type=fmt.content_type)
    response.headers["Link"] = f'<{ONTO}>; rel="canonical"'
    return cached(response, service.release, fmt.extension)
