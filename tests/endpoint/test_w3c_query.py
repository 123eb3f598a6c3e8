"""The W3C's SPARQL 1.1 query tests over both engines, through a worker; `python -m benchmarks.w3c` prints the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.w3c import ENGINES, cases, known_failures, run


@pytest.mark.parametrize("engine", ENGINES)
def test_the_w3c_query_tests_pass_but_for_those_we_can_explain(engine: str, shared: Path) -> None:
    suite = shared / "w3c" / "sparql11"
    results = {case.id: run(case, engine) for case in cases(suite)}
    assert len(results) > 330
    known = known_failures()[engine]
    assert {id_: wrong for id_, wrong in results.items() if wrong and id_ not in known} == {}
    assert [id_ for id_ in known if results.get(id_, "no such test") is None] == []


def test_every_known_failure_is_explained_and_is_a_test_of_the_suite(shared: Path) -> None:
    ids = {case.id for case in cases(shared / "w3c" / "sparql11")}
    for failures in known_failures().values():
        assert failures.keys() <= ids
        assert all(len(because) > 20 for because in failures.values())
