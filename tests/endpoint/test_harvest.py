"""Harvesters: what they read leads to what it says, on the host they read it from."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pyoxigraph as ox
import pytest
import requests
from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, VOID

from tests.endpoint.conftest import start_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Cupola
    from tests.endpoint.conftest import Server, Start

BASE = "https://w3id.org/cupola/"
SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
SPDX = Namespace("http://spdx.org/rdf/terms#")
IANA = "https://www.iana.org/assignments/media-types/"
XML = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture(scope="module")
def built(cupola: Cupola, examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the examples, as `cupola build` makes it."""
    releases = tmp_path_factory.mktemp("harvested")
    made = cupola("build", examples, "--releases", releases)
    assert made.returncode == 0, made.stderr
    return releases


@pytest.fixture(scope="module")
def harvested(built: Path) -> Iterator[Server]:
    """A server over it."""
    server = start_server(built)
    yield server
    server.stop()
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.fixture(scope="module")
def catalogue(harvested: Server) -> Graph:
    """The catalogue as a harvester gets it: RDF/XML, which ckanext-dcat asks for by default."""
    return Graph().parse(data=harvested.get("/catalog", "application/rdf+xml").content, format="xml")


def test_every_dataset_has_what_a_portal_shows(catalogue: Graph) -> None:
    datasets = list(catalogue.objects(URIRef(f"{BASE}catalog"), DCAT.dataset))
    assert len(datasets) > 8
    for dataset in datasets:
        for told in (DCTERMS.title, DCTERMS.description, DCAT.keyword):
            languages = {text.language for text in catalogue.objects(dataset, told) if isinstance(text, Literal)}
            assert languages == {"it", "en"}, (dataset, told)
        publisher = catalogue.value(dataset, DCTERMS.publisher)
        assert catalogue.value(publisher, FOAF.name)
        assert list(catalogue.objects(dataset, DCAT.distribution))


def test_every_distribution_is_had_from_the_host_that_was_harvested_and_is_what_it_says(
    catalogue: Graph, harvested: Server
) -> None:
    distributions = list(catalogue.subjects(RDF.type, DCAT.Distribution))
    assert len(distributions) > 12
    for one in distributions:
        for told in (DCAT.accessURL, DCAT.downloadURL):
            url = str(catalogue.value(one, told))
            assert url.startswith(harvested.url), url
        answer = requests.get(url, timeout=20)
        assert answer.status_code == 200
        kind = catalogue.value(one, DCAT.compressFormat) or catalogue.value(one, DCAT.mediaType)
        assert f"{IANA}{answer.headers['Content-Type']}" == str(kind)
        assert len(answer.content) == int(str(catalogue.value(one, DCAT.byteSize)))
        checksum = catalogue.value(one, SPDX.checksum)
        assert catalogue.value(checksum, SPDX.algorithm) == SPDX.checksumAlgorithm_sha256
        assert hashlib.sha256(answer.content).hexdigest() == str(catalogue.value(checksum, SPDX.checksumValue)).lower()


def test_the_service_answers_where_the_catalogue_says(catalogue: Graph, harvested: Server) -> None:
    (service,) = catalogue.subjects(RDF.type, DCAT.DataService)
    assert str(service) == f"{BASE}sparql"  # its name stays, its address is here
    url = str(catalogue.value(service, DCAT.endpointURL))
    assert url == f"{harvested.url}/sparql"
    assert requests.get(url, params={"query": "ASK{}"}, timeout=20).json()["boolean"] is True
    described = str(catalogue.value(service, DCAT.endpointDescription))
    kind = requests.get(described, headers={"Accept": "text/turtle"}, timeout=20).headers["Content-Type"]
    assert kind.startswith("text/turtle")
    assert set(catalogue.objects(service, DCAT.servesDataset)) == set(catalogue.subjects(RDF.type, DCAT.Dataset))


def test_landing_pages_are_there_and_are_documents(catalogue: Graph) -> None:
    pages = set(catalogue.objects(None, DCAT.landingPage))
    assert len(pages) > 8
    for page in pages:
        assert (page, RDF.type, FOAF.Document) in catalogue
        assert requests.get(str(page), headers={"Accept": "text/html"}, timeout=20).status_code == 200


def test_behind_a_proxy_addresses_are_those_the_world_sees(built: Path, start: Start) -> None:
    server = start(built, public_url="https://dati.example.it")
    for path in ("/catalog", "/.well-known/void"):
        graph = Graph().parse(data=server.get(path, "text/turtle").text, format="turtle")
        for told in (DCAT.downloadURL, DCAT.endpointURL, VOID.dataDump, VOID.sparqlEndpoint):
            assert all(str(url).startswith("https://dati.example.it/") for url in graph.objects(None, told)), told
    catalogue = Graph().parse(data=server.get("/catalog", "text/turtle").text, format="turtle")
    assert (URIRef(f"{BASE}catalog"), DCAT.dataset, URIRef(f"{BASE}id/dataset/ponmetro")) in catalogue


