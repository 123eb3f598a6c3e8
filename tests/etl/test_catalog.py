"""The catalogue as DCAT-AP and DCAT-AP_IT want it."""

from __future__ import annotations

from pathlib import Path

import pyshacl
import pytest
from rdflib import SH, Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, OWL, RDF

from etl import catalog, pipeline
from etl.settings import Settings

BASE = "https://w3id.org/cupola/"
IT = Namespace("http://dati.gov.it/onto/dcatapit#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
#: What DCAT-AP_IT 1.0 makes mandatory (M) or recommends (R), by class:
#: https://www.dati.gov.it/content/dcat-ap-it-v10-profilo-italiano-dcat-ap-0
WANTED = {
    IT.Catalog: (
        DCTERMS.title, DCTERMS.description, DCTERMS.publisher, DCTERMS.modified, DCAT.dataset, DCTERMS.language,
        FOAF.homepage, DCAT.themeTaxonomy,
    ),
    IT.Dataset: (
        DCTERMS.identifier, DCTERMS.title, DCTERMS.description, DCTERMS.modified, DCAT.theme, DCTERMS.rightsHolder,
        DCTERMS.accrualPeriodicity, DCAT.distribution, DCTERMS.publisher, DCTERMS.creator, DCTERMS.language,
        DCTERMS.spatial, DCAT.contactPoint, DCAT.landingPage, DCAT.keyword, OWL.versionInfo, DCTERMS.conformsTo,
    ),
    IT.Distribution: (
        DCTERMS["format"], DCAT.accessURL, DCTERMS.license, DCTERMS.title, DCTERMS.description, DCAT.downloadURL,
        DCAT.byteSize,
    ),
    IT.Agent: (DCTERMS.identifier, FOAF.name),
    IT.Organization: (VCARD.fn, VCARD.hasEmail),
    IT.LicenseDocument: (DCTERMS.type, FOAF.name, OWL.versionInfo),
    IT.Standard: (DCTERMS.identifier, DCTERMS.title),
}  # fmt: skip


@pytest.fixture(scope="module")
def release(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> pipeline.Built:
    """A release of the examples, by a publisher who says who it is."""
    settings = Settings(
        releases=tmp_path_factory.mktemp("releases"), publisher="Ente", publisher_code="en_te", contact="a@example.it"
    )
    return pipeline.build([examples], settings)


@pytest.fixture(scope="module")
def told(release: pipeline.Built) -> Graph:
    """Its catalogue."""
    return Graph().parse(release.folder / "catalog.ttl")


def test_the_catalogue_conforms_to_dcat_ap(told: Graph, shared: Path) -> None:
    shapes = Graph().parse(shared / "vocabularies" / "shapes" / "dcat-ap-3.0.1-SHACL.ttl")
    for shape, part in list(shapes.subject_objects(SH.property)):
        if (part, SH.path, None) not in shapes:  # 3.0.1 names two shapes of a dcat:DataService that it does not have
            shapes.remove((shape, SH.property, part))
    conforms, report, text = pyshacl.validate(told, shacl_graph=shapes, inference="none")
    assert isinstance(report, Graph)
    assert not list(report.subjects(RDF.type, SH.ValidationResult)), text
    assert conforms
    broken = told - Graph().add((URIRef(f"{BASE}sparql"), DCAT.endpointURL, URIRef(f"{BASE}sparql")))
    assert not pyshacl.validate(broken, shacl_graph=shapes, inference="none")[0], "the shapes find nothing at all"


@pytest.mark.parametrize("kind", WANTED)
def test_everything_has_what_the_italian_profile_asks_for(kind: URIRef, told: Graph) -> None:
    things = list(told.subjects(RDF.type, URIRef(str(kind))))
    assert things
    missing = {(str(one), str(what)) for one in things for what in WANTED[kind] if (one, what, None) not in told}
    assert not missing


def test_codes_are_of_the_controlled_lists(told: Graph) -> None:
    licences = {str(licence) for licence in told.objects(None, DCTERMS.license)}
    listed = "https://w3id.org/italia/controlled-vocabulary/licences/"
    assert f"{listed}A21_CCBY40" in licences
    assert all(licence.startswith(listed) for licence in licences)
    lists = {
        DCAT.theme: "data-theme", DCTERMS.language: "language", DCTERMS.accrualPeriodicity: "frequency",
        DCTERMS["format"]: "file-type", DCTERMS.accessRights: "access-right",
    }  # fmt: skip
    for what, name in lists.items():
        values = set(told.objects(None, what))
        assert values
        assert all(str(v).startswith(f"http://publications.europa.eu/resource/authority/{name}/") for v in values), what


def test_a_licence_of_no_list_stays_as_it_is(release: pipeline.Built) -> None:
    source = {**release.manifest["sources"][0], "licence": "https://example.org/licence"}
    manifest = {**release.manifest, "sources": [source, *release.manifest["sources"][1:]]}
    told = catalog.describe(manifest, catalog.Publisher("Ente", "en_te"))
    assert (None, DCTERMS.license, URIRef("https://example.org/licence")) in told
    assert not list(told.objects(None, DCAT.contactPoint))  # who gives no address has none


def test_the_publisher_is_who_the_settings_say_and_the_holder_who_made_the_data(told: Graph) -> None:
    publisher = told.value(URIRef(f"{BASE}catalog"), DCTERMS.publisher)
    assert told.value(publisher, DCTERMS.identifier) == Literal("en_te")
    assert (None, VCARD.hasEmail, URIRef("mailto:a@example.it")) in told
    sheets = URIRef(f"{BASE}id/dataset/ponmetro")
    holder = told.value(sheets, DCTERMS.rightsHolder)
    assert told.value(holder, FOAF.name) == Literal("Agenzia per la Coesione Territoriale", lang="it")


def test_tables_are_distributions_of_the_dataset_that_says_the_same(told: Graph, release: pipeline.Built) -> None:
    files = {
        str(one).removeprefix(f"{BASE}dumps/")
        for one in told.objects(URIRef(f"{BASE}id/dataset/ponmetro"), DCAT.distribution)
    }
    assert {"data/ponmetro.nq.gz", "tables/ponmetro.parquet", "tables/ponmetro-readings.parquet"} <= files
    quality = set(told.objects(URIRef(f"{BASE}id/dataset/quality"), DCAT.distribution))
    assert URIRef(f"{BASE}dumps/problems.parquet") in quality
    published = {str(one).removeprefix(f"{BASE}dumps/") for one in told.subjects(RDF.type, DCAT.Distribution)}
    assert {f"tables/{path.name}" for path in (release.folder / "tables").glob("*.parquet")} <= published


def test_a_dataset_tells_the_time_and_the_regions_it_covers(told: Graph) -> None:
    sheets = URIRef(f"{BASE}id/dataset/ponmetro")
    period = told.value(sheets, DCTERMS.temporal)
    start, end = (told.value(period, DCAT[name]) for name in ("startDate", "endDate"))
    assert str(start) < str(end)
    places = {str(place) for place in told.objects(sheets, DCTERMS.spatial)}
    assert "http://publications.europa.eu/resource/authority/country/ITA" in places
