"""The files that were read, as they were read: `{base}copy/{sha256}` is found at /copy/{sha256}.

A copy is somebody else's document. It may be a page with scripts, so it is never shown as one of ours: it is sent to be
saved, its type is not guessed, and a browser that shows it all the same gives it no origin and runs nothing in it.
"""

from urllib.parse import quote

from flask import Blueprint, Response, current_app, send_file
from werkzeug.exceptions import NotFound

from endpoint.service import Service

blueprint = Blueprint("copies", __name__)

COPY_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    # The address is the content's digest: what it leads to never changes.
    "Cache-Control": "public, max-age=31536000, immutable",
}
_ATTRIBUTE = "!#$&+-.^_`|~"  # RFC 8187, 3.2.1: what needs no encoding beside letters and digits


@blueprint.get("/copy/<sha256>")
def copy(sha256: str) -> Response:
    """The file whose SHA-256 digest this is (64 lower-case hexadecimal digits), under the name it was published with.

    Only digests the manifest lists are looked for, so no path leads out of the release. Raises NotFound.
    """
    service: Service = current_app.extensions["cupola"]
    document = service.release.documents.get(sha256)
    if document is None or not document.copied:
        raise NotFound("This release has no copy of a file with that SHA-256 digest.")
    response = send_file(document.copy, mimetype=document.media_type, etag=document.sha256)
    # As the manifest has it: for text Flask would add an encoding that nobody knows to be right.
    response.headers["Content-Type"] = document.media_type
    response.headers["Content-Disposition"] = disposition(document.name)
    response.headers.update(COPY_HEADERS)
    return response


def disposition(name: str) -> str:
    """The header that has a file saved under a name (RFC 6266), in ASCII for clients that know no other way.

    >>> print(disposition("città.pdf"))
    attachment; filename="citt_.pdf"; filename*=UTF-8''citt%C3%A0.pdf
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    encoded = quote(name, safe=_ATTRIBUTE, errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
