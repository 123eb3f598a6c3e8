"""Sitemaps of more pages than one file may list."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from endpoint import sitemap

if TYPE_CHECKING:
    import pytest
    from flask.testing import FlaskClient

LOC = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


def places(client: FlaskClient, path: str) -> list[str]:
    tree = ElementTree.fromstring(client.get(path).data)
    return [(entry.text or "").removeprefix("http://localhost") for entry in tree.iter(LOC)]


def test_many_operations_are_listed_in_several_files_each_once(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = places(client, "/sitemap.xml")
    for size, files in ((4, 3), (6, 2), (11, 2), (12, 1)):  # there are twelve
        monkeypatch.setattr(sitemap, "_OPERATIONS", size)
        index = places(client, "/sitemap.xml")
        pages = [f"/sitemap.xml?page={n + 1}" for n in range(files)]
        assert index == (pages if files > 1 else whole)
        listed = [places(client, page) for page in pages]
        assert [place for page in listed for place in page] == whole
        assert all(len(each) <= size + len(sitemap.PAGES) for each in listed)
        assert client.get(f"/sitemap.xml?page={files + 1}").status_code == 404


def test_no_file_lists_more_than_the_protocol_allows() -> None:
    assert sitemap.URLS == 50_000  # https://www.sitemaps.org/protocol.html
    assert sitemap._OPERATIONS + len(sitemap.PAGES) == sitemap.URLS
