"""What a release is, for machines that harvest: DCAT-AP_IT and PROV-O in one graph, from its manifest.

Sources: https://www.dati.gov.it/content/dcat-ap-it-v10-profilo-italiano-dcat-ap-0 (what is mandatory in Italy),
https://semiceu.github.io/DCAT-AP/releases/3.0.1/, https://www.w3.org/TR/vocab-dcat-3/, https://www.w3.org/TR/prov-o/.
Every node has an IRI: no blank nodes anywhere in what is published. What the graphs hold, in numbers, is etl.void's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, OWL, PROV, RDF, RDFS, XSD

DCATAPIT: Final = Namespace("http://dati.gov.it/onto/dcatapit#")
SPDX: Final = Namespace("http://spdx.org/rdf/terms#")
SCHEMA: Final = Namespace("http://schema.org/")
VCARD: Final = Namespace("http://www.w3.org/2006/vcard/ns#")
#: The licence of what is our own: the catalogue, and the graphs below.
LICENCE: Final = "https://creativecommons.org/licenses/by/4.0/"
_AUTHORITIES: Final = Path(__file__).with_name("authorities.ttl")
_EU: Final = "http://publications.europa.eu/resource/authority/"
_THEMES: Final = [URIRef(f"{_EU}data-theme/{theme}") for theme in ("GOVE", "ECON")]
_LANGUAGES: Final = [URIRef(f"{_EU}language/{language}") for language in ("ITA", "ENG")]
_ITALY: Final = URIRef(f"{_EU}country/ITA")
_ONTOLOGY: Final = URIRef("https://w3id.org/cupola/onto/")
_PROTOCOL: Final = URIRef("https://www.w3.org/TR/sparql11-protocol/")
_IANA: Final = "https://www.iana.org/assignments/media-types/application/"
_KEYWORDS: Final = {
    "it": ("CUP", "codice unico di progetto", "investimenti pubblici", "linked data"),
    "en": ("CUP", "unique project code", "public investment", "linked data"),
}
_ABOUT: Final = {
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
}
_SERVICE: Final = {
    "title": {"it": "Endpoint SPARQL di Cupola", "en": "Cupola SPARQL endpoint"},
    "description": {
        "it": "Interrogazioni SPARQL 1.1 su tutti i grafi; in sola lettura, con limiti che la risposta dichiara.",
        "en": "SPARQL 1.1 queries over all graphs; read-only, within limits that answers tell.",
    },
}
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


@dataclass(frozen=True)
class Publisher:
    """Who publishes: name; code (in Italy that of IndicePA); mail address for questions, or none."""

    name: str
    code: str
    contact: str = ""


@dataclass(frozen=True)
class _File:
    """A kind of file a dataset can be had as."""

    title: str
    format: URIRef
    media_type: URIRef
    packed: bool


_DUMP: Final = _File("N-Quads, gzip", URIRef(f"{_EU}file-type/RDF_N_QUADS"), URIRef(f"{_IANA}n-quads"), packed=True)
_TABLE: Final = _File("Parquet", URIRef(f"{_EU}file-type/PARQUET"), URIRef(f"{_IANA}vnd.apache.parquet"), packed=False)


def describe(manifest: dict[str, Any], publisher: Publisher) -> Graph:
    """The catalogue of the release a manifest tells of."""
    graph = Graph()
    for prefix, namespace in {
        "dcat": DCAT, "dcatapit": DCATAPIT, "dct": DCTERMS, "foaf": FOAF, "prov": PROV, "spdx": SPDX, "vcard": VCARD,
    }.items():  # fmt: skip
        graph.bind(prefix, namespace)
    base = str(manifest["base"])
    catalog, agent = URIRef(f"{base}catalog"), URIRef(f"{base}id/publisher")
    created = Literal(manifest["created"], datatype=XSD.dateTime)
    _agent(graph, agent, publisher.name, publisher.code)
    contact = _contact(graph, base, publisher)

    graph.add((catalog, RDF.type, DCAT.Catalog))
    graph.add((catalog, RDF.type, URIRef(f"{DCATAPIT}Catalog")))
    _texts(graph, catalog, _ABOUT)
    graph.add((catalog, DCTERMS.publisher, agent))
    graph.add((catalog, DCTERMS.modified, created))
    graph.add((catalog, DCTERMS.license, _licence(LICENCE)))
    graph.add((catalog, DCTERMS.spatial, _ITALY))
    graph.add((catalog, DCAT.themeTaxonomy, URIRef(f"{_EU}data-theme")))
    _document(graph, catalog, FOAF.homepage, URIRef(base))
    service = _service(graph, base, agent)
    graph.add((catalog, DCAT.service, service))

    release = _activity(graph, manifest)
    sources = {source["id"]: source for source in manifest["sources"]}
    for part in manifest["graphs"]:
        name = str(part["iri"]).removeprefix(f"{base}graph/")
        about = sources.get(name) or OWN_GRAPHS[name]
        dataset = _dataset(graph, base, name, about, agent)
        graph.add((catalog, DCAT.dataset, dataset))
        graph.add((service, DCAT.servesDataset, dataset))
        graph.add((dataset, DCTERMS.publisher, agent))
        changed = manifest["modified"][part["iri"]]
        graph.add((dataset, DCTERMS.modified, Literal(changed, datatype=XSD.dateTime)))
        graph.add((dataset, OWL.versionInfo, Literal(manifest["id"])))
        graph.add((dataset, URIRef(f"{DCAT}version"), Literal(manifest["id"])))
        graph.add((dataset, PROV.wasGeneratedBy, release))
        _extent(graph, base, dataset, part)
        tables = [table for table in manifest.get("tables", ()) if table["graph"] == part["iri"]]
        for kind, file in [(_DUMP, part), *((_TABLE, table) for table in tables)]:
            _distribution(graph, base, dataset, about, kind, file)
        if contact is not None:
            graph.add((dataset, DCAT.contactPoint, contact))
    for one in (catalog, *graph.objects(catalog, DCAT.dataset)):
        for language in _LANGUAGES:
            graph.add((one, DCTERMS.language, language))
    _explain(graph)
    return graph


def _dataset(graph: Graph, base: str, name: str, about: dict[str, Any], agent: URIRef) -> URIRef:
    """One graph of the release as a dataset."""
    dataset = URIRef(f"{base}id/dataset/{name}")
    for kind in (DCAT.Dataset, DCATAPIT.Dataset):
        graph.add((dataset, RDF.type, kind))
    _texts(graph, dataset, about)
    graph.add((dataset, DCTERMS.identifier, Literal(name)))
    graph.add((dataset, DCTERMS.accrualPeriodicity, URIRef(f"{_EU}frequency/IRREG")))
    graph.add((dataset, DCTERMS.accessRights, URIRef(f"{_EU}access-right/PUBLIC")))
    graph.add((dataset, DCTERMS.license, _licence(about.get("licence") or LICENCE)))
    graph.add((dataset, DCTERMS.conformsTo, _ONTOLOGY))
    for theme in _THEMES:
        graph.add((dataset, DCAT.theme, theme))
    for language, words in _KEYWORDS.items():
        for word in words:
            graph.add((dataset, DCAT.keyword, Literal(word, lang=language)))
    _document(graph, dataset, DCAT.landingPage, URIRef(f"{base}doc/dataset/{name}"))
    if about.get("homepage"):
        _document(graph, dataset, FOAF.page, URIRef(about["homepage"]))
    # The administration that made the data holds the rights, whoever publishes them again (D. Lgs. 36/2006, art. 2, i).
    holder = _source_publisher(graph, base, about["publisher"]) if about.get("publisher") else agent
    graph.add((dataset, DCTERMS.rightsHolder, holder))
    graph.add((dataset, DCTERMS.creator, holder))
    return dataset


def _extent(graph: Graph, base: str, dataset: URIRef, part: dict[str, Any]) -> None:
    """Where and when what the dataset tells of is: Italy, the regions it names, and from when to when."""
    graph.add((dataset, DCTERMS.spatial, _ITALY))
    for region in part.get("regions", ()):
        graph.add((dataset, DCTERMS.spatial, URIRef(region)))
        graph.add((URIRef(region), RDF.type, DCTERMS.Location))
    if part.get("period"):
        name = str(dataset).removeprefix(f"{base}id/dataset/")
        period = URIRef(f"{base}catalog#period-{name}")
        graph.add((dataset, DCTERMS.temporal, period))
        graph.add((period, RDF.type, DCTERMS.PeriodOfTime))
        for told, day in zip(("startDate", "endDate"), part["period"], strict=True):
            for space in (DCAT, SCHEMA):  # as Europe says it, and as Italy does
                graph.add((period, URIRef(f"{space}{told}"), Literal(day, datatype=XSD.date)))


def _distribution(
    graph: Graph, base: str, dataset: URIRef, about: dict[str, Any], kind: _File, file: dict[str, Any]
) -> None:
    """A file of the release as a distribution of a dataset."""
    one = URIRef(f"{base}dumps/{file['file']}")
    graph.add((dataset, DCAT.distribution, one))
    graph.add((one, RDF.type, DCAT.Distribution))
    graph.add((one, RDF.type, DCATAPIT.Distribution))
    graph.add((one, RDFS.label, Literal(file["file"])))
    graph.add((one, DCTERMS.title, Literal(file["file"])))
    for language, title in about["title"].items():
        graph.add((one, DCTERMS.description, Literal(f"{title} ({kind.title})", lang=language)))
    graph.add((one, DCAT.accessURL, one))
    graph.add((one, DCAT.downloadURL, one))
    graph.add((one, DCTERMS.license, _licence(about.get("licence") or LICENCE)))
    graph.add((one, DCTERMS.format, kind.format))
    graph.add((one, DCAT.mediaType, kind.media_type))
    if kind.packed:
        graph.add((one, DCAT.compressFormat, URIRef(f"{_IANA}gzip")))
    graph.add((one, DCAT.byteSize, Literal(file["bytes"], datatype=XSD.nonNegativeInteger)))
    checksum = URIRef(f"{base}id/checksum/{file['sha256']}")
    graph.add((one, SPDX.checksum, checksum))
    graph.add((checksum, RDF.type, SPDX.Checksum))
    graph.add((checksum, RDFS.label, Literal(f"SHA-256 {file['sha256']}")))
    graph.add((checksum, SPDX.algorithm, SPDX.checksumAlgorithm_sha256))
    graph.add((checksum, SPDX.checksumValue, Literal(file["sha256"], datatype=XSD.hexBinary)))


def _service(graph: Graph, base: str, agent: URIRef) -> URIRef:
    service = URIRef(f"{base}sparql")
    graph.add((service, RDF.type, DCAT.DataService))
    _texts(graph, service, _SERVICE)
    graph.add((service, DCAT.endpointURL, service))
    graph.add((service, DCAT.endpointDescription, service))
    graph.add((service, DCTERMS.conformsTo, _PROTOCOL))
    graph.add((service, DCTERMS.publisher, agent))
    graph.add((service, DCTERMS.license, _licence(LICENCE)))
    graph.add((service, DCTERMS.accessRights, URIRef(f"{_EU}access-right/PUBLIC")))
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


def _agent(graph: Graph, agent: URIRef, name: str, code: str, language: str | None = None) -> None:
    graph.add((agent, RDF.type, FOAF.Agent))
    graph.add((agent, RDF.type, DCATAPIT.Agent))
    graph.add((agent, RDFS.label, Literal(name, lang=language)))
    graph.add((agent, FOAF.name, Literal(name, lang=language)))
    graph.add((agent, DCTERMS.identifier, Literal(code)))


def _source_publisher(graph: Graph, base: str, name: str) -> URIRef:
    """A publisher of a source, by the name the source folder gives; ours to mint, merged with nobody."""
    slug = "".join(c if c.isalnum() and c.isascii() else "-" for c in name.lower()).strip("-")
    agent = URIRef(f"{base}id/publisher/{slug}")
    _agent(graph, agent, name, slug, "it")
    return agent


def _contact(graph: Graph, base: str, publisher: Publisher) -> URIRef | None:
    """Whom to write to; a contact without an address would be none."""
    if not publisher.contact:
        return None
    contact = URIRef(f"{base}catalog#contact")
    for kind in (VCARD.Kind, VCARD.Organization, DCATAPIT.Organization):
        graph.add((contact, RDF.type, kind))
    graph.add((contact, RDFS.label, Literal(publisher.name)))
    graph.add((contact, VCARD.fn, Literal(publisher.name)))
    graph.add((contact, VCARD.hasEmail, URIRef(f"mailto:{publisher.contact}")))
    return contact


def _document(graph: Graph, subject: URIRef, told: URIRef, page: URIRef) -> None:
    graph.add((subject, told, page))
    graph.add((page, RDF.type, FOAF.Document))


@cache
def _authorities() -> Graph:
    return Graph().parse(_AUTHORITIES, format="turtle")


def _licence(address: str) -> URIRef:
    """A licence as the Italian list has it, by the address of its text; one that is not in the list by that address."""
    listed = _authorities().value(None, DCATAPIT.referenceDoc, Literal(address, datatype=XSD.anyURI))
    return URIRef(str(listed or address))


def _explain(graph: Graph) -> None:
    """Add what is known of the codes that the catalogue uses."""
    for licence in set(graph.objects(None, DCTERMS.license)):
        graph.add((licence, RDF.type, DCTERMS.LicenseDocument))
    known = set(_authorities().subjects())
    wanted = _named(graph) & known
    while wanted:
        one = wanted.pop()
        for statement in _authorities().triples((one, None, None)):
            graph.add(statement)
            if statement[2] in known and (statement[2], None, None) not in graph:
                wanted.add(statement[2])


def _named(graph: Graph) -> set[Any]:
    named: Iterable[Any] = graph.objects()
    return set(named)


def _texts(graph: Graph, subject: URIRef, about: dict[str, Any]) -> None:
    for key, predicate in (("title", DCTERMS.title), ("description", DCTERMS.description)):
        for language, text in about.get(key, {}).items():
            graph.add((subject, predicate, Literal(text, lang=language)))
            if key == "title":  # the name every visible thing has
                graph.add((subject, RDFS.label, Literal(text, lang=language)))
