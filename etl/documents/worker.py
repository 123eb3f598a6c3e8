"""The program of the process apart: opens what a library in C could hang or crash on, and hands over what it found.

Run by its path, not as a module of `etl`: so it starts in the time Python and the library take, and has nothing of ours
in its memory. Called with a task and the limits as JSON; the file comes on standard input. Standard output has what was
found (for a PDF as `_pages` of etl/documents/pdf.py reads it), then the verdict, as JSON, and its length in four bytes.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
from array import array
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, BinaryIO, Final

#: A stroke thinner than this many points is a rule even where it was drawn as a filled box.
_THIN: Final = 3.0
#: A shorter rule parts nothing.
_SHORT: Final = 4.0
#: Text turned by more than this many radians is no line of the page.
_TURNED: Final = 0.1
_FAR: Final = 1e6  # points; a broken font may say anything
_LEVELS: Final = 15  # of forms within forms
#: A page of fewer characters may be a picture with a number or a stamp on it …
_FEW: Final = 100
#: … if one image covers this part of it.
_PICTURE: Final = 0.5

Matrix = tuple[float, float, float, float, float, float]
Point = tuple[float, float]
Take = Callable[[dict[str, object], "list[array[Any]]"], None]  # quoted: arrays take no index before Python 3.12


class Refused(Exception):
    """Why the file cannot be used: a code of problems.toml and the details of its message."""

    def __init__(self, code: str, **details: str) -> None:
        super().__init__(code)
        self.code, self.details = code, details


def main() -> None:
    """Read the task, the limits and the file; write the answer."""
    task, limits = sys.argv[1], json.loads(sys.argv[2])
    _confine(limits["memory"])
    out = sys.stdout.buffer

    def take(told: dict[str, object], numbers: list[array[Any]]) -> None:
        out.write(json.dumps(told).encode() + b"\n")
        for each in numbers:
            each.tofile(out)

    verdict: dict[str, object] = {"done": True}
    try:
        TASKS[task](sys.stdin.buffer, limits, take)
    except Refused as refused:
        verdict = {"refused": refused.code, "details": refused.details}
    except MemoryError:
        verdict = {"refused": "memory"}
    last = json.dumps(verdict).encode()
    out.write(last + len(last).to_bytes(4, "big"))
    out.flush()


def _confine(memory: int) -> None:
    """Bound this process: its memory, and that it writes no file; where the system knows no bounds, time alone does."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        try:
            resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
        except (ValueError, OSError):  # macOS bounds no address space: time alone does
            continue


def html(file: BinaryIO, _limits: dict[str, int], _take: Take) -> None:
    """Parse a page, to see that it can be done."""
    from selectolax.lexbor import LexborHTMLParser

    LexborHTMLParser(file.read().decode())


def grid(file: BinaryIO, _limits: dict[str, int], _take: Take) -> None:
    """Open a spreadsheet with all its tabs, to see that it can be done."""
    import io

    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(file.read()))
        for name in book.sheet_names:
            book.get_sheet_by_name(name)
    except (CalamineError, OSError, ValueError):
        return  # whoever opens it next will be told the same


# --- PDF ---------------------------------------------------------------------------------------------------------


def pdf(file: BinaryIO, limits: dict[str, int], take: Take) -> None:
    """The characters, rules and links of each page, as they stand on it when it is shown upright."""
    import pypdfium2 as pdfium  # type: ignore[import-untyped]  # it has no type information
    import pypdfium2.raw as c  # type: ignore[import-untyped]  # it has no type information

    try:
        document = pdfium.PdfDocument(file.read())
    except pdfium.PdfiumError as error:
        if error.err_code in (c.FPDF_ERR_PASSWORD, c.FPDF_ERR_SECURITY):
            raise Refused("file.encrypted") from error
        raise _malformed("no PDF that can be opened", "nessun PDF che si possa aprire") from error
    count = len(document)
    if count > limits["pages"]:
        raise Refused("file.too-many-pages", found=str(count), limit=str(limits["pages"]))
    if count < 1:
        raise _malformed("no page", "nessuna pagina")
    forms = document.get_formtype() != c.FORMTYPE_NONE
    if forms:
        document.init_forms()
    left = limits["characters_in_all"]
    for number in range(1, count + 1):
        raw = c.FPDF_LoadPage(document, number - 1)
        if not raw:
            raise _malformed(f"page {number} is broken", f"la pagina {number} è rovinata")
        links = list(_links(c, document, raw))
        if forms and c.FPDFPage_GetAnnotCount(raw) > 0 and c.FPDFPage_Flatten(raw, c.FLAT_NORMALDISPLAY) == 1:
            # What was filled in stands on the page only once its fields are made a part of it.
            c.FPDF_ClosePage(raw)
            raw = c.FPDF_LoadPage(document, number - 1)
        left -= _page(c, raw, number, limits, left, links, take)
        c.FPDF_ClosePage(raw)


