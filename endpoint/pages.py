"""The HTML pages, in Italian and English: home, list of projects, quality, queries, and one for each resource."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, render_template, request
from markupsafe import Markup

from endpoint import language, problems
from endpoint.addresses import raw_path
from endpoint.describe import Description, classes, describe
from endpoint.diagram import draw
from endpoint.entries import Entries
from endpoint.examples import TOPICS, by_topic, example_named, examples
from endpoint.formats import Format, of
from endpoint.language import LANGUAGES, Language
from endpoint.listing import COLUMNS, FILTERS, ORDERS, Listing, Row, Wanted
from endpoint.operation import cup_view, operation_view, sheets_of
from endpoint.provenance import sheet_view
from endpoint.release import NoRelease, Release
from endpoint.resource import connected
from endpoint.samples import Sample, samples
from endpoint.service import Service
from endpoint.terms import ONTO, Links, full, licence_name, short
from endpoint.views import Facts, incoming

blueprint = Blueprint("pages", __name__)

PROBLEMS_PER_PAGE = 50
OPERATIONS_IN_FULL = 10  # on the page of a project; the others of its operations are linked
FIRST_QUESTION = "money-disbursed-by-city"  # the example query offered before the others
_STYLE = Path(__file__).parent / "static" / "diagram.css"
# The formats offered for download, by their names in the table of formats.
DOWNLOADS = ("turtle", "jsonld", "rdfxml", "ntriples")


def _service() -> Service:
    service: Service = current_app.extensions["cupola"]
    return service


def _release() -> Release | None:
    """The release being served, or None: an error page is made without one, too."""
    try:
        return _service().release
    except NoRelease:
        return None


def _links() -> Links:
    asked = request.args.get("lang")
    return Links(
        base=release.base if (release := _release()) else "",
        root=request.script_root,
        lang=asked if asked in LANGUAGES else None,
    )


def _page(template: str, **context: object) -> Response:
    """A page: the template with what every page has (words, links, release), in the language the request wants."""
    lang = Language(language.chosen(request))
    others = {
        code: f"{request.script_root}{raw_path()}?{urlencode({**request.args.to_dict(), 'lang': code})}"
        for code in LANGUAGES
    }
    page = render_template(
        template,
        t=lang,
        links=_links(),
        languages=others,
        release=_release(),
        **context,
    )
    return _answer(page, lang)


def _answer(body: str | bytes, lang: Language, mimetype: str = "text/html") -> Response:
    response = Response(body, mimetype=mimetype)
    response.headers["Content-Language"] = lang.code
    response.vary.add("Accept-Language")
    return response


@blueprint.get("/")
def home() -> Response:
    """What Cupola is, what this release holds, and three things to try."""
    release = _service().release
    with Listing(release.path) as listing:
        operations, cups = listing.numbers()
        example = listing.example()
    return _page(
        "home.html",
        operations=operations,
        cups=cups,
        example=example,
        question=example_named(FIRST_QUESTION),
        root=_address(),
        dataset=_dataset(),
        licence_name=licence_name,
    )


def _address() -> str:
    """The address the world sees this application at, without a final slash."""
    return (_service().settings.public_url or request.url_root).rstrip("/")


def _dataset() -> dict[str, object]:
    """The release as a schema.org Dataset, for search engines. https://developers.google.com/search/docs/appearance/structured-data/dataset"""
    manifest = _service().release.manifest
    lang = Language(language.chosen(request))
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": f"{manifest['base']}release/{manifest['id']}",
        "url": f"{_address()}/",
        "keywords": ["CUP", "codice unico di progetto", "public investment", "linked data"],
        "inLanguage": ["it", "en"],
        "spatialCoverage": {
            "@type": "Country",
            "name": "Italia",
            "sameAs": "http://publications.europa.eu/resource/authority/country/ITA",
        },
        "includedInDataCatalog": {
            "@type": "DataCatalog",
            "@id": f"{manifest['base']}catalog",
            "url": f"{_address()}/catalog",
        },
        "creator": [
            {"@type": "Organization", "name": name} for name in sorted({s["publisher"] for s in manifest["sources"]})
        ],
        "distribution": [
            {
                "@type": "DataDownload",
                "contentUrl": f"{_address()}/dumps/{graph['file']}",
                "encodingFormat": "application/gzip",
                "contentSize": f"{graph['bytes']} B",
                "sha256": graph["sha256"],
            }
            for graph in manifest["graphs"]
        ],
        "name": lang("home.title"),
        "description": lang("home.lead"),
        "dateModified": manifest["created"],
        "version": manifest["id"],
        "isAccessibleForFree": True,
        "license": sorted({s["licence"] for s in manifest["sources"] if s.get("licence")}),
        "isBasedOn": [s["homepage"] for s in manifest["sources"] if s.get("homepage")],
    }


