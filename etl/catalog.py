"""What a release is, for machines that harvest: DCAT-AP_IT, VoID and PROV-O in one graph, from its manifest.

Sources: https://www.dati.gov.it/ (DCAT-AP_IT 2.0), https://www.w3.org/TR/vocab-dcat-3/, https://www.w3.org/TR/void/,
https://www.w3.org/TR/prov-o/. Every node has an IRI: no blank nodes anywhere in what is published.
"""

from __future__ import annotations

from typing import Any, Final

from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, PROV, RDF, RDFS, VOID, XSD

DCATAPIT: Final = Namespace("http://dati.gov.it/onto/dcatapit#")
SPDX: Final = Namespace("http://spdx.org/rdf/terms#")
_EU: Final = "http://publications.europa.eu/resource/authority/"
_THEMES: Final = [URIRef(f"{_EU}data-theme/{theme}") for theme in ("GOVE", "ECON")]
_LANGUAGE: Final = URIRef(f"{_EU}language/ITA")
_NQUADS: Final = URIRef("https://www.iana.org/assignments/media-types/application/n-quads")
_FILE_TYPE: Final = URIRef(f"{_EU}file-type/RDF_N_QUADS")
_GZIP: Final = URIRef("https://www.iana.org/assignments/media-types/application/gzip")
#: Graphs that are no source's own, with what they hold.
OWN_GRAPHS: Final = {
    "links": {
        "title": {"it": "Fonti a confronto", "en": "Sources compared"},
        "description": {
            "it": "Che cosa si sa di ogni CUP e dove le fonti discordano: ogni valore con la sua fonte, senza scelte.",
            "en": "What is known of each CUP and where sources disagree: each value with its source, none chosen.",
        },
    },
    "quality": {
        "title": {"it": "Problemi trovati nelle fonti", "en": "Problems found in the sources"},
        "description": {
            "it": "Ogni valore che non si è potuto pubblicare o che sembra sbagliato, con il luogo e il motivo.",
            "en": "Every value that could not be published or looks wrong, with its place and the reason.",
        },
    },
    "ontology": {
        "title": {"it": "L'ontologia di Cupola", "en": "The Cupola ontology"},
        "description": {
            "it": "Le classi e le proprietà con cui i progetti sono descritti, e gli elenchi di codici.",
            "en": "The classes and properties that projects are described with, and the code lists.",
        },
    },
    "public-contracts": {
        "title": {
            "it": "I contratti nella Public Contracts Ontology",
            "en": "Contracts in the Public Contracts Ontology",
        },
        "description": {
            "it": "Lotti, bandi e aggiudicazioni delle fonti, detti con i termini della Public Contracts Ontology.",
            "en": "Lots, notices and awards of the sources, told in the terms of the Public Contracts Ontology.",
        },
    },
}


def describe(manifest: dict[str, Any], publisher: str) -> Graph:
    """The catalogue of the release a manifest tells of; `publisher` is the name of who publishes it."""
    graph = Graph()
    for prefix, namespace in {
        "dcat": DCAT, "dcatapit": DCATAPIT, "dct": DCTERMS, "foaf": FOAF, "prov": PROV, "spdx": SPDX, "void": VOID,
    }.items():  # fmt: skip
        graph.bind(prefix, namespace)
    base = str(manifest["base"])
    catalog, agent = URIRef(f"{base}catalog"), URIRef(f"{base}id/publisher")
    created = Literal(manifest["created"], datatype=XSD.dateTime)

    graph.add((agent, RDF.type, FOAF.Agent))
    graph.add((agent, RDF.type, DCATAPIT.Agent))
    graph.add((agent, RDFS.label, Literal(publisher)))
    graph.add((agent, FOAF.name, Literal(publisher)))
    graph.add((agent, DCTERMS.identifier, Literal("cupola")))

    graph.add((catalog, RDF.type, DCAT.Catalog))
    graph.add((catalog, RDF.type, URIRef(f"{DCATAPIT}Catalog")))
    _texts(
        graph,
        catalog,
        {
            "title": {
                "it": "Cupola: i progetti d'investimento pubblico per CUP",
                "en": "Cupola: public-investment projects by CUP",
            },
            "description": {
                "it": "Schede progetto e dati aperti sugli investimenti pubblici italiani come dati collegati, "
                "controllati e legati al loro Codice Unico di Progetto.",
                "en": "Project sheets and open data on Italian public investment as linked data, checked and tied to "
                "their unique project code (CUP).",
            },
        },
    )
    graph.add((catalog, DCTERMS.publisher, agent))
    graph.add((catalog, DCTERMS.modified, created))
    graph.add((catalog, DCTERMS.language, _LANGUAGE))
    graph.add((catalog, DCAT.themeTaxonomy, URIRef(f"{_EU}data-theme")))
    graph.add((catalog, FOAF.homepage, URIRef(base)))
    service = _service(graph, base, agent)
    graph.add((catalog, DCAT.service, service))

    release = _activity(graph, manifest)
    sources = {source["id"]: source for source in manifest["sources"]}
    for part in manifest["graphs"]:
        name = str(part["iri"]).removeprefix(f"{base}graph/")
        dataset = _dataset(graph, base, name, part, sources.get(name) or OWN_GRAPHS[name])
        graph.add((catalog, DCAT.dataset, dataset))
        graph.add((service, DCAT.servesDataset, dataset))
        graph.add((dataset, DCTERMS.publisher, agent))
        graph.add((dataset, DCTERMS.rightsHolder, agent))
        graph.add((dataset, DCTERMS.modified, created))
        graph.add((dataset, PROV.wasGeneratedBy, release))
    return graph