def test_what_void_counts_is_what_a_query_counts(harvested: Server) -> None:
    told = Graph().parse(data=harvested.get("/.well-known/void", "text/turtle").text, format="turtle")
    for dataset in told.objects(URIRef(f"{BASE}id/dataset"), VOID.subset):
        if not str(dataset).startswith(f"{BASE}id/dataset/"):
            continue
        graph = f"{BASE}graph/{str(dataset).rpartition('/')[2]}"
        query = (
            f"SELECT (COUNT(*) AS ?t) (COUNT(DISTINCT ?s) AS ?s_) (COUNT(DISTINCT ?o) AS ?o_) "
            f"{{ GRAPH <{graph}> {{ ?s ?p ?o }} }}"
        )
        (row,) = harvested.ask(query, "application/sparql-results+json").json()["results"]["bindings"]
        counted = [int(row[name]["value"]) for name in ("t", "s_", "o_")]
        said = [int(str(told.value(dataset, w))) for w in (VOID.triples, VOID.distinctSubjects, VOID.distinctObjects)]
        assert said == counted, graph
        dump = str(told.value(dataset, VOID.dataDump))
        assert requests.head(dump, timeout=20).status_code == 200
        example = told.value(dataset, VOID.exampleResource)
        if example is not None:
            path = urlsplit(str(example)).path.removeprefix("/cupola")
            assert harvested.get(path).status_code == 303
    whole = (
        "SELECT (COUNT(*) AS ?t) { { SELECT DISTINCT ?s ?p ?o "
        f"{{ GRAPH ?g {{ ?s ?p ?o }} FILTER(?g != <{BASE}graph/catalog>) }} }} }}"
    )
    (row,) = harvested.ask(whole, "application/sparql-results+json").json()["results"]["bindings"]
    assert int(row["t"]["value"]) == int(str(told.value(URIRef(f"{BASE}id/dataset"), VOID.triples)))


def test_void_can_be_asked_of_the_endpoint_too(harvested: Server) -> None:
    query = "SELECT ?n { ?d <http://rdfs.org/ns/void#classPartition> ?c . ?c <http://rdfs.org/ns/void#entities> ?n }"
    assert len(harvested.ask(query, "text/csv").text.splitlines()) > 20


# --- the service description: the tests of the W3C, manifest.ttl of service-description ------------------------------


@pytest.fixture(scope="module")
def description(harvested: Server) -> Graph:
    """What /sparql says of itself."""
    answer = harvested.get("/sparql", "text/turtle")
    assert answer.headers["Content-Type"].split(";")[0] == "text/turtle"
    return Graph().parse(data=answer.text, format="turtle")


def returns_rdf(harvested: Server, _description: Graph) -> None:
    forms = {None: ox.RdfFormat.TURTLE, "application/rdf+xml": ox.RdfFormat.RDF_XML, "text/n3": None}
    forms |= {"application/ld+json": ox.RdfFormat.JSON_LD, "application/n-triples": ox.RdfFormat.N_TRIPLES}
    for accept, form in forms.items():
        answer = harvested.get("/sparql", accept)
        assert answer.status_code == (200 if form else 406)
        assert form is None or len(list(ox.parse(answer.content, format=form))) > 20


def has_endpoint_triple(harvested: Server, description: Graph) -> None:
    assert (None, SD.endpoint, URIRef(f"{harvested.url}/sparql")) in description


def conforms_to_schema(_harvested: Server, description: Graph) -> None:
    (service,) = description.subjects(RDF.type, SD.Service)
    classes = {
        SD.endpoint: None, SD.feature: None, SD.supportedLanguage: None, SD.resultFormat: None,
        SD.defaultEntailmentRegime: None, SD.defaultDataset: SD.Dataset, SD.defaultGraph: SD.Graph,
        SD.namedGraph: SD.NamedGraph, SD.graph: SD.Graph, SD.name: None,
    }  # fmt: skip
    used = {p for p in description.predicates() if str(p).startswith(str(SD))}
    assert used == set(classes)
    for told, kind in classes.items():
        for value in description.objects(None, told):
            assert isinstance(value, URIRef)
            assert kind is None or (value, RDF.type, kind) in description, (told, value)
    assert len(list(description.objects(service, SD.endpoint))) == 1  # the only property that every service must have
    for named in description.subjects(RDF.type, SD.NamedGraph):
        assert len(list(description.objects(named, SD.name))) == 1


W3C = {"returns-rdf": returns_rdf, "has-endpoint-triple": has_endpoint_triple, "conforms-to-schema": conforms_to_schema}


