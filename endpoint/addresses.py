"""Between the path of a request and the IRI it stands for: percent-encoding as sent, and as it is in the data."""

import re
from urllib.parse import quote, unquote_to_bytes

from flask import request

# RFC 3986, 2.2 and 2.3: what may stand in a path as it is, besides letters and digits.
UNRESERVED = "-._~"
SUBDELIMS = "!$&'()*+,;=:@"
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_NEVER_IN_IRIS = re.compile(r'[\x00-\x20<>"{}|^`\\\x7f]|%(?![0-9A-Fa-f]{2})')


def raw_path() -> str:
    """The path of the request as it was sent, still percent-encoded: PATH_INFO has lost the difference of / and %2F.

    waitress and werkzeug give REQUEST_URI, gunicorn RAW_URI; the script root and the query are left out.
    """
    sent: str = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI") or ""
    if not sent:
        return quote(request.path, safe="/" + SUBDELIMS)
    path = sent.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):  # the absolute form, which proxies may send: http://host/path
        path = "/" + path.partition("://")[2].partition("/")[2]
    # Bytes above 127 come as Latin-1 characters (PEP 3333).
    path = path.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    return path.removeprefix(request.root_path)


def after(prefix: str) -> str:
    """What follows a prefix in the path as it was sent; of the prefix only the slashes count (it may be encoded)."""
    return "/".join(raw_path().split("/")[prefix.count("/") :])


def spellings(path: str) -> list[str]:
    """The paths of IRIs that a percent-encoded path may stand for, likeliest first.

    The same resource may be asked for as `%E2%82%AC` or `€`, as `%27` or `'`; the data has only one of them.
    """
    path = _NEVER_IN_IRIS.sub(lambda found: quote(found[0], safe=""), path)
    normal, plain = _decoded(path, UNRESERVED), _decoded(path, UNRESERVED + SUBDELIMS)
    strict = "/".join(quote(unquote_to_bytes(part), safe=UNRESERVED) for part in path.split("/"))
    return list(dict.fromkeys([strict, normal, address(normal), plain, address(plain)]))


def address(path: str) -> str:
    """The path of an IRI as it goes over the wire and into headers: ASCII only."""
    return quote(path, safe="/%" + UNRESERVED + SUBDELIMS, errors="surrogateescape")


def _decoded(path: str, keep: str) -> str:
    """The path with what needs no encoding in an IRI decoded: letters, digits, `keep` and all beyond ASCII."""

    def one(found: re.Match[str]) -> str:
        try:
            text = unquote_to_bytes(found[0]).decode("utf-8")
        except UnicodeDecodeError:
            return found[0].upper()
        return "".join(
            c if c.isalnum() or c in keep or (not c.isascii() and c.isprintable()) else quote(c, safe="") for c in text
        )

    return _ENCODED.sub(one, path)
