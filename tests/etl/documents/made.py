"""Documents made for tests: of invented content, small, each as its format's own programs write it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence

from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
_ODF = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("style", "style"),
        ("draw", "drawing"),
        ("fo", "xsl-fo-compatible"),
    )
)


def archive(parts: dict[str, str | bytes], stored: Iterable[str] = ()) -> bytes:
    """A ZIP archive of parts by name; those `stored` are not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content, zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED)
    return out.getvalue()


def relations(*told: tuple[str, str, str, bool]) -> str:
    """A part of relationships: id, the type's last word, target, whether it is outside."""
    return (
        _RELS
        + "".join(
            f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"'
            f"{' TargetMode=' + chr(34) + 'External' + chr(34) if outside else ''}/>"
            for name, kind, target, outside in told
        )
        + "</Relationships>"
    )


def docx(
    body: str, others: dict[str, str | bytes] | None = None, related: Sequence[tuple[str, str, str, bool]] = ()
) -> bytes:
    """A Word document of the XML of its body, with other parts and the document's relationships."""
    return archive(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
            "_rels/.rels": relations(("r1", "officeDocument", "word/document.xml", False)),
            "word/document.xml": f"<w:document {W} {R}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(*related),
            **(others or {}),
        }
    )


def paragraph(text: str, properties: str = "") -> str:
    """A paragraph of Word with one run."""
    return f'<w:p><w:pPr>{properties}</w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def odt(body: str, styles: str = "", margins: str = "", others: dict[str, str | bytes] | None = None) -> bytes:
    """An OpenDocument text of the XML of its body, its automatic styles, and its master page."""
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {_ODF} xmlns:xlink='http://www.w3.org/1999/xlink'>"
            f"<office:automatic-styles>{styles}</office:automatic-styles>"
            f"<office:body><office:text>{body}</office:text></office:body></office:document-content>",
            "styles.xml": f"<office:document-styles {_ODF}><office:master-styles>"
            f'<style:master-page style:name="Standard">{margins}</style:master-page>'
            "</office:master-styles></office:document-styles>",
            **(others or {}),
        },
        stored=["mimetype"],
    )


def ods(rows: str) -> bytes:
    """An OpenDocument spreadsheet of the XML of the rows of its one tab, "Schede"."""
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": f"<office:document-content {_ODF}><office:body><office:spreadsheet>"
            f'<table:table table:name="Schede">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
            "META-INF/manifest.xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:'
            'manifest:1.0"><manifest:file-entry manifest:full-path="/" '
            'manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>',
        },
        stored=["mimetype"],
    )


class Pdf:
    """A PDF written piece by piece; y counts from the top, in points."""

    def __init__(self, *, password: str = "", invariant: bool = True) -> None:
        self._out = io.BytesIO()
        self.canvas = Canvas(self._out, pagesize=A4, invariant=int(invariant), encrypt=password or None)
        self.size(10)

    def size(self, points: float) -> None:
        """The size of what is written from here on."""
        self.points = points
        self.canvas.setFont("Helvetica", points)

    def text(self, x: float, y: float, *lines: str) -> None:
        """Lines from a place downwards, without a gap between them."""
        for at, line in enumerate(lines):
            self.canvas.drawString(x, A4[1] - y - at * 1.2 * self.points, line)

    def table(
        self, x: float, y: float, widths: Sequence[float], rows: Sequence[Sequence[str]], height: float = 20
    ) -> None:
        """A ruled table; a cell's lines are parted by a line end."""
        rights = [x + sum(widths[:at]) for at in range(len(widths) + 1)]
        downs = [A4[1] - y - height * at for at in range(len(rows) + 1)]
        self.canvas.grid(rights, downs)
        for at, row in enumerate(rows):
            for left, cell in zip(rights, row, strict=False):
                self.text(left + 3, y + at * height + 1.2 * self.points, *cell.split("\n"))

    def picture(self, x: float, y: float, width: float, height: float) -> None:
        """A grey image, its top at a place."""
        self.canvas.drawImage(ImageReader(Image.new("L", (8, 8), 128)), x, A4[1] - y - height, width, height)

    def page(self) -> None:
        """The next page."""
        self.canvas.showPage()
        self.size(self.points)

    def bytes(self) -> bytes:
        """The finished file."""
        self.canvas.save()
        return self._out.getvalue()
