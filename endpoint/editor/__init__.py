"""The page of /sparql: YASGUI's editor (Yasqe) and view of results (Yasr) where they are installed, else a plain form.

They come from npm (`make editor`, with the versions of package-lock.json) as files built by their makers, and are
served from static/editor/, which is no part of the repository. Of the packages with that editor `@zazuko/yasqe` and
`@zazuko/yasr` are the ones with the later releases and the fewer, newer dependencies; `@triply/yasgui` is what they
were made from. All are MIT. The tabs, endpoints and sharing of the whole `yasgui` have no use on a page that asks one
endpoint.
"""

from __future__ import annotations

import json
from pathlib import Path

from flask import Blueprint, Response, current_app

from endpoint import pages
from endpoint.resources import cached
from endpoint.service import Service
from endpoint.terms import NAMESPACES

blueprint = Blueprint("editor", __name__)

FOLDER = Path(__file__).parent.parent / "static" / "editor"
FILES = ("yasqe.min.css", "yasr.min.css", "yasqe.min.js", "yasr.min.js")

# As on every other page, but for the text of style that Yasr's grips for the width of columns put into the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-zCK2EVMoPc04mRF/g5CotUvxbJPWS+8V0b+s9ptqQIk='; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def available() -> bool:
    """Whether the files from npm are there."""
    return all((FOLDER / name).is_file() for name in FILES)


def page() -> Response:
    """The page to write a query on."""
    response = pages.query_page(editor=FILES if available() else ())
    if available():
        response.headers["Content-Security-Policy"] = POLICY
    return response


@blueprint.get("/sparql/terms.json")
def terms() -> Response:
    """The prefixes, classes and properties an editor may offer: those of the vocabulary and of its shapes."""
    service: Service = current_app.extensions["cupola"]
    groups, shapes = service.vocabulary.groups, service.vocabulary.shapes
    said = {
        "prefixes": NAMESPACES,
        "classes": sorted({*groups["classes"], *shapes.objects("sh:targetClass", "sh:class")}),
        "properties": sorted(
            {
                *(iri for kind in ("object", "datatype", "other") for iri in groups[f"{kind}_properties"]),
                *shapes.objects("sh:path"),
            }
        ),
    }
    return cached(Response(json.dumps(said), mimetype="application/json"), service.release, "terms")
