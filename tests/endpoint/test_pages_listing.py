"""The list of projects over a search index with the layout that `etl.search` writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from endpoint.listing import COLUMNS, PAGE_SIZE, Listing, Wanted, match_expression

CITIES = ["Torino", "Forlì", "Venezia"]
NUMBER = 47


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """47 operations: one in three in each city, amounts with cents, every tenth without them."""
    folder = tmp_path_factory.mktemp("release")
    db = sqlite3.connect(folder / "search.sqlite")
    db.execute(f"CREATE TABLE project ({', '.join(COLUMNS)})")
    db.execute(
        "CREATE VIRTUAL TABLE project_fts USING fts5(title, description, cup, local_code, city, bodies,"
        " tokenize='unicode61 remove_diacritics 2')"
    )
    for n in range(1, NUMBER + 1):
        city, amount = CITIES[n % 3], None if n % 10 == 0 else n * 1000.10
        title = f"Opera {n:02}" if n != 5 else "La città che c'è AND NOT altro"
        row = (f"operation/x/{n}", title, "Testo", f"C19J210374{n:05}", f"TO{n}.1.1.b", city, city, f"Regione {city}",
               "x" if n % 2 else "y", None if n % 4 == 0 else f"2020-01-{n % 28 + 1:02}", None,
               amount, None, None, 0.29 if n == 1 else amount, n % 5)  # fmt: skip
        db.execute(f"INSERT INTO project(rowid, {', '.join(COLUMNS)}) VALUES ({n}, {', '.join('?' * len(row))})", row)
        text = (n, title, "Testo", row[3], row[4], city, f"Comune di {city}")
        db.execute("INSERT INTO project_fts(rowid, title, description, cup, local_code, city, bodies)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)", text)  # fmt: skip
    db.commit()
    db.close()
    return folder


@pytest.fixture
def listing(index: Path) -> Iterator[Listing]:
    with Listing(index) as opened:
        yield opened


def titles(listing: Listing, **asked: str) -> list[str]:
    return [row.title for row in listing.all(Wanted.of(asked))]


def test_pages_cover_everything_once_and_totals_are_true(listing: Listing) -> None:
    pages = [listing.find(Wanted(page=n)) for n in (1, 2, 3)]
    assert [page.total for page in pages] == [NUMBER] * 3
    assert [(page.first, page.last) for page in pages] == [(1, 20), (21, 40), (41, NUMBER)]
    seen = [row.path for page in pages for row in page.rows]
    assert len(set(seen)) == NUMBER
    assert seen == [row.path for row in listing.all(Wanted())]


def test_a_page_past_the_end_is_the_last(listing: Listing) -> None:
    assert listing.find(Wanted(page=900)).rows == listing.find(Wanted(page=3)).rows
    none = listing.find(Wanted(words="inesistente", page=4))
    assert (none.rows, none.total, none.page, none.pages) == ([], 0, 1, 1)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("forli", 16),  # without its accent
        ("FORLÌ opera", 16),
        ("comune venezia", 16),
        ("opera 03", 1),
        ("TO3.1.1.b", 1),
        ("C19J21037400003", 1),
        ("C19J 2103 7400 003", 1),  # a CUP as sheets space it
        ("c19j2103740000", 9),  # its beginning
        ("citt", 1),  # the last word may go on
        ("citt che", 0),  # the others may not
        ("opera inesistente", 0),
    ],
)
def test_search_finds(listing: Listing, words: str, found: int) -> None:
    assert listing.find(Wanted(words=words)).total == found


@pytest.mark.parametrize(
    "words",
    ['"', '""', "'", "*", "(", ")", "title:opera", "NEAR(a b)", "opera OR", "AND", "NOT NOT", "^opera", "- -", "{x}",
     "a;DROP TABLE project", "%", "\\", "…", "\ud83c\udf0d", "+", "opera -testo", 'x" OR "opera', "\0"],
)  # fmt: skip
def test_nothing_a_reader_types_is_syntax(listing: Listing, words: str) -> None:
    wanted = Wanted.of({"q": words})
    found = listing.find(wanted)
    assert len(list(listing.all(wanted))) == found.total
    assert listing.find(Wanted()).total == NUMBER


def test_words_of_the_query_language_are_words(listing: Listing) -> None:
    assert titles(listing, q="AND NOT altro") == ["La città che c'è AND NOT altro"]
    assert titles(listing, q="c'è") == ["La città che c'è AND NOT altro"]
    assert match_expression('a "b" c') == '"a" """b""" "c"*'


def test_filters_narrow_and_combine(listing: Listing) -> None:
    assert dict(listing.choices("city")) == {"Forlì": 16, "Torino": 15, "Venezia": 16}
    for city, number in listing.choices("city"):
        assert listing.find(Wanted(city=city)).total == number
    both = list(listing.all(Wanted(city="Torino", source="x")))
    assert {(row.city, row.source) for row in both} == {("Torino", "x")}
    assert len(both) < 15
    assert listing.find(Wanted(city="Torino' OR '1'='1")).total == 0
    assert listing.find(Wanted(region="Regione Torino", words="opera")).total == 15
    with pytest.raises(ValueError, match="no filter"):
        listing.choices("path FROM project; --")


@pytest.mark.parametrize("column", ["programmed", "disbursed"])
def test_amounts_sort_from_the_largest_and_missing_ones_come_last(listing: Listing, column: str) -> None:
    amounts = [getattr(row, f"{column}_amount") for row in listing.all(Wanted(sort=column))]
    known = [float(a) for a in amounts if a is not None]
    assert known == sorted(known, reverse=True)
    assert amounts[len(known) :] == [None] * 4


def test_dates_sort_from_the_latest_and_missing_ones_come_last(listing: Listing) -> None:
    dates = [row.start_date for row in listing.all(Wanted(sort="start"))]
    known = [d for d in dates if d is not None]
    assert known == sorted(known, reverse=True)
    assert dates[len(known) :] == [None] * 11


def test_amounts_come_back_to_the_cent(listing: Listing) -> None:
    rows = {row.path: row for row in listing.all(Wanted())}
    assert rows["operation/x/1"].disbursed_amount == "0.29"
    assert rows["operation/x/47"].programmed_amount == "47004.70"
    assert rows["operation/x/10"].programmed_amount is None


@pytest.mark.parametrize(
    ("asked", "order"),
    [({}, "title"), ({"q": "x"}, "relevance"), ({"sort": "relevance"}, "title"), ({"sort": "problems"}, "problems"),
     ({"q": "x", "sort": "title"}, "title"), ({"sort": "rowid; --"}, "title")],
)  # fmt: skip
def test_the_order_asked_for_is_one_of_ours(asked: dict[str, str], order: str) -> None:
    assert Wanted.of(asked).order == order


@pytest.mark.parametrize("page", ["", "0", "-3", "x", "1e9", "99999999999", "²", "1.5"])
def test_a_page_that_is_no_number_is_the_first(page: str) -> None:
    assert Wanted.of({"page": page}).page == 1


def test_arguments_make_the_address_that_asked_them() -> None:
    asked = {"q": "a b", "city": "Forlì", "sort": "end", "page": "3"}
    assert Wanted.of(asked).arguments() == asked
    assert Wanted.of(asked).arguments(page="") == {k: v for k, v in asked.items() if k != "page"}


def test_the_index_cannot_be_written(index: Path) -> None:
    with Listing(index) as opened, pytest.raises(sqlite3.OperationalError, match="readonly"):
        opened._db.execute("DELETE FROM project")


def test_numbers_and_the_example(listing: Listing) -> None:
    assert listing.numbers() == (NUMBER, NUMBER)
    example = listing.example()
    assert example is not None
    assert example.problems == 1
    assert PAGE_SIZE < NUMBER