def _dataset(graph: Graph, base: str, name: str, part: dict[str, Any], about: dict[str, Any]) -> URIRef:
    """One graph of the release as a dataset, with its dump."""
    dataset, dump = URIRef(f"{base}id/dataset/{name}"), URIRef(f"{base}dumps/{part['file']}")
    licence = URIRef(about.get("licence", "https://creativecommons.org/licenses/by/4.0/"))
    for kind in (DCAT.Dataset, DCATAPIT.Dataset, VOID.Dataset):
        graph.add((dataset, RDF.type, kind))
    _texts(graph, dataset, about)
    graph.add((dataset, DCTERMS.identifier, Literal(name)))
    graph.add((dataset, DCTERMS.accrualPeriodicity, URIRef(f"{_EU}frequency/IRREG")))
    graph.add((dataset, DCTERMS.license, licence))
    graph.add((dataset, DCTERMS.language, _LANGUAGE))
    for theme in _THEMES:
        graph.add((dataset, DCAT.theme, theme))
    if about.get("homepage"):
        graph.add((dataset, DCAT.landingPage, URIRef(about["homepage"])))
    if "publisher" in about:
        graph.add((dataset, DCTERMS.creator, _named(graph, base, about["publisher"])))
    graph.add((dataset, VOID.sparqlEndpoint, URIRef(f"{base}sparql")))
    graph.add((dataset, VOID.uriSpace, Literal(f"{base}id/")))
    graph.add((dataset, VOID.triples, Literal(part["triples"])))
    graph.add((dataset, VOID.dataDump, dump))

    graph.add((dataset, DCAT.distribution, dump))
    graph.add((dump, RDF.type, DCAT.Distribution))
    graph.add((dump, RDF.type, DCATAPIT.Distribution))
    graph.add((dump, RDFS.label, Literal(part["file"])))
    graph.add((dump, DCTERMS.title, Literal(part["file"])))
    graph.add((dump, DCAT.accessURL, URIRef(f"{base}dumps/")))
    graph.add((dump, DCAT.downloadURL, dump))
    graph.add((dump, DCTERMS.license, licence))
    graph.add((dump, DCTERMS.format, _FILE_TYPE))
    graph.add((dump, DCAT.mediaType, _NQUADS))
    graph.add((dump, DCAT.compressFormat, _GZIP))
    graph.add((dump, DCAT.byteSize, Literal(part["bytes"], datatype=XSD.nonNegativeInteger)))
    checksum = URIRef(f"{base}id/checksum/{part['sha256']}")
    graph.add((dump, SPDX.checksum, checksum))
    graph.add((checksum, RDF.type, SPDX.Checksum))
    graph.add((checksum, RDFS.label, Literal(f"SHA-256 {part['sha256']}")))
    graph.add((checksum, SPDX.algorithm, SPDX.checksumAlgorithm_sha256))
    graph.add((checksum, SPDX.checksumValue, Literal(part["sha256"], datatype=XSD.hexBinary)))
    return dataset


def _service(graph: Graph, base: str, agent: URIRef) -> URIRef:
    service = URIRef(f"{base}sparql")
    graph.add((service, RDF.type, DCAT.DataService))
    _texts(graph, service, {"title": {"it": "Endpoint SPARQL di Cupola", "en": "Cupola SPARQL endpoint"}})
    graph.add((service, DCAT.endpointURL, service))
    graph.add((service, DCAT.endpointDescription, service))
    graph.add((service, DCTERMS.conformsTo, URIRef("https://www.w3.org/TR/sparql11-protocol/")))
    graph.add((service, DCTERMS.publisher, agent))
    return service


def _activity(graph: Graph, manifest: dict[str, Any]) -> URIRef:
    """The making of the release, and the files it used."""
    base = str(manifest["base"])
    release = URIRef(f"{base}release/{manifest['id']}")
    graph.add((release, RDF.type, PROV.Activity))
    graph.add((release, RDFS.label, Literal(f"Release {manifest['id']}", lang="en")))
    graph.add((release, PROV.endedAtTime, Literal(manifest["created"], datatype=XSD.dateTime)))
    for entry in manifest["inputs"]:
        used = URIRef(f"{base}id/file/{entry['sha256']}")
        graph.add((release, PROV.used, used))
        graph.add((used, RDF.type, PROV.Entity))
        graph.add((used, RDFS.label, Literal(entry["file"])))
    return release


def _named(graph: Graph, base: str, name: str) -> URIRef:
    """A publisher of a source, by the name the source folder gives; ours to mint, merged with nobody."""
    slug = "".join(c if c.isalnum() and c.isascii() else "-" for c in name.lower()).strip("-")
    agent = URIRef(f"{base}id/publisher/{slug}")
    graph.add((agent, RDF.type, FOAF.Agent))
    graph.add((agent, RDFS.label, Literal(name, lang="it")))
    graph.add((agent, FOAF.name, Literal(name, lang="it")))
    return agent


def _texts(graph: Graph, subject: URIRef, about: dict[str, Any]) -> None:
    for key, predicate in (("title", DCTERMS.title), ("description", DCTERMS.description)):
        for language, text in about.get(key, {}).items():
            graph.add((subject, predicate, Literal(text, lang=language)))
            if key == "title":  # the name every visible thing has
                graph.add((subject, RDFS.label, Literal(text, lang=language)))
