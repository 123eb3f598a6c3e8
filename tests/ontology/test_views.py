"""The views over a release: a case is what the release holds (`<case>.ttl`), `.expected.ttl` what the view says."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest
from rdflib import Graph
from rdflib.compare import graph_diff, to_canonical_graph

from etl.index import Index

HERE = Path(__file__).parent
VIEWS = HERE.parents[1] / "ontology" / "views"
CASES = sorted(path for path in HERE.glob("views/*/*.ttl") if ".expected" not in path.name)


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_view_says_just_this(case: Path, tmp_path: Path) -> None:
    quads = tmp_path / "data.nq"
    with quads.open("wb") as file:
        ox.serialize(ox.parse(path=str(case), format=ox.RdfFormat.TURTLE), file, format=ox.RdfFormat.N_QUADS)
    made = tmp_path / "view.nq"
    with Index(tmp_path / "store") as index:
        index.add(quads, "urn:none")
        index.view(VIEWS / f"{case.parent.name}.rq", "urn:view", made)
    found = Graph()
    for line in made.read_text(encoding="utf-8").splitlines():
        assert line.endswith(" <urn:view> .")
        found.parse(data=line.replace(" <urn:view> .", " ."), format="nt")
    expected = Graph().parse(case.with_suffix(".expected.ttl"), format="turtle")
    _, missing, extra = graph_diff(to_canonical_graph(expected), to_canonical_graph(found))
    assert (list(missing), list(extra)) == ([], [])


def test_every_view_has_cases() -> None:
    assert {path.stem for path in VIEWS.glob("*.rq")} == {case.parent.name for case in CASES}


def test_a_view_that_is_no_construct_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ask.rq").write_text("ASK {}")
    with Index(tmp_path / "store") as index, pytest.raises(TypeError, match="CONSTRUCT"):
        index.view(tmp_path / "ask.rq", "urn:view", tmp_path / "out.nq")
