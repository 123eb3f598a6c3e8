"""Identifiers to IRIs: encoding, safe IRIs, slugs, the base of a deployment."""

from __future__ import annotations

from urllib.parse import unquote

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import NamedNode, RdfFormat, parse

from etl import iris

# Text with what IRIs are made of and what breaks them, so that hypothesis need not be lucky.
PIECES = st.sampled_from(
    [*'abcXYZ019-._~ :/?#@[]%<>"{}|^`\\\n\0é€', "%2F", "//", "http://", "urn:", ":80", "\ue000", "\ufdd0"]
)
WILD = st.lists(PIECES | st.text(max_size=2), max_size=12).map("".join)


def column(values: list[str | None], make: pl.Expr) -> list[str | None]:
    return pl.DataFrame({"v": values}, schema={"v": pl.String}).select(make).to_series().to_list()


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("TO7.1.1.b", "TO7.1.1.b"),
        ("a/b c", "a%2Fb%20c"),
        ("50%", "50%25"),
        ("%2F", "%252F"),
        ("già", "gi%C3%A0"),
        ("-._~", "-._~"),
        ("!$&'()*+,;=:@", "%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40"),
        ("", ""),
    ],
)
def test_template_values_are_encoded_as_rfc_3986_unreserved(value: str, encoded: str) -> None:
    assert iris.encode(value) == encoded
    assert column([value], iris.encoded(pl.col("v"))) == [encoded]


@given(st.lists(st.none() | WILD, max_size=8))
def test_a_column_is_encoded_as_each_value_is_and_can_be_read_back(values: list[str | None]) -> None:
    got = column(values, iris.encoded(pl.col("v")))
    assert got == [None if value is None else iris.encode(value) for value in values]
    assert [None if each is None else unquote(each, errors="strict") for each in got] == values


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ("https://example.org/a?b=c&d#e", "https://example.org/a?b=c&d#e"),
        ("https://example.org/già/%20", "https://example.org/già/%20"),
        ("https://example.org/a b", "https://example.org/a%20b"),
        ('https://example.org/<a>"{b}|c\\^`', "https://example.org/%3Ca%3E%22%7Bb%7D%7Cc%5C%5E%60"),
        ("https://example.org/100%", "https://example.org/100%25"),
        ("https://example.org/a#b#c", "https://example.org/a#b%23c"),
        ("https://example.org/[a]", "https://example.org/%5Ba%5D"),
        ("urn:isbn:123", "urn:isbn:123"),
        ("mailto:a@example.org", "mailto:a@example.org"),
        ("HTTP://example.org", "HTTP://example.org"),
        ("www.example.org", None),
        ("/relative", None),
        ("//example.org/a", None),
        ("https://[::1]/", None),
        ("https://example.org:8x/", None),
        ("1a:b", None),
        ("Non disponibile", None),
        ("", None),
    ],
)
def test_whole_iris_are_made_safe_or_refused(value: str, safe: str | None) -> None:
    assert iris.absolute(value) == safe
    assert column([value], iris.absolutes(pl.col("v"))) == [safe]


@given(st.lists(st.none() | WILD | WILD.map("https://example.org/".__add__), max_size=8))
def test_what_is_kept_as_an_iri_is_one(values: list[str | None]) -> None:
    got = column(values, iris.absolutes(pl.col("v")))
    assert got == [None if value is None else iris.absolute(value) for value in values]
    for iri in got:
        if iri is not None:
            (triple,) = parse(f"<{iri}> <{iri}> <{iri}> .".encode(), format=RdfFormat.N_TRIPLES)
            assert triple.predicate == NamedNode(iri)
            assert iris.absolute(iri) == iri


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Comune di Torino", "comune-di-torino"),
        ("Città di Forlì", "citta-di-forli"),
        ("L'Aquila", "l-aquila"),
        ("  A.S.L. n° 3 -- Nord/Ovest ", "a-s-l-n-3-nord-ovest"),
        ("Straße", "strasse"),
        ("ﬁume", "fiume"),
        ("…", None),
        ("日本", None),
        ("", None),
    ],
)
def test_slugs(text: str, expected: str | None) -> None:
    assert iris.slug(text) == expected
    assert column([text, None], iris.slugs(pl.col("v"))) == [expected, None]


@given(st.text())
def test_a_slug_is_a_path_segment_or_nothing(text: str) -> None:
    made = iris.slug(text)
    assert made is None or (made.isascii() and iris.encode(made) == made and iris.slug(made) == made)
    assert made != ""


@pytest.mark.parametrize(
    ("tail", "moves"),
    [
        ("id/project/C19J21037430006", True),
        ("graph/ponmetro", True),
        ("release/2026-11-22T103000Z", True),
        ("catalog", True),
        ("catalog#dataset", True),
        ("onto/Operation", False),
        ("shapes/operation", False),
        ("catalogue", False),
        ("identity", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("base", ["http://localhost:8000/", "https://dati.example.it/cupola/"])
def test_a_deployment_moves_what_it_mints_and_nothing_else(tail: str, moves: bool, base: str) -> None:
    written = iris.DEFAULT_BASE + tail
    assert iris.rebase(written, base) == (base + tail if moves else written)
    assert iris.rebase("https://example.org/id/x", base) == "https://example.org/id/x"
    assert iris.rebase(written, iris.DEFAULT_BASE) == written


@pytest.mark.parametrize(
    "base", ["", "example.org/", "https://example.org", "ftp://example.org/", "https://exa mple.org/"]
)
def test_a_base_that_is_no_address_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="base"):
        iris.rebase(iris.DEFAULT_BASE + "id/x", base)