@pytest.mark.parametrize("name", W3C)
def test_the_w3c_tests_of_service_descriptions(name: str, harvested: Server, description: Graph) -> None:
    W3C[name](harvested, description)


def test_no_w3c_test_of_service_descriptions_is_left_out(shared: Path) -> None:
    manifest = Graph().parse(shared / "w3c" / "sparql11" / "service-description" / "manifest.ttl")
    test = URIRef("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#ServiceDescriptionTest")
    assert {str(one).rpartition("#")[2] for one in manifest.subjects(RDF.type, test)} == set(W3C)


def test_the_service_description_tells_every_graph_with_its_count_and_the_limits(
    description: Graph, harvested: Server
) -> None:
    names = {str(name): graph for graph, name in description.subject_objects(SD.name)}
    answer = harvested.ask("SELECT ?g (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } } GROUP BY ?g", "text/csv").text
    counted = dict(line.rsplit(",", 1) for line in answer.splitlines()[1:])
    assert {
        name: str(description.value(description.value(graph, SD.graph), VOID.triples)) for name, graph in names.items()
    } == counted
    limits = " ".join(
        str(text) for text in description.objects(None, URIRef("http://www.w3.org/2000/01/rdf-schema#comment"))
    )
    assert "30 seconds" in limits
    assert "1024 MiB" in limits
    assert (None, None, URIRef(f"{harvested.url}/.well-known/void")) in description


# --- sitemaps, links, search engines ----------------------------------------------------------------------------------


def test_sitemaps_list_what_is_there_with_the_day_it_changed(harvested: Server) -> None:
    robots = harvested.get("/robots.txt").text
    for name in ("sitemap.xml", "sitemap-data.xml"):
        assert f"Sitemap: {harvested.url}/{name}\n" in robots
        entries = list(ElementTree.fromstring(harvested.get(f"/{name}").content))
        assert len(entries) > 10
        for entry in entries:
            place, changed = (entry.findtext(f"{XML}{what}") or "" for what in ("loc", "lastmod"))
            assert requests.head(place, headers={"Accept": "*/*"}, timeout=20).status_code == 200, place
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)", changed), place


def links(answer: requests.Response) -> dict[str, set[str]]:
    """The targets of an answer's Link header by relation."""
    found: dict[str, set[str]] = {}
    for target, relation in re.findall(r'<([^>]*)>; rel="([^"]*)"', answer.headers["Link"]):
        found.setdefault(relation, set()).add(target)
    return found


def test_signposts_lead_from_pages_to_data_and_back(harvested: Server) -> None:
    home = links(harvested.get("/", "text/html"))
    assert home["cite-as"] == {BASE}
    assert "https://schema.org/AboutPage" in home["type"]
    assert "item" not in home, "a file for each graph would be more than a proxy's four kilobytes"
    for target in home["describedby"]:
        assert harvested.get(target).status_code == 200, target
    page = links(harvested.get("/doc/dataset/ponmetro", "text/html"))
    assert page["cite-as"] == {f"{BASE}id/dataset/ponmetro"}
    assert page["license"] == {"https://creativecommons.org/licenses/by/4.0/"}
    assert "/dumps/tables/ponmetro.parquet" in page["item"]
    for item in page["item"]:
        back = links(harvested.get(item))
        assert back["collection"] == {"/doc/dataset/ponmetro"}
    (operation,) = set(re.findall(r"/doc/operation/ponmetro/TO[^<]*", harvested.get("/sitemap.xml").text))
    about = links(harvested.get(operation, "text/html"))
    assert about["type"] == {"https://schema.org/AboutPage"}
    assert {"cite-as", "describedby", "license"} <= about.keys()


def test_the_catalogue_of_apis_leads_to_what_it_names(harvested: Server) -> None:
    answer = harvested.get("/.well-known/api-catalog")
    assert answer.headers["Content-Type"].startswith("application/linkset+json")
    for context in answer.json()["linkset"]:
        for name, targets in context.items():
            for target in targets if name != "anchor" else ():
                answered = requests.get(target["href"], headers={"Accept": target["type"]}, timeout=20)
                assert answered.status_code == 200
                assert answered.headers["Content-Type"].split(";")[0] == target["type"]
    assert links(requests.head(f"{harvested.url}/.well-known/api-catalog", timeout=20)).keys() == {"api-catalog"}


def test_search_engines_find_a_dataset_in_the_home_page(harvested: Server) -> None:
    page = harvested.get("/", "text/html").text
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    told = json.loads(block)
    assert told["@type"] == "Dataset"
    assert 50 <= len(told["description"]) <= 5000  # what Google's Dataset Search asks for
    assert told["url"] == f"{harvested.url}/"
    assert len(told["distribution"]) > 8
    for file in told["distribution"]:
        answer = requests.get(file["contentUrl"], timeout=20)
        assert answer.headers["Content-Type"] == file["encodingFormat"]
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
