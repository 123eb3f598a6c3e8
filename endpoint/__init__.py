"""The wing that reads releases: a web application over one. `create_app` has every part of it on one screen."""

import atexit

from flask import Flask, Response, request
from werkzeug.exceptions import RequestURITooLarge

from endpoint import (
    caching,
    catalog,
    compression,
    copies,
    editor,
    errors,
    graphstore,
    monitoring,
    onto,
    pages,
    resources,
    signposting,
    sitemap,
    sparql,
)
from endpoint.ask import query
from endpoint.service import Service
from endpoint.settings import Settings

__all__ = ["create_app", "query"]

# Pages load nothing from elsewhere, run no script that is not a file of ours, and cannot be framed.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
# Data is only data, also where a browser would show it: RDF/XML and SPARQL XML are XML, in which an answer made to
# measure (CONSTRUCT with XHTML's names) could be a page with a script.
DATA_HEADERS = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
# Everything here is public: any page on the web may read it.
CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Expose-Headers": (
        "Link, ETag, Location, Content-Location, Retry-After, Server-Timing, X-Cupola-Release, X-Cupola-Limits, "
        "X-Request-ID"
    ),
}
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Headers": "Accept, Content-Type, If-None-Match",
    "Access-Control-Max-Age": "86400",
}


def create_app(settings: Settings) -> Flask:
    """The application over the releases in `settings.releases`, whichever is current while it runs.

    Without a release every answer is a 503 that says so, until there is one.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body
    app.url_map.merge_slashes = False  # "//" in a path belongs to the identifier
    service = app.extensions["cupola"] = Service(settings)
    atexit.register(service.close)

    for part in (pages, sparql, editor, graphstore, resources, onto, copies, catalog, sitemap):
        app.register_blueprint(part.blueprint)
    errors.register(app)
    monitoring.register(app, service)

    @app.before_request
    def refuse_long_address() -> None:
        if len(request.environ.get("REQUEST_URI", "")) > settings.max_url:
            raise RequestURITooLarge(
                f"An address may have at most {settings.max_url} bytes here. Send a long query to /sparql by POST."
            )

    @app.before_request
    def hold_release() -> None:
        if request.endpoint not in monitoring.WITHOUT_RELEASE:
            service.enter()

    @app.teardown_request
    def let_release_go(_error: BaseException | None) -> None:
        service.leave()

    @app.after_request
    def finish(response: Response) -> Response:
        if serving := service.serving:
            response.headers["X-Cupola-Release"] = serving.release.id
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.update(CORS_HEADERS)
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "GET, HEAD, OPTIONS")
            response.headers.update(PREFLIGHT_HEADERS)
        for name, value in (PAGE_HEADERS if response.mimetype == "text/html" else DATA_HEADERS).items():
            response.headers.setdefault(name, value)  # a copied page has stricter ones of its own
        compression.compress(response, request)
        return response

    caching.register(app, service)  # these two before `finish`: what is registered last goes first
    signposting.register(app, service)
    return app
