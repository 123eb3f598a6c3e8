"""The example queries: each follows the convention, runs, and answers what the example data say.

What each must answer is in `queries/`, a file an example with the example's name:

- `.csv` for a SELECT: the rows, in order; a number is compared as a number, an empty cell is no value, and `*` is any
  value (a count of the ontology's statements, the date of a release);
- `.ttl` for a CONSTRUCT (these statements and no other) and a DESCRIBE (these at least: an engine may say more);
- `.txt` for an ASK (`true` or `false`) and for a query that asks other endpoints (why it is refused).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from endpoint.examples import FOLDER, KINDS, SPEX, TOPICS, Example, by_topic, example_named, examples, read
from endpoint.pages import FIRST_QUESTION

EXPECTED = Path(__file__).parent / "queries"
SUFFIX = {"select": ".csv", "ask": ".txt", "construct": ".ttl", "describe": ".ttl"}
CLASS = {kind: f"sh:SPARQL{kind.capitalize()}Executable" for kind in KINDS} | {
    "describe": "spex:SPARQLDescribeExecutable"
}
XSD = "http://www.w3.org/2001/XMLSchema#"
NUMBERS = {XSD + kind for kind in ("integer", "decimal", "double")}

Triples = set[tuple[str, str, str | Decimal]]


@pytest.fixture(scope="module")
def releases(cupola: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    done = cupola("build", examples, "--releases", folder, cwd=folder)
    assert (folder / "current").exists(), done.stderr
    return folder


def ask(client: FlaskClient, example: Example) -> TestResponse:
    accept = "application/sparql-results+json, application/n-triples;q=0.9, application/problem+json;q=0.5"
    return client.post("/sparql", data={"query": example.query}, headers={"Accept": accept})


def expected(example: Example) -> str:
    suffix = ".txt" if example.services else SUFFIX[example.kind]
    return (EXPECTED / (example.name + suffix)).read_text(encoding="utf-8")


def is_as_expected(term: dict[str, str] | None, cell: str) -> bool:
    """Whether a term of the answer is what a cell of an expected file says."""
    if term is None or cell in ("", "*"):
        return (term is None) == (cell == "")
    if term.get("datatype") in NUMBERS:
        return Decimal(term["value"]) == Decimal(cell)
    return term["value"] == cell


def triples(text: str, format_: ox.RdfFormat) -> Triples:
    def value(term: Any) -> str | Decimal:
        number = isinstance(term, ox.Literal) and term.datatype.value in NUMBERS
        return Decimal(term.value) if number else str(term)

    return {(str(q.subject), str(q.predicate), value(q.object)) for q in ox.parse(text, format=format_)}


RUN = [example for example in examples() if not example.services]


@pytest.mark.parametrize("example", [e for e in RUN if e.kind == "select"], ids=lambda e: e.name)
def test_each_select_answers_what_the_example_data_say(client: FlaskClient, example: Example) -> None:
    answer = ask(client, example)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found = json.loads(answer.get_data())
    variables, rows = found["head"]["vars"], found["results"]["bindings"]
    head, *wanted = csv.reader(expected(example).splitlines(keepends=True))
    assert variables == head
    assert wanted, "an example finds something"
    told = [[row[name]["value"] if name in row else "" for name in variables] for row in rows]
    assert len(rows) == len(wanted), told
    for row, line, cells in zip(rows, wanted, told, strict=True):
        assert all(is_as_expected(row.get(name), cell) for name, cell in zip(head, line, strict=True)), (line, cells)


@pytest.mark.parametrize("example", [e for e in RUN if e.kind in ("construct", "describe")], ids=lambda e: e.name)
def test_each_graph_says_what_the_example_data_say(client: FlaskClient, example: Example) -> None:
    answer = ask(client, example)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found = triples(answer.get_data(as_text=True), ox.RdfFormat.N_TRIPLES)
    wanted = triples(expected(example), ox.RdfFormat.TURTLE)
    assert wanted
    assert wanted - found == set()
    assert example.kind == "describe" or found - wanted == set()


@pytest.mark.parametrize("example", [e for e in RUN if e.kind == "ask"], ids=lambda e: e.name)
def test_each_ask_answers_what_the_example_data_say(client: FlaskClient, example: Example) -> None:
    answer = ask(client, example)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert json.dumps(json.loads(answer.get_data())["boolean"]) == expected(example).strip()


@pytest.mark.parametrize("example", [e for e in examples() if e.services], ids=lambda e: e.name)
def test_what_asks_other_endpoints_is_refused_and_the_pages_say_so(client: FlaskClient, example: Example) -> None:
    answer = ask(client, example)
    assert answer.status_code == 403
    assert json.loads(answer.get_data())["detail"] == expected(example).strip()
    for address in (f"/sparql?lang=en&example={example.name}", "/queries?lang=en&keyword=link"):
        page = client.get(address, headers={"Accept": "text/html"}).get_data(as_text=True)
        assert page.count("Not run here") == 1
        assert all(service in page for service in example.services)


def test_every_example_has_an_expected_answer_and_every_answer_its_example() -> None:
    wanted = {e.name + (".txt" if e.services else SUFFIX[e.kind]) for e in examples()}
    assert {path.name for path in EXPECTED.iterdir()} == wanted


def test_there_are_enough_of_every_kind_and_the_first_is_one_of_them() -> None:
    assert len(examples()) >= 50
    assert {example.kind for example in examples()} == set(KINDS)
    assert [example for example in examples() if example.services]
    assert {keyword for example in examples() for keyword in example.keywords} == set(TOPICS)
    assert example_named(FIRST_QUESTION)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ttl")), ids=lambda p: p.stem)
def test_each_file_follows_the_convention(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    example = read(path)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", path.stem)
    assert f"query:{path.stem} a sh:SPARQLExecutable , {CLASS[example.kind]} ;" in text
    assert all(question.endswith("?") for question in example.question.values())
    assert example.kind.upper() in example.query
    # As the SIB's own check asks: each SERVICE is declared, and each declared endpoint is called.
    assert set(re.findall(r"SERVICE <([^>]+)>", example.query)) == set(example.services)
    # Examples must hold whatever base a deployment has: they may name vocabularies, but no data.
    assert not re.search(r"<https://w3id\.org/cupola/(?!onto/)", example.query)
    # Nothing is declared that is not used.
    body = re.sub(r"PREFIX [^\n]*\n", "", example.query)
    unused = [p for p in re.findall(r"PREFIX (\w+):", example.query) if not re.search(rf"(?<!\w){p}:", body)]
    assert not unused


def test_questions_are_told_apart() -> None:
    for language in ("it", "en"):
        questions = [example.question[language] for example in examples()]
        assert len(questions) == len(set(questions))


def test_rows_come_in_an_order_that_is_always_the_same() -> None:
    """Every SELECT orders its rows; that the order leaves no two rows equal is seen by the expected files."""
    assert not [e.name for e in RUN if e.kind == "select" and "\nORDER BY " not in e.query]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("sh:SPARQLExecutable ,", "", "one sh:SPARQLExecutable expected, 0 found"),
        ("@en ;", "@de ;", "in it and en"),
        ("sh:select", "sh:message", "and one select, ask, construct, describe expected"),
        ('"money"', '"mony"', "keywords out of money, "),
        ('schema:keywords "money" , "place" ;', "", "keywords out of money, "),
    ],
)
def test_a_file_that_is_no_example_is_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    text = (FOLDER / f"{FIRST_QUESTION}.ttl").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "x.ttl").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(why)):
        read(tmp_path / "x.ttl")


def test_each_kind_of_query_is_read_with_the_endpoints_it_asks(tmp_path: Path) -> None:
    text = (FOLDER / f"{FIRST_QUESTION}.ttl").read_text(encoding="utf-8")
    more = f"<{SPEX}federatesWith> <http://example.org/b> , <http://example.org/a> ; <{SPEX}describe>"
    (tmp_path / "x.ttl").write_text(text.replace("sh:select", more), encoding="utf-8")
    example = read(tmp_path / "x.ttl")
    assert (example.kind, example.services) == ("describe", ("http://example.org/a", "http://example.org/b"))
    assert (example.topic, example.keywords) == ("money", ("money", "place"))


# --- the page --------------------------------------------------------------------------------------------------------


def listed(client: FlaskClient, address: str) -> list[str]:
    page = client.get(address, headers={"Accept": "text/html"}).get_data(as_text=True)
    return re.findall(r'<li id="([a-z-]+)">', page)


def test_the_page_lists_every_example_once_under_its_topic(client: FlaskClient) -> None:
    assert listed(client, "/queries") == [e.name for found in by_topic().values() for e in found]
    assert sorted(listed(client, "/queries")) == sorted(e.name for e in examples())


@pytest.mark.parametrize("topic", TOPICS)
def test_the_page_gives_the_examples_of_a_keyword(client: FlaskClient, topic: str) -> None:
    wanted = {e.name for e in examples() if topic in e.keywords}
    assert set(listed(client, f"/queries?keyword={topic}")) == wanted


@pytest.mark.parametrize("asked", ["nonsense", "", "%3Cb%3E"])
def test_an_unknown_keyword_is_none(client: FlaskClient, asked: str) -> None:
    assert listed(client, f"/queries?keyword={asked}") == listed(client, "/queries")


# --- the command line ------------------------------------------------------------------------------------------------


def test_an_example_is_asked_by_its_name(cupola: Callable[..., Any], releases: Path) -> None:
    done = cupola("query", "--releases", releases, "suppliers-of-several-authorities")
    assert done.returncode == 0, done.stderr
    head, first, *_ = csv.reader(done.stdout.splitlines())
    assert head == ["supplier", "name", "authorities", "awards"]
    assert first[1:] == ["Esempio Telematica S.r.l.", "3", "3"]


def test_a_name_no_example_has_is_said_to_be_none(cupola: Callable[..., Any], releases: Path) -> None:
    done = cupola("query", "--releases", releases, "suppliers-of-nobody")
    assert done.returncode == 2
    assert "suppliers-of-nobody: no example query has this name" in done.stderr


def test_the_questions_of_the_readme_are_answered_as_it_shows(
    cupola: Callable[..., Any], releases: Path, root: Path
) -> None:
    section = (root / "README.md").read_text(encoding="utf-8").split("\n## Questions people ask\n")[1].split("\n## ")[0]
    shown = re.findall(r"^    \$ \.venv/bin/cupola query (\S+)\n((?:    [^\n]+\n)+)", section, re.MULTILINE)
    assert len(shown) == 3
    for name, answer in shown:
        done = cupola("query", "--releases", releases, name)
        assert done.stdout.splitlines() == [line.removeprefix("    ") for line in answer.splitlines()]
