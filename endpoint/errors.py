"""Errors as answers: application/problem+json (RFC 9457) for programs, a page for readers."""

import json
from http import HTTPStatus

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from endpoint import formats, logs, pages
from endpoint.engine import Busy, EngineError, Limit, NotAcceptable
from endpoint.release import NoRelease
from endpoint.service import Service

# How each limit is told to programs: the outcome of the query -> the unit, the setting.
LIMITS = {
    "timeout": ("seconds", "query_timeout"),
    "memory": ("mebibytes", "query_memory"),
    "size": ("mebibytes", "max_answer_size"),
    "rows": ("rows", "max_rows"),
}


def problem(status: int, detail: str, **more: object) -> Response:
    """An error with a text that says what happened and what is allowed; a page if the client likes that best."""
    title = HTTPStatus(status).phrase
    best = formats.negotiate(request.accept_mimetypes, ["application/problem+json", formats.HTML])
    if best == formats.HTML:
        response = pages.error_page(status, title, detail)
    else:
        # Said this way to whoever accepts neither, too: an error is better than silence.
        body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
        body["request_id"] = logs.request_id()  # finds the request in the log
        response = Response(json.dumps(body, ensure_ascii=False), status, mimetype="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response


def not_acceptable(kinds: tuple[formats.Kind, ...], *, html: bool = False) -> Response:
    """406, with the list of what can be had."""
    page = f"{formats.HTML}, " if html else ""
    return problem(406, f"Available: {page}{formats.listing(kinds)}.")


def of_engine(error: EngineError) -> Response:
    """The answer for a query that was not answered."""
    if isinstance(error, NotAcceptable):
        response = problem(406, f"{error} Available: {formats.listing([error.kind])}.")
    elif isinstance(error, Limit) and error.outcome in LIMITS:
        unit, setting = LIMITS[error.outcome]
        service: Service = current_app.extensions["cupola"]
        response = problem(error.status, str(error), limit={unit: getattr(service.settings, setting)})
        response.headers["Link"] = f'<{request.root_path}/dumps/>; rel="related"'  # where there are no limits
    else:
        response = problem(error.status, str(error))
    if error.status in (429, 503):
        response.headers["Retry-After"] = str(error.retry_after if isinstance(error, Busy) else 60)
    return response


def _of_http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:  # a redirect of the routing
        return Response("", error.code, list(error.get_headers()))
    detail = error.description or ""
    if type(error).description == detail and error.code == 413:  # Flask's own words tell no limit
        detail = f"A request may have at most {current_app.config['MAX_CONTENT_LENGTH']} bytes. Send less."
    response = problem(error.code, detail)
    headers = dict(error.get_headers())
    for name in ("Allow", "Retry-After"):
        if name in headers:
            response.headers[name] = headers[name]
    return response


def _of_no_release(error: NoRelease) -> Response:
    response = problem(503, str(error))
    response.headers["Retry-After"] = "10"
    return response


def _of_fault(error: Exception) -> Response:
    # Never what went wrong inside: that is for the log.
    current_app.logger.error("unforeseen error at %s", request.endpoint, exc_info=error)
    return problem(500, "An error in the server; it has been logged.")


def register(app: Flask) -> None:
    """Make every error of the application one of these."""
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(EngineError, of_engine)
    app.register_error_handler(NoRelease, _of_no_release)
    app.register_error_handler(Exception, _of_fault)
