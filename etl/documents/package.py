"""A ZIP archive of an office document, opened with care: no more is unpacked than is allowed, no entity is followed.

The sizes that an archive declares are believed only once its parts, unpacked, have just those. XML is parsed without
DTDs and entities, without the network, and no deeper than limits.toml says.
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import io
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from etl.documents.limits import limits, too_deep
from etl.problems import Unusable

#: What Python's own reader of archives raises for one that is broken.
_BROKEN: Final = (zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError, EOFError)
_LOCAL_HEADER: Final = 30  # bytes before the name
_ENCRYPTED: Final = 0x1
#: A small part may well pack as badly as this: an empty table does.
_RATIO_FROM: Final = 1 << 20


class _Nothing:
    """Takes the events of a parser and makes nothing of them."""

    def close(self) -> None:
        """The end of the document."""


class Package:
    """The parts of an archive; what is not asked for is not unpacked.

    Raises Unusable: file.malformed, file.encrypted, file.unpacks-too-large; parts too, when they are read.
    """

    def __init__(self, data: bytes, format: str) -> None:  # noqa: A002 - the word of the problems
        self.format, self._data = format, data
        bounds = limits().package
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                infos = archive.infolist()
        except _BROKEN as error:
            raise self.malformed(str(error) or "ZIP", "archivio ZIP rovinato") from error
        if len(infos) > bounds.members:
            raise _bomb(f"{len(infos)} parts", f"{len(infos)} parti", bounds.members)
        unpacked = sum(info.file_size for info in infos)
        if unpacked > bounds.unpacked:
            raise _bomb(f"{unpacked} bytes", f"{unpacked} byte", bounds.unpacked)
        for info in infos:
            if info.flag_bits & _ENCRYPTED:
                raise Unusable("file.encrypted")
            if info.file_size > _RATIO_FROM and info.file_size > bounds.ratio * max(info.compress_size, 1):
                times = info.file_size // max(info.compress_size, 1)
                raise _bomb(f"{times} times its size", f"{times} volte la sua misura", bounds.ratio)
        self.parts = {info.filename.lstrip("/"): info for info in infos}

    def read(self, name: str) -> bytes:
        """The bytes of a part. KeyError if there is none of the name."""
        info = self.parts[name]
        begin = info.header_offset + _LOCAL_HEADER
        header = self._data[info.header_offset : begin]
        if len(header) < _LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
            raise self._broken(name)
        begin += int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        packed = self._data[begin : begin + info.compress_size]
        whole = self._inflated(name, packed, info)
        if len(whole) != info.file_size or zlib.crc32(whole) != info.CRC:
            raise self._broken(name)
        return whole

    def _inflated(self, name: str, packed: bytes, info: zipfile.ZipInfo) -> bytes:
        if info.compress_type == zipfile.ZIP_STORED:
            return packed
        if info.compress_type != zipfile.ZIP_DEFLATED:
            raise self._broken(name)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            return inflater.decompress(packed, info.file_size + 1)  # one more tells that the size was a lie
        except zlib.error as error:
            raise self._broken(name) from error

    def vouch(self) -> None:
        """Unpack every part once, so that a library that believes no sizes finds just those that were declared."""
        for name in self.parts:
            self.read(name)

    def xml(self, name: str) -> etree._Element:
        """The root of a part of XML. KeyError if there is none of the name; raises Unusable (file.too-deep) too."""
        info = self.parts[name]
        if info.file_size > limits().package.xml:
            raise _bomb(f"{name}: {info.file_size} bytes", f"{name}: {info.file_size} byte", limits().package.xml)
        root: etree._Element = self._parsed(
            name,
            etree.XMLParser(
                resolve_entities=False,
                no_network=True,
                load_dtd=False,
                huge_tree=False,
                remove_comments=True,
                remove_pis=True,
            ),
        )
        if root.getroottree().docinfo.internalDTD is not None:
            raise self.malformed(f"{name}: a document type declaration", f"{name}: una dichiarazione DTD")
        _shallow(root)
        return root

    def well_formed(self, name: str) -> None:
        """Raise Unusable if a part of any size is no well-formed XML; no tree is made of it."""
        nothing: Any = _Nothing()  # it takes fewer events than the types of lxml ask for
        careful = etree.XMLParser(
            target=nothing, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )
        self._parsed(name, careful)

    def _parsed(self, name: str, parser: Any) -> Any:  # of a tree's parser a tree, of another's what its target makes
        data = self.read(name)
        try:
            return etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            told = str(error).splitlines()[0] if str(error) else "XML"
            if "depth" in told.lower():
                raise too_deep(limits().blocks.levels) from error
            raise self.malformed(f"{name}: {told}", f"{name}: XML malformato") from error

    def related(self, name: str) -> dict[str, tuple[str, str, bool]]:
        """The relationships of a part (its .rels): id -> type's last word, target, whether it leads out of the file.

        Targets within the file are names of parts. https://ecma-international.org/publications-and-standards/standards/ecma-376/
        """
        folder, base = posixpath.split(name)
        rels = posixpath.join(folder, "_rels", f"{base}.rels")
        found = {}
        if rels in self.parts:
            for each in self.xml(rels):
                if isinstance(each.tag, str):
                    target, outside = each.get("Target", ""), each.get("TargetMode") == "External"
                    if not outside:
                        target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                    found[each.get("Id", "")] = (each.get("Type", "").rpartition("/")[2], target, outside)
        return found

    def malformed(self, found: str, found_it: str) -> Unusable:
        """The problem of a document that is not what it should be."""
        return Unusable("file.malformed", format=self.format, found=found, found_it=found_it)

    def _broken(self, name: str) -> Unusable:
        return self.malformed(f"{name}: broken", f"{name}: parte rovinata")


def local(element: etree._Element) -> str:
    """An element's name without its namespace: transitional and strict documents differ in nothing else."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: etree._Element, *names: str) -> Iterator[etree._Element]:
    """The child elements of these names."""
    return (child for child in element if local(child) in names)


def child(element: etree._Element | None, *path: str) -> etree._Element | None:
    """The first element down a path of names, None where it ends."""
    for name in path:
        element = next(children(element, name), None) if element is not None else None
    return element


def attribute(element: etree._Element | None, name: str) -> str:
    """An attribute by its name without namespace, "" without it."""
    if element is not None:
        for key, value in element.attrib.items():
            if str(key).rpartition("}")[2] == name:
                return str(value)
    return ""


def _shallow(root: etree._Element) -> None:
    """Refuse (file.too-deep) a tree that the readers could not go down, a few levels at each step."""
    deepest = limits().blocks.levels
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > deepest:
            raise too_deep(deepest)


def _bomb(found: str, found_it: str, limit: int) -> Unusable:
    return Unusable("file.unpacks-too-large", found=found, found_it=found_it, limit=str(limit))
