"""HermiT, asked about our ontology, the vocabularies it stands on, and what we publish.

HermiT comes with owlready2 and runs on Java. It is asked by its command line, whose answer is plain; owlready2 itself,
which would keep everything in a database of its own, is not needed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from rdflib import OWL, RDF, RDFS, SKOS, XSD, BNode, Graph, Literal, Namespace, URIRef
from rdflib.collection import Collection
from rdflib.term import Node

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

#: The vocabularies the official data are made of: OntoPiA and Public Investment.
OFFICIAL = ("ontopia/*.ttl", "public-investment/public-investment.ttl")
#: All there are: those, OntoPiA's alignments and code lists, the W3C's, Dublin Core, FOAF, and those of procurement.
EVERY = (*OFFICIAL, "ontopia/*/*.ttl", "public-investment/*.ttl", "w3c/*.ttl", "general/*.rdf", "procurement/*.ttl")
#: Files among those the reasoner is not given, and why.
LEFT_OUT = {
    "ontopia/DCAT-AP_IT.ttl": "gives Dublin Core, DCAT, SKOS and ADMS properties the domain of data sets, for all uses",
    "ontopia/cv/provinces.ttl": "says provinces 108, 109 and 110 are all owl:sameAs one IRI; their codes differ",
}
#: Datatypes of XML Schema outside OWL 2, which HermiT refuses: rdfs:Literal stands for them as a range, a string as a
#: value. So HermiT still counts the values of functional properties; test_declared_terms.py looks at their datatypes.
UNSUPPORTED = frozenset(
    URIRef(f"{XSD}{name}")
    for name in ("date", "time", "duration", "gDay", "gMonth", "gMonthDay", "gYear", "gYearMonth", "anySimpleType")
)
#: Words for people, which no reasoning needs: more than half of the vocabularies.
WORDS = {RDFS.label, RDFS.comment, RDFS.isDefinedBy, SKOS.definition, SKOS.prefLabel, OWL.versionInfo, OWL.imports}
DECLARES = f"<{RDF.type}> <{OWL}"


class NoVerdictError(Exception):
    """HermiT could not read what it was given, or failed: it said neither yes nor no."""


def consistent(*graphs: Graph, memory: int = 1500) -> bool:
    """Whether the graphs taken together are free of contradiction; raises NoVerdictError when HermiT does not say."""
    spec = find_spec("owlready2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    jar = Path(spec.submodule_search_locations[0]) / "hermit" / "HermiT.jar"
    with TemporaryDirectory() as folder:
        ontology = Path(folder) / "ontology.nt"
        # Declarations first: HermiT's parser takes a property it has not met yet for an annotation, and forgets it.
        lines = sorted(
            (line for graph in graphs for line in triples(graph)), key=lambda line: (DECLARES not in line, line)
        )
        ontology.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command: list[str | Path] = [
            "java",
            f"-Xmx{memory}M",
            "-XX:+UseSerialGC",  # each question is a short run: Java's own threads would cost more than they give
            "-XX:TieredStopAtLevel=1",
            "-cp",
            jar,
            "org.semanticweb.HermiT.cli.CommandLine",
            "--consistency",
        ]
        told = subprocess.run([*command, ontology.as_uri()], capture_output=True, text=True, timeout=300, check=False)
    if told.stdout.startswith(f"{OWL.Thing} is satisfiable."):
        return True
    if "InconsistentOntologyException" in told.stderr:
        return False
    raise NoVerdictError(told.stderr + told.stdout)


@cache
def vocabularies(folder: Path, patterns: tuple[str, ...], *withdrawn: str) -> Graph:
    """Our ontology with the vocabularies of some patterns, without the axioms that withdrawn/<name>.ru takes away."""
    files = {file for pattern in patterns for file in folder.glob(pattern)}
    files -= {folder / name for name in LEFT_OUT}
    graph = Graph()
    for file in (*sorted(files), *sorted((ROOT / "ontology").glob("*.ttl"))):
        graph.parse(file)
    for name in withdrawn:
        before = len(graph)
        graph.update((HERE / "withdrawn" / f"{name}.ru").read_text(encoding="utf-8"))
        assert len(graph) < before, f"withdrawn/{name}.ru withdraws nothing"
    return declaring(graph)


def declaring(graph: Graph) -> Graph:
    """The graph, with the classes it borrows from ontologies that are not here declared: else HermiT sees datatypes."""
    for term in list(graph.subjects(RDF.type, OWL.ObjectProperty)):
        for place in (RDFS.domain, RDFS.range):
            for named in list(graph.objects(term, place)):
                if isinstance(named, URIRef) and (named, RDF.type, None) not in graph:
                    graph.add((named, RDF.type, OWL.Class))
    return graph


@cache
def triples(graph: Graph) -> list[str]:
    """A graph as lines of N-Triples HermiT can bear; its blank nodes keep their names, which are its own."""
    borne = Graph()
    for subject, predicate, object_ in graph:
        if predicate not in WORDS:
            borne.add((subject, predicate, bearable(object_)))
    return borne.serialize(format="nt").splitlines()


def bearable(node: Node) -> Node:
    """A node, or what stands for it where HermiT does not know the datatype."""
    if isinstance(node, Literal) and node.datatype in UNSUPPORTED:
        return Literal(str(node))
    if node in UNSUPPORTED:
        return RDFS.Literal
    # rdf:langString came after OWL 2, which calls text in a language rdf:PlainLiteral
    return URIRef(f"{RDF}PlainLiteral") if node == RDF.langString else node


def case(kind: str, name: str) -> Graph:
    """A case of consistent/ or inconsistent/, with IRIs of its own."""
    file = HERE / kind / f"{name}.ttl"
    return Graph().parse(file, format="turtle", publicID=f"https://example.org/{name}")


def together(graphs: Iterable[Graph]) -> Graph:
    """The union of graphs."""
    whole = Graph()
    for graph in graphs:
        whole += graph
    return whole


# --- questions that have the form of an ontology: it is consistent if the answer is the one hoped for -----------------


def all_different(things: Iterable[URIRef]) -> Graph:
    """Says that things are all different: what follows to be one (owl:sameAs) becomes a contradiction."""
    graph, axiom, members = Graph(), BNode(), BNode()
    graph.add((axiom, RDF.type, OWL.AllDifferent))
    graph.add((axiom, OWL.distinctMembers, members))
    Collection(graph, members, list[Node](sorted(things)))
    return graph


def probes(graph: Graph, ours: Namespace, empty: Iterable[URIRef] = ()) -> Graph:
    """Says of each named class, but those known to be empty, that something is in it that is in no class of ours.

    For a class of ours: in none but itself and those above it. A contradiction if a class can have no member, if one of
    ours falls in another by reasoning only, or if one of others does in one of ours (as one equal to it would).
    """
    asked = Graph()
    classes = {c for c in graph.subjects(RDF.type, OWL.Class) if isinstance(c, URIRef)}
    classes -= {OWL.Thing, OWL.Nothing, *empty}
    mine = sorted(c for c in classes if c in ours)
    for number, named in enumerate(sorted(classes)):
        member, other, union, members = URIRef(f"urn:probe:{number}"), BNode(), BNode(), BNode()
        above = set(graph.transitive_objects(named, RDFS.subClassOf))
        asked.add((member, RDF.type, named))
        asked.add((member, RDF.type, other))
        asked.add((other, RDF.type, OWL.Class))
        asked.add((other, OWL.complementOf, union))
        asked.add((union, RDF.type, OWL.Class))
        asked.add((union, OWL.unionOf, members))
        Collection(asked, members, list[Node](c for c in mine if c not in above))
    return asked