def _page(c: Any, page: Any, number: int, limits: dict[str, int], left: int, links: list[Any], take: Take) -> int:
    """Hand over one page; the number of its characters."""
    turn = c.FPDFPage_GetRotation(page)
    # The size is that of the page as it is shown; boxes are given before it is turned.
    width, height = c.FPDF_GetPageWidthF(page), c.FPDF_GetPageHeightF(page)
    place = _upright(turn, *((height, width) if turn % 2 else (width, height)))
    text = c.FPDFText_LoadPage(page)
    count = c.FPDFText_CountChars(text) if text else 0
    if count > limits["characters"] or count > left:
        raise Refused(
            "file.too-many-blocks",
            found=f"characters (page {number})",
            found_it=f"caratteri (pagina {number})",
            limit=str(min(limits["characters"], left)),
        )
    codes, boxes, turned = array("I"), array("f"), array("I")
    loose = c.FS_RECTF()
    tight = [ctypes.c_double() for _ in range(4)]
    upright_angle = -turn * math.pi / 2  # the angle of text that stands upright once the page is turned
    code_of, box_of, angle_of = c.FPDFText_GetUnicode, c.FPDFText_GetLooseCharBox, c.FPDFText_GetCharAngle
    for at in range(count):  # the hot loop: looked up once, compared in the open
        code = code_of(text, at)
        box_of(text, at, loose)
        x0, y0, x1, y1 = loose.left, loose.bottom, loose.right, loose.top
        if not (y1 - y0 > 0.1 and x1 >= x0):
            c.FPDFText_GetCharBox(text, at, *tight)
            x0, x1, y0, y1 = (side.value for side in tight)
        if code > 32 and (angle := angle_of(text, at)) != upright_angle:
            angle = abs(angle - upright_angle) % (2 * math.pi)
            if min(angle, 2 * math.pi - angle) > _TURNED:
                turned.append(len(codes))
        codes.append(code)
        if not (-_FAR < x0 < _FAR and -_FAR < y0 < _FAR and -_FAR < x1 < _FAR and -_FAR < y1 < _FAR):
            x0, y0, x1, y1 = _finite(x0), _finite(y0), _finite(x1), _finite(y1)
        boxes.extend(place(x0, y0, x1, y1) if turn else (x0, y0, x1, y1))
    c.FPDFText_ClosePage(text)
    rules = array("f")
    for start, end in _rules(c, page, limits["rules"]):
        rules.extend(place(*start, *end))
    told = {
        "page": number,
        "characters": len(codes),
        "turned": len(turned),
        "rules": len(rules) // 4,
        "links": [(place(*box), target) for box, target in links],
        "picture": len(codes) < _FEW and _is_picture(c, page, width * height),
    }
    take(told, [codes, boxes, turned, rules])
    return len(codes)


def _finite(number: float) -> float:
    """What a broken font says of its letters' sizes may be no number."""
    return min(max(number, -_FAR), _FAR) if math.isfinite(number) else 0.0


