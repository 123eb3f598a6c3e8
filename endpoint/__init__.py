"""The wing that reads releases: a web application over one. `create_app` has every part of it on one screen."""

import atexit

from flask import Flask, Response, request

from endpoint import catalog, copies, errors, onto, pages, resources, sparql
from endpoint.ask import query
from endpoint.release import NoRelease
from endpoint.service import Service
from endpoint.settings import Settings

__all__ = ["create_app", "query"]

# Pages load nothing from elsewhere and cannot be framed.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
# Everything here is public: any page on the web may read it.
CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Link, ETag, Location, Content-Location, Server-Timing, X-Cupola-Release, X-Cupola-Limits"
    ),
}
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
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

    for part in (pages, sparql, resources, onto, copies, catalog):
        app.register_blueprint(part.blueprint)
    errors.register(app)

    @app.before_request
    def hold_release() -> None:
        service.enter()

    @app.teardown_request
    def let_release_go(_error: BaseException | None) -> None:
        service.leave()

    @app.after_request
    def finish(response: Response) -> Response:
        try:
            response.headers["X-Cupola-Release"] = service.release.id
        except NoRelease:
            service.count("unserved")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.update(CORS_HEADERS)
        if request.method == "OPTIONS":
            response.headers.update(PREFLIGHT_HEADERS)
        if response.mimetype == "text/html":
            for name, value in PAGE_HEADERS.items():
                response.headers.setdefault(name, value)  # a copied page has stricter ones of its own
        service.count("requests", request.endpoint or "none", str(response.status_code))
        return response

    return app