@blueprint.get("/projects")
def project_list() -> Response:
    """The list of projects: words, filters, order and page are in the address."""
    wanted = Wanted.of(request.args)
    with Listing(_service().release.path) as listing:
        found = listing.find(wanted)
        choices = {name: listing.choices(name) for name in FILTERS}
    orders = [name for name in ORDERS if name != "relevance" or wanted.words]
    titles = {s["id"]: s["title"][language.chosen(request)] for s in _service().release.manifest["sources"]}
    return _page(
        "projects.html",
        wanted=wanted,
        found=found,
        choices=choices,
        orders=orders,
        source_titles=titles,
        list_href=_list_href(wanted),
        csv_href=_list_href(wanted, path="/projects.csv"),
        page_href=lambda page: _list_href(wanted, page),
    )


def _list_href(wanted: Wanted, page: int = 1, path: str = "/projects") -> str:
    query = urlencode(wanted.arguments(page=page if page > 1 else ""))
    return _links().local(path + (f"?{query}" if query else ""))


@blueprint.get("/projects.csv")
def project_csv() -> Response:
    """Every project found, as CSV (RFC 4180, UTF-8): the same words, filters and order as the list."""
    release = _service().release
    wanted = Wanted.of(request.args)
    response = Response(_csv(release, wanted), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="projects-{release.id}.csv"'
    return response


def _csv(release: Release, wanted: Wanted) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(["iri", *COLUMNS[1:]])
    with Listing(release.path) as listing:
        for row in listing.all(wanted):
            writer.writerow(_cells(release.base, row))
            if line.tell() > 64_000:
                yield line.getvalue()
                line.seek(0)
                line.truncate()
    yield line.getvalue()


def _cells(base: str, row: Row) -> Iterator[object]:
    yield f"{base}id/{row.path}"
    for column in COLUMNS[1:]:
        value = getattr(row, column)
        # A text a spreadsheet would run as a formula is kept from it by an apostrophe.
        # https://owasp.org/www-community/attacks/CSV_Injection
        risky = isinstance(value, str) and value[:1] in "=+@\t\r" and value and not column.endswith("_amount")
        yield f"'{value}" if risky else value


@blueprint.get("/quality")
def quality() -> Response:
    """The problems of the release: how many of each kind, and one by one."""
    service = _service()
    lang = Language(language.chosen(request))
    kinds = problems.kinds(service.release.path, lang)
    code = request.args.get("code", "")
    severity = request.args.get("severity", "")
    code = code if code in {kind.code for kind in kinds} else ""
    severity = severity if severity in problems.SEVERITIES else ""
    total = sum(k.published for k in kinds if severity in ("", k.severity) and code in ("", k.code))
    pages = max(1, -(-total // PROBLEMS_PER_PAGE))
    page = min(Wanted.of(request.args).page, pages)
    first = (page - 1) * PROBLEMS_PER_PAGE
    listed = problems.page(
        service.engine,
        service.release.path,
        lang,
        severity=severity or None,
        code=code or None,
        first=first,
        size=PROBLEMS_PER_PAGE,
    )
    declared = service.release.manifest["problems"]
    return _page(
        "quality.html",
        kinds=kinds,
        by_severity={s: sum(k.number for k in kinds if k.severity == s) for s in problems.SEVERITIES},
        published=sum(k.number for k in kinds),
        declared=sum(int(declared.get(s, 0)) for s in problems.SEVERITIES),
        listed=listed,
        code=code,
        severity=severity,
        total=total,
        page=page,
        pages=pages,
        first=first + 1,
        quality_href=_quality_href,
        page_href=lambda number: _quality_href(severity, code, number) + "#list",
    )


def _quality_href(severity: str = "", code: str = "", page: int = 1) -> str:
    asked = {"severity": severity, "code": code, "page": str(page) if page > 1 else ""}
    query = urlencode({name: value for name, value in asked.items() if value})
    return _links().local("/quality" + (f"?{query}" if query else ""))


@blueprint.get("/queries")
def queries() -> Response:
    """The example queries, each with the question it answers; `?keyword=money` gives those with that keyword."""
    keyword = request.args.get("keyword", "")
    keyword = keyword if keyword in TOPICS else ""
    return _page(
        "queries.html",
        groups=by_topic(keyword),
        keyword=keyword,
        counts={topic: sum(topic in example.keywords for example in examples()) for topic in TOPICS},
        total=len(examples()),
    )


def query_page(editor: Collection[str] = ()) -> Response:
    """The SPARQL form; `?example=name` puts that example query in it, without it the first question.

    `editor` names the files of static/editor/ that make it more than a form.
    """
    chosen = example_named(request.args.get("example", "")) or example_named(FIRST_QUESTION)
    return _page(
        "sparql.html",
        groups=by_topic(),
        chosen=chosen,
        query=chosen.query if chosen else "",
        formats=of("results"),
        graph_formats=_download_formats(),
        root=_address(),
        editor=editor,
        words=_editor_words(Language(language.chosen(request))) if editor else {},
    )


def _editor_words(t: Language) -> dict[str, object]:
    """What Yasr says in English, in the language of the page."""
    return {
        "found": t("sparql.found"),
        "decimal": t("format.decimal"),
        "controls": {
            "Table": t("sparql.view_table"),
            "Response": t("sparql.view_response"),
            "Boolean": t("sparql.view_boolean"),
            "Simple view": t("sparql.simple_view"),
            "Ellipse": t("sparql.ellipse"),
            "Filter query results": t("sparql.filter"),
            "Page size:": t("sparql.page_size"),
            "All": t("sparql.all_rows"),
            "Download result": t("sparql.download"),
            "Download Results": t("sparql.download"),
            "Shows Table view": t("sparql.view_table"),
            "Shows Response view": t("sparql.view_response"),
            "Shows Boolean view": t("sparql.view_boolean"),
        },
        "table": {
            "info": t("sparql.rows_shown"),
            "infoEmpty": t("sparql.no_rows"),
            "emptyTable": t("sparql.no_rows"),
            "zeroRecords": t("sparql.no_rows"),
            "infoFiltered": t("sparql.rows_filtered"),
        },
    }


def resource_page(iri: str, description: Description) -> Response:
    """The page of one resource; `description` is what `endpoint.describe.describe` says of it.

    Operations, projects, sheets and problems have layouts of their own, everything else a general one.
    """
    engine = _service().engine
    lang = Language(language.chosen(request))
    links = _links()
    facts = Facts(description, lang, links)
    common = {"iri": iri, "downloads": _downloads(links, iri), "facts": facts}
    if facts.is_a("cupola:Operation"):
        view = operation_view(engine, _service().release, description, lang, links)
        return _page("operation.html", operation=view, **common)
    if facts.is_a("pi:Progetto_di_investimento_pubblico"):
        return _project_page(description, facts, common)
    extra: dict[str, object] = {}
    if facts.is_a("cupola:ProjectSheet"):
        extra["sheet"] = sheet_view(facts, _service().release)
    if facts.is_a("cupola:Problem"):
        extra["problem"] = problems.of_description(description, lang)
    if facts.is_a("pi:Codice_unico_di_progetto") and (code := facts.one("skos:notation")):
        extra["cup"] = cup_view(code)
    return _page(
        "resource.html",
        title=facts.name(iri),
        kinds=facts.kinds(),
        properties=facts.properties(),
        parts_inside=[] if "sheet" in extra else facts.parts(),
        incoming=incoming(facts),
        connected=connected(engine, facts),
        **extra,
        **common,
    )


def _project_page(description: Description, facts: Facts, common: dict[str, object]) -> Response:
    """The page of a CUP's project: the code, every operation that concerns it, laid out as on its own page, and the
    contracts and disagreements of sources by their names.
    """
    engine, release = _service().engine, _service().release
    concerning = sorted({s for s, p, _ in description.incoming if p == f"{ONTO}concernsProject"})
    kinds = classes(engine, concerning)
    about, lots, disagreements = (
        [iri for iri in concerning if full(kind) in kinds.get(iri, ())]
        for kind in ("cupola:Operation", "PCTR:Lot", "cupola:Discrepancy")
    )
    described = [found for iri in about[:OPERATIONS_IN_FULL] if (found := describe(engine, iri))]
    code = facts.one("cupola:cup")
    return _page(
        "project.html",
        cup=cup_view(code) if code else None,
        operations=[operation_view(engine, release, each, facts.language, facts.links) for each in described],
        others=[facts.link(iri) for iri in about[OPERATIONS_IN_FULL:]],
        number=len(about),
        contracts=[facts.link(iri) for iri in lots],
        disagreements=[facts.link(iri) for iri in disagreements],
        cut=description.incoming_cut,
        sheets=sheets_of(engine, facts, release),
        **common,
    )


def _downloads(links: Links, iri: str) -> list[tuple[str, str, str]]:
    """The data of a page: title, media type and address of each format."""
    return [(f.title, f.media_type, href) for f in _download_formats() if (href := links.data(iri, f.extension))]


def _download_formats() -> list[Format]:
    return [f for f in of("graph") if f.name in DOWNLOADS]


def ontology_page() -> Response:
    """The vocabulary on one page, each term at its own anchor (`#Operation`); made once in a release and language."""
    lang, links = Language(language.chosen(request)), _links()
    key = "onto", lang.code, links.lang, links.root
    plain = request.args.keys() <= {"lang"}  # other arguments go into the links to the other language
    held = _service().cache.get(key) if plain else None
    if isinstance(held, bytes):
        return _answer(held, lang)
    response = _ontology_page(lang, links)
    body = response.get_data()
    if plain:
        _service().cache.put(key, body, len(body))
    return response


def _ontology_page(lang: Language, links: Links) -> Response:
    vocabulary = _service().vocabulary
    entries = Entries(vocabulary, lang, links)
    examples_of = _samples()
    taken: set[str] = set()
    groups = {
        name: sorted((entries.entry(iri, examples_of.get(iri)) for iri in iris), key=lambda e: e.label.text.casefold())
        for name, iris in vocabulary.groups.items()
        if name != "schemes"
    }
    return _page(
        "ontology.html",
        iri=ONTO,
        downloads=[(f.title, f.media_type, links.root + f"/onto.{f.extension}") for f in _download_formats()],
        entries=entries,
        groups=groups,
        schemes=[entries.scheme(iri, taken) for iri in vocabulary.groups["schemes"]],
        drawing=draw(vocabulary, lang, links),
        short=short,
    )


def ontology_diagram() -> Response:
    """The diagram of the vocabulary alone; it brings its own style sheet, since it may be shown anywhere."""
    lang, links = Language(language.chosen(request)), _links()
    drawing = draw(_service().vocabulary, lang, links)
    style = Markup(_STYLE.read_text(encoding="utf-8"))  # noqa: S704 - a file of ours
    return _answer(render_template("diagram.svg", t=lang, drawing=drawing, style=style), lang, "image/svg+xml")


def _samples() -> dict[str, Sample]:
    """The example of each class, found once in a release."""
    service = _service()
    held = service.cache.get("samples")
    if isinstance(held, dict):
        return held
    found = samples(service.engine, service.release.base, service.vocabulary.groups["classes"])
    service.cache.put("samples", found, 5000 * len(found))
    return found


def error_page(status: int, title: str, detail: str) -> Response:
    """An error said to a reader: our words for the status (else `title`), and `detail`, which is in English.

    Needs no release, so it can say that there is none.
    """
    said = Language(language.chosen(request)).get(f"error.{status}", title)
    response = _page("error.html", number=status, title=said, detail=detail)
    response.status_code = status
    return response