def _upright(turn: int, width: float, height: float) -> Callable[[float, float, float, float], Point | Any]:
    """How a box of the page comes to stand when the page is shown: turned clockwise by `turn` quarters."""

    def point(x: float, y: float) -> Point:
        return ((x, y), (y, width - x), (width - x, height - y), (height - y, x))[turn % 4]

    def box(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        (a, b), (d, e) = point(x0, y0), point(x1, y1)
        return min(a, d), min(b, e), max(a, d), max(b, e)

    return box


def _links(c: Any, document: Any, page: Any) -> Iterator[tuple[tuple[float, float, float, float], str]]:
    """The box and the target of each link that leads out of the file."""
    at, link, box = ctypes.c_int(0), c.FPDF_LINK(), c.FS_RECTF()
    while c.FPDFLink_Enumerate(page, at, link):
        action = c.FPDFLink_GetAction(link)
        size = c.FPDFAction_GetURIPath(document, action, None, 0) if action else 0
        if size > 1 and c.FPDFLink_GetAnnotRect(link, box):
            target = ctypes.create_string_buffer(size)
            c.FPDFAction_GetURIPath(document, action, target, size)
            where = (box.left, box.bottom, box.right, box.top)
            yield (*map(_finite, where),), target.value.decode("utf-8", "replace")  # type: ignore[misc]  # four of them


def _rules(c: Any, page: Any, most: int) -> list[tuple[Point, Point]]:
    """The straight strokes along the page's sides: at most one more than `most`, which says that it is a drawing."""
    found: list[tuple[Point, Point]] = []
    for path, matrix in _objects(c, page, c.FPDF_PAGEOBJ_PATH):
        for start, end in _strokes(c, path, matrix, most):
            (x0, y0), (x1, y1) = start, end
            across, up = abs(x1 - x0), abs(y1 - y0)
            if (across < 1 < _SHORT <= up) or (up < 1 < _SHORT <= across):
                found.append((start, end))
        if len(found) > most:
            return found[: most + 1]
    return found


def _objects(c: Any, page: Any, kind: int) -> Iterator[tuple[Any, Matrix]]:
    """The objects of a kind on a page, also those in forms, each with what its points are to be multiplied with."""
    yield from _within(c, page, c.FPDFPage_CountObjects, c.FPDFPage_GetObject, kind, (1, 0, 0, 1, 0, 0), 0)


def _within(c: Any, parent: Any, count: Any, get: Any, kind: int, matrix: Matrix, level: int) -> Iterator[Any]:
    for at in range(count(parent)):
        each = get(parent, at)
        found = c.FPDFPageObj_GetType(each)
        if found not in (kind, c.FPDF_PAGEOBJ_FORM):
            continue
        own = c.FS_MATRIX()
        if not c.FPDFPageObj_GetMatrix(each, own):
            continue
        whole = _times((own.a, own.b, own.c, own.d, own.e, own.f), matrix)
        if found == kind:
            yield each, whole
        elif level < _LEVELS:
            yield from _within(c, each, c.FPDFFormObj_CountObjects, c.FPDFFormObj_GetObject, kind, whole, level + 1)


def _is_picture(c: Any, page: Any, area: float) -> bool:
    """Whether one image covers most of a page, as that of a scanner does."""
    # An image is the unit square, stretched and turned by its matrix.
    areas = (abs(m[0] * m[3] - m[1] * m[2]) for _, m in _objects(c, page, c.FPDF_PAGEOBJ_IMAGE))
    return any(each > _PICTURE * area for each in areas)


def _times(a: Matrix, b: Matrix) -> Matrix:
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
        a[4] * b[0] + a[5] * b[2] + b[4],
        a[4] * b[1] + a[5] * b[3] + b[5],
    )


def _strokes(c: Any, path: Any, matrix: Matrix, most: int) -> Iterator[tuple[Point, Point]]:
    """The straight pieces of a path that is drawn; of a thin box that is filled, the line it looks like."""
    fill, stroked = ctypes.c_int(), ctypes.c_int()
    if not c.FPDFPath_GetDrawMode(path, fill, stroked):
        return
    for points in _subpaths(c, path, matrix, most):
        xs, ys = [x for x, _ in points], [y for _, y in points]
        width, height = max(xs) - min(xs), max(ys) - min(ys)
        if min(width, height) < _THIN and (fill.value or stroked.value):
            middle = (min(xs) + width / 2, min(ys) + height / 2)
            if width > height:
                yield (min(xs), middle[1]), (max(xs), middle[1])
            else:
                yield (middle[0], min(ys)), (middle[0], max(ys))
        elif stroked.value:
            yield from pairwise(points)


def _subpaths(c: Any, path: Any, matrix: Matrix, most: int) -> Iterator[list[Point]]:
    """The points of each part of a path, its curves left out, closed where it is."""
    a, b, cc, d, e, f = matrix
    x, y = ctypes.c_float(), ctypes.c_float()
    points: list[Point] = []
    for at in range(min(c.FPDFPath_CountSegments(path), 4 * most)):
        segment = c.FPDFPath_GetPathSegment(path, at)
        if not segment or not c.FPDFPathSegment_GetPoint(segment, x, y):
            continue
        kind = c.FPDFPathSegment_GetType(segment)
        point = (_finite(a * x.value + cc * y.value + e), _finite(b * x.value + d * y.value + f))
        if kind != c.FPDF_SEGMENT_LINETO:  # a move, or a curve, after which another straight piece may begin
            if len(points) > 1:
                yield points
            points = [point]
        else:
            points.append(point)
        if c.FPDFPathSegment_GetClose(segment) and len(points) > 1:
            yield [*points, points[0]]
            points = [points[0]]
    if len(points) > 1:
        yield points


def _malformed(found: str, found_it: str) -> Refused:
    return Refused("file.malformed", format="PDF", found=found, found_it=found_it)


TASKS: Final[dict[str, Callable[[BinaryIO, dict[str, int], Take], None]]] = {"grid": grid, "html": html, "pdf": pdf}

if __name__ == "__main__":
    main()
