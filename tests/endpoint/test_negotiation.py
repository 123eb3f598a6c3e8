"""What an Accept header gets: rows of data/negotiation.csv."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from tests.endpoint.conftest import Server

TABLE = Path(__file__).parent / "data" / "negotiation.csv"
ROWS = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
SELECT = "/sparql?query=" + quote("SELECT ?s { ?s ?p ?o } LIMIT 1")
PATHS = {
    "graph": "/data/operation/prova/AA1.1.1.a",
    "results": SELECT,
    "identifier": "/id/operation/prova/AA1.1.1.a",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['what']}: {row['accept'] or 'no header'}")
def test_an_accept_header_gets_the_type_it_likes_best(row: dict[str, str], server: Server) -> None:
    answer = server.get(PATHS[row["what"]], row["accept"] or None)
    if row["type"] == "406":
        assert answer.status_code == 406
        assert "text/csv" in answer.text if row["what"] == "results" else "text/turtle" in answer.text
        return
    if row["what"] == "identifier":
        assert answer.status_code == 303
        answer = server.get(answer.headers["Location"], row["accept"] or None)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].split(";")[0] == row["type"]


def test_what_depends_on_accept_says_so(server: Server) -> None:
    for path in PATHS.values():
        assert "Accept" in server.get(path).headers["Vary"]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        (f"{PATHS['graph']}?format=jsonld", "application/ld+json"),
        (f"{PATHS['graph']}?format=nt", "application/n-triples"),
        (f"{PATHS['graph']}.rdf", "application/rdf+xml"),
        (f"{PATHS['graph']}.trig", "application/trig"),
        (f"{SELECT}&format=csv", "text/csv"),
        (f"{SELECT}&format=xml", "application/sparql-results+xml"),
        (f"{SELECT}&format=text/tab-separated-values", "text/tab-separated-values"),
    ],
)
def test_a_format_asked_for_by_name_wins_over_accept(path: str, content_type: str, server: Server) -> None:
    answer = server.get(path, "image/png")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].split(";")[0] == content_type


@pytest.mark.parametrize("path", [f"{PATHS['graph']}?format=docx", f"{SELECT}&format=docx", f"{SELECT}&format=ttl"])
def test_a_format_that_cannot_be_written_is_refused_with_the_list(path: str, server: Server) -> None:
    answer = server.get(path)
    assert answer.status_code == 406
    assert "?format=" in answer.text
