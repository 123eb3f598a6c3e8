"""Links that lead machines from a page to what it is about, its data, its licence: https://signposting.org/FAIR/

Level 1, in the Link header. What is said of a resource's page and data is `endpoint.resources`'; here are the home
page, the pages of datasets and their files.
"""

from flask import Flask, Response, request

from endpoint import addresses, formats
from endpoint.addresses import address
from endpoint.release import Release
from endpoint.service import Service

TYPES = {".gz": "application/gzip", ".parquet": "application/vnd.apache.parquet"}
ABOUT_PAGE = "https://schema.org/AboutPage"
DATASET = "https://schema.org/Dataset"
_DESCRIBING = ("turtle", "jsonld")  # the forms that are named; the others can be negotiated


def register(app: Flask, service: Service) -> None:
    """Add the links to the answers of `app`."""

    @app.after_request
    def signposted(response: Response) -> Response:
        if response.status_code in (200, 206, 304) and (serving := service.serving):
            links: list[str] = []
            if request.endpoint == "pages.home":
                links = home(serving.release)
            elif request.endpoint == "resources.document":
                links = dataset(serving.release, addresses.after("/doc/"))
            elif request.endpoint == "catalog.dump":
                links = file(serving.release, request.path.removeprefix("/dumps/"))
            if links:
                before = response.headers.get("Link")
                response.headers["Link"] = ", ".join([before, *links] if before else links)
        return response


def home(release: Release) -> list[str]:
    """Of the whole: what describes it, its licences. Its files are told by the page of each dataset: there may be many,
    and proxies take headers of four kilobytes (nginx's proxy_buffer_size).
    """
    root = request.root_path
    links = [_link(release.base, "cite-as"), _link(ABOUT_PAGE, "type"), _link(DATASET, "type")]
    for place in ("/catalog", "/.well-known/void"):
        links += [
            f'<{root}{place}?format={fmt.extension}>; rel="describedby"; type="{fmt.media_type}"'
            for fmt in formats.of("graph")
            if fmt.name in _DESCRIBING
        ]
    links.append(_link(f"{root}/.well-known/api-catalog", "api-catalog"))
    return links + [_link(licence, "license") for licence in sorted(set(release.licences.values()))]


def dataset(release: Release, path: str) -> list[str]:
    """Of a resource's page, which is about it; of a dataset's, its files and licence too."""
    links = [_link(ABOUT_PAGE, "type")]
    kind, _, name = path.partition("/")
    graph = next((g for g in release.manifest["graphs"] if g["iri"] == f"{release.base}graph/{name}"), None)
    if kind != "dataset" or graph is None:
        return links
    links += [_link(DATASET, "type"), _link(f"{request.root_path}/", "collection", formats.HTML)]
    for name in files(release, graph["iri"]):
        links.append(_link(f"{request.root_path}/dumps/{name}", "item", TYPES[f".{name.rpartition('.')[2]}"]))
    if licence := release.licences.get(graph["iri"]):
        links.append(_link(licence, "license"))
    return links


def file(release: Release, name: str) -> list[str]:
    """Of a file of a dataset: the dataset it belongs to, and its licence."""
    iri = next((g["iri"] for g in _files(release) if g["file"] == name), None)
    if iri is None:
        return []
    page = f"{request.root_path}/doc/dataset/{iri.rpartition('/')[2]}"
    licence = release.licences.get(iri)
    return [_link(page, "collection", formats.HTML), *([_link(licence, "license")] if licence else [])]


def files(release: Release, iri: str) -> list[str]:
    """The files a graph can be had as."""
    return [each["file"] for each in _files(release) if each["iri"] == iri]


def _files(release: Release) -> list[dict[str, str]]:
    graphs = [{"file": graph["file"], "iri": graph["iri"]} for graph in release.manifest["graphs"]]
    return graphs + [{"file": t["file"], "iri": t["graph"]} for t in release.manifest.get("tables", ())]


def _link(target: str, relation: str, media_type: str = "") -> str:
    return f'<{address(target) if target.startswith("/") else target}>; rel="{relation}"' + (
        f'; type="{media_type}"' if media_type else ""
    )
