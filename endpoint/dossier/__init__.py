"""Everything a release says of one CUP: each source's view, contracts, money, disagreements, problems.

The questions are the .rq files beside this one; they are asked of the release's engine, so what is told here is what
any SPARQL client would find. Nothing is chosen between sources and nothing is summed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from endpoint.asking import Row, select
from endpoint.describe import Term, iri_token
from endpoint.engine import Engine, EngineError
from endpoint.language import LANGUAGES, Language
from endpoint.release import Release, current
from endpoint.service import engine_for
from endpoint.settings import Settings
from endpoint.terms import ONTO, full, last_part, short

Json = dict[str, Any]

_HERE: Final = Path(__file__).parent
CUP: Final = re.compile(r"[A-Z][0-9]{2}[A-Z][0-9]{11}")
_TYPE: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_KINDS: Final = {
    full("pi:Progetto_di_investimento_pubblico"): "project",
    full("pi:Codice_unico_di_progetto"): "code",
    full("cupola:Operation"): "operation",
    full("PCTR:Lot"): "lot",
}
#: Graphs that say something about sources, and are none.
NO_SOURCES: Final = ("links", "quality", "ontology", "public-contracts")
#: What needs no field: what the thing is, and links between the things of one CUP.
_UNTOLD: Final = frozenset(
    full(name)
    for name in (
        "rdfs:label", "rdfs:seeAlso", "schema:sameAs", "cupola:cup", "cupola:concernsProject", "cupola:cupState",
        "pi:ha_cup", "PRJ:uniqueProjectCodeValue", "prov:wasDerivedFrom", "RO:forEntity", "RO:withRole", "l0:name",
        "PCTR:CIG", "foaf:primaryTopic",
    )
) | {_TYPE}  # fmt: skip
#: What is told of a place, the narrowest first.
_PLACE: Final = tuple(full(f"CLV:{name}") for name in ("hasCity", "hasProvince", "hasRegion", "hasCountry"))
#: The fields people look for first, in this order; all others follow by their name.
_FIRST: Final = (
    "PRJ:projectTitle", "l0:description", "pi:ha_stato_di_cup", "l0:hasMember", "pi:anno_di_decisione",
    "pi:data_generazione_cup", "cupola:totalCost", "cupola:publicFunding", "cupola:fundingCoverage",
    "cupola:totalFunding", "cupola:totalPayments", "cupola:grantedAmount", "cupola:programmedAmount",
    "cupola:admittedAmount", "cupola:committedAmount", "cupola:disbursedAmount", "cupola:ProjectHolder",
    "cupola:CupApplicant", "cupola:ImplementingBody", "cupola:FinalRecipient", "cupola:RUP", "CLV:Address",
    "CLV:hasSpatialCoverage", "cupola:startDate", "cupola:endDate", "pi:ha_natura_intervento",
    "pi:ha_tipologia_intervento",
)  # fmt: skip
#: What is told of a lot, by the variable that holds it.
_LOT: Final = {
    "cig": "cig", "title": "name", "kind": "kind", "no_cig_because": "absence", "tendered": "tendered",
    "procedure": "procedure", "buyer": "buyer", "published": "published",
}  # fmt: skip
_DEPTH: Final = 4
_AT_ONCE: Final = 500  # things named in one question


def dossier(settings: Settings, code: str, language: str = "en") -> Json:
    """What the current release says of a well-formed CUP, ready for JSON.

    `known` says whether any source has it; `sources` all the sources, each with its date and how many things of the
    CUP it has; `views` what each source says of each thing, field by field; `fields` the same side by side;
    `contracts`, `observations`, `discrepancies`, `states` and `problems` the rest. Names are in `language` where the
    release has them. Raises NoRelease, and ValueError for what is no CUP or is not answered.
    """
    if not CUP.fullmatch(code):
        raise ValueError(f"{code!r} is no well-formed CUP")
    if language not in LANGUAGES:
        raise ValueError(f"{language!r}: allowed: {', '.join(LANGUAGES)}")
    release = current(settings.releases)
    engine = engine_for(release, settings)
    try:
        return _Dossier(release, engine, code, Language(language)).told()
    except EngineError as error:
        raise ValueError(str(error)) from error
    finally:
        engine.kill()


class _Dossier:
    """The questions about one CUP, and their answers put together."""

    def __init__(self, release: Release, engine: Engine, code: str, words: Language) -> None:
        self.release, self.engine, self.code, self.words = release, engine, code, words
        self.names: dict[str, dict[str, str]] = defaultdict(dict)
        self.codes: dict[str, str] = {}
        self.graphs = f"{release.base}graph/"

    def told(self) -> Json:
        """The whole dossier."""
        things = self.things()
        said = self.statements(things)
        contracts, observations = self.ask("contracts"), self.ask("observations")
        discrepancies, states = self.ask("discrepancies"), self.ask("states")
        cells = [term for rows in (contracts, observations, discrepancies) for row in rows for term in row.values()]
        told = [(thing, *pair) for (_, thing), pairs in said.items() for pair in pairs]
        cells += [term for *_, term in told]
        self.learn({cell.value for cell in cells if cell.kind == "iri"} | {iri for *two, _ in told for iri in two})
        views = self.views(things, said)
        return {
            "cup": self.code,
            "release": self.release.id,
            "known": bool(views),
            "states": self.states(states),
            "sources": self.sources(things),
            "fields": self.fields(views),
            "views": views,
            "contracts": self.contracts(contracts),
            "observations": self.observations(observations),
            "discrepancies": self.discrepancies(discrepancies),
            "problems": self.problems({thing for _, thing in things}),
        }

    # --- asking ---

    def ask(self, question: str, things: Sequence[str] = ()) -> list[Row]:
        """The rows of a question; about `things`, in as many questions as it takes."""
        text = (_HERE / f"{question}.rq").read_text(encoding="utf-8")
        text = text.replace("$CUP", self.code).replace("$LANG", self.words.code)
        if "$THINGS" not in text:
            return select(self.engine, text)
        tokens = [token for thing in things if (token := iri_token(thing))]
        parts = (" ".join(tokens[at : at + _AT_ONCE]) for at in range(0, len(tokens), _AT_ONCE))
        return [row for part in parts for row in select(self.engine, text.replace("$THINGS", part))]

    def things(self) -> dict[tuple[str, str], str]:
        """What bears the CUP: source and IRI, with the kind of thing it is."""
        found: dict[tuple[str, str], str] = {}
        for row in self.ask("things"):
            source, kind = self.source(row["graph"].value), _KINDS.get(row["type"].value)
            if kind and source not in NO_SOURCES:
                found[source, row["thing"].value] = kind
        return dict(sorted(found.items()))

    def statements(self, things: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[tuple[str, Term]]]:
        """What each source says of the things and of what stands below them: roles, places, interventions."""
        said: dict[tuple[str, str], list[tuple[str, Term]]] = defaultdict(list)
        waiting = sorted({thing for _, thing in things})
        roots = tuple(f"{thing}/" for thing in waiting)
        seen: set[str] = set()
        for _ in range(_DEPTH):
            seen.update(waiting)
            below = set()
            for row in self.ask("statements", waiting):
                source, value = self.source(row["graph"].value), row["value"]
                if source in NO_SOURCES:
                    continue
                said[source, row["thing"].value].append((row["property"].value, value))
                if value.kind == "iri" and value.value.startswith(roots):
                    below.add(value.value)
            if not (waiting := sorted(below - seen)):
                break
        return said

    def learn(self, iris: set[str]) -> None:
        """Ask the names of things, and the codes people know them by."""
        for row in self.ask("names", sorted(iris)):
            if "name" in row:
                self.names[row["thing"].value].setdefault(row["name"].lang or "", row["name"].value)
            elif row["thing"].value not in self.codes:
                self.codes[row["thing"].value] = row["code"].value

    # --- naming ---

    def source(self, graph: str) -> str:
        """The id of a source, by the IRI of its graph or of its dataset."""
        return graph.removeprefix(self.graphs).removeprefix(f"{self.release.base}id/dataset/")

    def name(self, iri: str) -> str:
        """What an IRI is called in the language wanted; else in another; else what can be made of it."""
        known = self.names.get(iri, {})
        for lang in (self.words.code, "", *LANGUAGES):
            if lang in known:
                return known[lang]
        # An address outside is its own name; a code of an official list is known by its last part.
        named = iri.startswith((self.release.base, ONTO)) or short(iri) or "/controlled-vocabulary/" in iri
        return last_part(iri).replace("_", " ") if named else iri

    def title(self, field: str) -> str:
        """What a field is called: the name of its property."""
        told = self.words.get(f"term.{field}")
        return told or (self.name(full(field)) if re.fullmatch(r"\w+:[\w.-]+", field) else self.name(field))

    def value(self, term: Term) -> Json:
        """A value with its datatype or language; of a thing its name, its IRI and its code."""
        if term.kind == "iri":
            code = self.codes.get(term.value)
            return {"value": self.name(term.value), "iri": term.value, **({"code": code} if code else {})}
        more = {"lang": term.lang} if term.lang else {"datatype": short(term.datatype)} if term.datatype else {}
        return {"value": term.value, **more}

    # --- putting together ---

    def sources(self, things: Iterable[tuple[str, str]]) -> list[Json]:
        """Every source of the release, with its day and how many things of the CUP it has."""
        counts: dict[str, int] = defaultdict(int)
        for source, _ in things:
            counts[source] += 1
        return [
            {
                "source": told["id"],
                "title": told["title"].get(self.words.code, told["id"]),
                "date": told.get("date"),
                "things": counts[told["id"]],
            }
            for told in self.release.manifest["sources"]
        ]

    def views(
        self, things: dict[tuple[str, str], str], said: dict[tuple[str, str], list[tuple[str, Term]]]
    ) -> list[Json]:
        """What each source says of each thing; of lots nothing here, they are contracts."""
        found = []
        for (source, thing), kind in things.items():
            fields: dict[str, list[Json]] = defaultdict(list)
            for field, value in self.told_of(source, thing, said):
                if value not in fields[field]:
                    fields[field].append(value)
            view = {"source": source, "thing": thing, "kind": kind, "label": self.name(thing), "fields": dict(fields)}
            if kind != "lot":
                found.append(view)
        return found or [
            {"source": source, "thing": thing, "kind": kind, "label": self.name(thing), "fields": {}}
            for (source, thing), kind in things.items()
        ]

    def told_of(
        self, source: str, thing: str, said: dict[tuple[str, str], list[tuple[str, Term]]], depth: int = _DEPTH
    ) -> Iterator[tuple[str, Json]]:
        """The fields of a thing, those of what stands below it among them."""
        for property_, term in sorted(said.get((source, thing), ()), key=lambda each: (each[0], each[1].value)):
            below = said.get((source, term.value)) if term.kind == "iri" and property_ not in _UNTOLD else None
            if property_ in _UNTOLD or (property_, term.value) == (full("skos:notation"), self.code):
                continue
            if not below or not depth:
                yield self.field(property_), self.value(term)
            elif self.is_a(below, "RO:TimeIndexedRole"):
                yield from self.role(below)
            elif self.is_a(below, "CLV:Address"):
                yield "CLV:Address", {"value": self.place(term.value, below), "iri": term.value}
            else:
                inside = list(self.told_of(source, term.value, said, depth - 1))
                yield from inside or [(self.field(property_), self.value(term))]

    @staticmethod
    def is_a(statements: Iterable[tuple[str, Term]], type_: str) -> bool:
        """Whether statements about one thing say that it is of a class."""
        return any(property_ == _TYPE and term.value == full(type_) for property_, term in statements)

    def role(self, statements: Iterable[tuple[str, Term]]) -> Iterator[tuple[str, Json]]:
        """Who holds a role: the field is named by the kind of role."""
        told = dict(statements)
        if (kind := told.get(full("RO:withRole"))) and (holder := told.get(full("RO:isRoleInTimeOf"))):
            yield self.field(kind.value), self.value(holder)

    def place(self, iri: str, statements: Iterable[tuple[str, Term]]) -> str:
        """Where a place is, from the municipality up; else what it is called."""
        told = dict(statements)
        parts = [self.name(told[each].value) for each in _PLACE if each in told]
        return ", ".join(dict.fromkeys(parts)) or self.name(iri)

    @staticmethod
    def field(property_: str) -> str:
        """The name a field has here: the short name of its property, where there is one."""
        return short(property_) or property_

    def fields(self, views: Iterable[Json]) -> list[Json]:
        """The views side by side: for each field what each source says, its different values once each."""
        told: dict[str, dict[str, list[Json]]] = defaultdict(lambda: defaultdict(list))
        for view in views:
            for field, values in view["fields"].items():
                told[field][view["source"]] += [v for v in values if v not in told[field][view["source"]]]
        order = {field: place for place, field in enumerate(_FIRST)}
        return [
            {"field": field, "title": self.title(field), "sources": dict(by_source)}
            for field, by_source in sorted(told.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))
        ]

    def contracts(self, rows: Iterable[Row]) -> list[Json]:
        """The lots, each with what each source says of it; awards and suppliers once each."""
        lots: dict[str, dict[str, Json]] = defaultdict(dict)
        for row in rows:
            source = self.source(row["graph"].value)
            if source in NO_SOURCES:
                continue
            told = lots[row["lot"].value].setdefault(
                source,
                {
                    "source": source,
                    **{key: self.plain(row.get(name)) for key, name in _LOT.items()},
                    "awards": {},
                },
            )
            if award := row.get("award"):
                entry = told["awards"].setdefault(
                    award.value,
                    {
                        "amount": self.plain(row.get("awarded")),
                        "date": self.plain(row.get("awardedOn")),
                        "suppliers": [],
                    },
                )
                if (supplier := row.get("supplier")) and self.value(supplier) not in entry["suppliers"]:
                    entry["suppliers"].append(self.value(supplier))
        return [
            {
                "lot": lot,
                "cig": next((told["cig"] for told in by_source.values() if told["cig"]), None),
                "sources": [{**told, "awards": list(told["awards"].values())} for told in by_source.values()],
            }
            for lot, by_source in sorted(lots.items())
        ]

    def plain(self, term: Term | None) -> str | None:
        """A value as text: of a thing its name."""
        return None if term is None else self.name(term.value) if term.kind == "iri" else term.value

    def observations(self, rows: Iterable[Row]) -> list[Json]:
        """Amounts by operation, phase, source of the money and day; a statement of two graphs once."""
        keys = ("operation", "phase", "fund", "day", "amount")
        found: list[Json] = [
            {"source": self.source(row["graph"].value), **{key: self.plain(row.get(key)) for key in keys}}
            for row in rows
        ]
        return sorted(found, key=lambda each: [each[key] or "" for key in ("source", *keys)])

    def discrepancies(self, rows: Iterable[Row]) -> list[Json]:
        """Each disagreement with all its claims."""
        found: dict[str, Json] = {}
        for row in rows:
            told = found.setdefault(
                row["discrepancy"].value,
                {
                    "iri": row["discrepancy"].value,
                    "field": row["field"].value,
                    "rule": self.plain(row.get("rule")),
                    "difference": self.plain(row.get("difference")),
                    "similarity": self.plain(row.get("similarity")),
                    "lot": self.plain(row.get("lot")),
                    "claims": [],
                },
            )
            claim = {
                "source": self.source(row["source"].value),
                **self.value(row["value"]),
                "date": self.plain(row.get("day")),
                "about": row["about"].value if "about" in row else None,
            }
            if claim not in told["claims"]:
                told["claims"].append(claim)
        for told in found.values():
            told["claims"].sort(key=lambda claim: (claim["source"], claim["value"]))
        return sorted(found.values(), key=lambda told: (told["field"], told["iri"]))

    def states(self, rows: Iterable[Row]) -> list[Json]:
        """What came of looking the CUP up; `source` is null for the outcome on the whole."""
        found = [
            {
                "source": self.source(row["source"].value) if "source" in row else None,
                "state": last_part(row["state"].value),
                "date": self.plain(row.get("day")),
            }
            for row in rows
        ]
        return sorted(found, key=lambda each: (each["source"] or "", each["state"]))

    def problems(self, things: set[str]) -> list[Json]:
        """What is wrong with the things of the CUP."""
        keys = ("thing", "code", "message", "field", "file", "place")
        severities = {"Violation": "violation", "Warning": "warning", "Info": "info"}
        found = []
        for row in self.ask("problems", sorted(things)):
            told: Json = {key: row[key].value if key in row else None for key in keys}
            found.append({"severity": severities.get(last_part(row["severity"].value)), **told})
        return found
