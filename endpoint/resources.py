"""Linked data: /id/… leads to /doc/… (a page) or /data/… (RDF).

IRIs are served by path: whatever host answers, `{base}id/x` is found at /id/x: a laptop dereferences production IRIs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import Gone, HTTPException, NotFound

from endpoint import addresses, errors, formats, pages
from endpoint.describe import Term, describe, existing
from endpoint.engine import NotAcceptable
from endpoint.formats import HTML, Format
from endpoint.rdf import serialise
from endpoint.release import Release
from endpoint.service import Service

blueprint = Blueprint("resources", __name__)


def _service() -> Service:
    service: Service = current_app.extensions["cupola"]
    return service


def _iris(path: str) -> list[str]:
    base = _service().release.base
    return [f"{base}id/{spelt}" for spelt in addresses.spellings(path)]


def _split(path: str) -> tuple[str, Format | None]:
    """A path without its extension, and the graph format it names; None when it ends in no such extension."""
    stem, _, extension = path.rpartition(".")
    known = next((f for f in formats.of("graph") if f.extension == extension), None)
    return (stem, known) if known and stem else (path, None)


def asked_format() -> Format | None:
    """The graph format of `?format=`; None without one. Raises NotAcceptable for a name that is none."""
    name = request.args.get("format")
    if not name or name.lower() in ("html", HTML):
        return None
    found = formats.named(name, "graph")
    if found is None:
        raise NotAcceptable(f"There is no graph format {name!r}.", "graph")
    return found


def best(*, html: bool) -> Format | str | None:
    """What to answer with: a graph format, HTML (if offered), or None when the client takes neither.

    RDF comes first for clients without a wish: whoever wants pages (a browser) says so.
    """
    if html and request.args.get("format", "").lower() in ("html", HTML):
        return HTML
    if (by_name := asked_format()) is not None:
        return by_name
    types: dict[str, Format | str] = dict(formats.by_type("graph"))
    if html:
        types |= {HTML: HTML, "application/xhtml+xml": HTML}
    chosen = formats.negotiate(request.accept_mimetypes, types)
    return types[chosen] if chosen is not None else None


def _unknown(path: str) -> HTTPException:
    """404 for what was never described; 410 for what an earlier release had (RFC 9110, 15.5.11)."""
    release = _service().release
    for stem in dict.fromkeys((path, _split(path)[0])):
        for iri in _iris(stem):
            if (last := release.last_with(iri.removeprefix(release.base))) is not None:
                return Gone(f"{addresses.address(iri)} is described no more; release {last} was the last to do so.")
    return NotFound(f"This release says nothing about {release.base}id/{addresses.address(path)}.")


@blueprint.get("/id/<path:_path>")
def identifier(_path: str) -> Response:
    """303 to what is said about a thing: its page or its data, by extension, `?format=` or Accept."""
    raw = addresses.after("/id/")
    stem, by_extension = _split(raw)
    engine = _service().engine
    iri = existing(engine, _iris(raw))
    if iri is not None:
        by_extension = None  # the dot belongs to the identifier
    elif by_extension is not None:
        iri = existing(engine, _iris(stem))
    if iri is None:
        raise _unknown(raw)
    chosen = by_extension or best(html=True)
    if chosen is None:
        return errors.not_acceptable(("graph",), html=True)
    target = addresses.address(iri.removeprefix(_service().release.base + "id/"))
    where = f"/doc/{target}" if isinstance(chosen, str) else f"/data/{target}.{chosen.extension}"
    if isinstance(chosen, str) and (lang := request.args.get("lang")) in ("it", "en"):
        where += f"?lang={lang}"
    response = see_other(where)
    response.headers["Link"] = _links(iri, None, ())
    return response


@blueprint.get("/doc/<path:_path>")
def document(_path: str) -> Response:
    """The page about a thing."""
    service = _service()
    raw = addresses.after("/doc/")
    found = next((d for iri in _iris(raw) if (d := describe(service.engine, iri))), None)
    if found is None:
        raise _unknown(raw)
    response = pages.resource_page(found.iri, found)
    response.headers["Link"] = _links(found.iri, None, found.quads)
    return response


@dataclass(frozen=True)
class Document:
    """The data about a thing, ready to be sent."""

    iri: str
    body: bytes
    links: str
    cut: str  # what was left out, in words


def _document(path: str, fmt: Format) -> Document | None:
    """The data about the thing a raw path names; None when the release does not know it."""
    service = _service()
    key = "data", request.root_path, path, fmt.name
    held = service.cache.get(key)
    if isinstance(held, Document):
        return held
    found = next((d for iri in _iris(path) if (d := describe(service.engine, iri, with_labels=False))), None)
    if found is None:
        return None
    cut = f"only the first {len(found.incoming)} links to it are here" if found.incoming_cut else ""
    body = service.context.compact(found) if fmt.name == "jsonld" else serialise(found, fmt)
    made = Document(found.iri, body, _links(found.iri, fmt, found.quads), cut)
    service.cache.put(key, made, len(made.body) + len(made.links) + 500)
    return made


@blueprint.get("/data/<path:_path>")
def data(_path: str) -> Response:
    """The data about a thing: in the format its extension names, else by `?format=` or Accept."""
    raw = addresses.after("/data/")
    stem, chosen = _split(raw)
    made = _document(stem, chosen) if chosen else None
    negotiated = made is None
    if made is None:  # no extension, or the dot belongs to the identifier
        wish = best(html=False)
        if not isinstance(wish, Format):
            return errors.not_acceptable(("graph",))
        chosen, made = wish, _document(raw, wish)
    if made is None or chosen is None:
        raise _unknown(raw)
    response = Response(made.body, content_type=chosen.content_type)
    response.headers["Link"] = made.links
    if negotiated:
        response.vary.add("Accept")
        response.headers["Content-Location"] = f"{request.root_path}{_data(made.iri)}.{chosen.extension}"
    if made.cut:
        response.headers["X-Cupola-Incoming"] = made.cut
    return cached(response, _service().release, chosen.extension)


def see_other(where: str) -> Response:
    """303 to a path of this same host, chosen by Accept."""
    where = request.root_path + where
    response = Response(f"See {where}\n", 303, {"Location": where}, mimetype="text/plain")
    response.vary.add("Accept")
    return response


def cached(response: Response, release: Release, variant: str) -> Response:
    """Give an answer made from the release alone its validators, and leave out the body the client has (304)."""
    response.set_etag(f"{release.id}-{variant}", weak=True)
    response.last_modified = release.created
    response.headers["Cache-Control"] = "no-cache"  # keep it, but ask whether there is a new release
    response.make_conditional(request)
    return response


def _data(iri: str) -> str:
    return "/data/" + addresses.address(iri.removeprefix(_service().release.base + "id/"))


def _links(iri: str, here: Format | None, quads: Iterable[tuple[str, str, Term, str]]) -> str:
    """The Link header, as in Signposting (https://signposting.org/FAIR/): the thing, its other forms, licences."""
    release, root = _service().release, request.root_path
    where = root + _data(iri)
    links = [f'<{addresses.address(iri)}>; rel="cite-as"']
    relation = "alternate" if here else "describedby"
    links += [
        f'<{where}.{fmt.extension}>; rel="{relation}"; type="{fmt.media_type}"'
        for fmt in formats.of("graph")
        if fmt != here
    ]
    page = f"{root}/doc/{where.removeprefix(root + '/data/')}"
    if here:
        links.append(f'<{addresses.address(iri)}>; rel="describes"')
        links.append(f'<{release.base}data/{where.removeprefix(root + "/data/")}.{here.extension}>; rel="canonical"')
        links.append(f'<{page}>; rel="alternate"; type="{HTML}"')
    graphs = {graph for *_, graph in quads}
    links += [f'<{each}>; rel="license"' for each in sorted({v for k, v in release.licences.items() if k in graphs})]
    return ", ".join(links)
