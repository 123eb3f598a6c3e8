"""What a release says of many CUPs, in a line each: for a list a person keeps. A million of them is workable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from endpoint.asking import Row, select
from endpoint.dossier import CUP, NO_SOURCES
from endpoint.engine import EngineError
from endpoint.release import current
from endpoint.service import engine_for
from endpoint.settings import Settings
from endpoint.terms import full, last_part

Json = dict[str, Any]

#: CUPs asked about at once: enough that asking costs little, few enough for the limits of any engine.
AT_ONCE: Final = 1000
#: The amounts a line gives, each by source; different kinds are different columns, and are never added up.
AMOUNTS: Final = (
    "totalCost", "publicFunding", "totalFunding", "totalPayments", "grantedAmount", "programmedAmount",
    "admittedAmount", "committedAmount", "disbursedAmount",
)  # fmt: skip
#: What is said of a CUP on the whole, the strongest first: found anywhere is found.
_STATES: Final = ("found", "not-found", "not-loaded")
_QUESTIONS: Final = tuple(Path(__file__).with_name(f"many-{name}.rq") for name in ("things", "states"))
_LOT: Final = full("PCTR:Lot")
_THINGS: Final = (full("pi:Progetto_di_investimento_pubblico"), full("cupola:Operation"), _LOT)
_DISCREPANCY: Final = full("cupola:Discrepancy")


def summaries(
    settings: Settings, codes: Sequence[str], tell: Callable[[int, int], None] = lambda _done, _total: None
) -> Iterator[list[Json]]:
    """A line for each code, in their order, some at a time; `tell` hears how many are done, and of how many.

    A line has `cup`; `state` (a code of the list cup-states); `sources`, which have it; `contracts`, how many lots;
    `discrepancies`, how many, and `disagreeing`, about what; and an amount for each kind and source ("totalCost
    opencup"), several different ones of one source as a list. Raises NoRelease, and ValueError for what is no CUP or
    is not answered.
    """
    if (wrong := next((code for code in codes if not CUP.fullmatch(code)), None)) is not None:
        raise ValueError(f"{wrong!r} is no well-formed CUP")
    release = current(settings.releases)
    engine = engine_for(release, settings)
    amounts = ", ".join(f"cupola:{name}" for name in AMOUNTS)
    texts = [path.read_text(encoding="utf-8").replace("$AMOUNTS", amounts) for path in _QUESTIONS]
    try:
        for start in range(0, len(codes), AT_ONCE):
            asked = codes[start : start + AT_ONCE]
            named = " ".join(f'"{code}"' for code in dict.fromkeys(asked))
            rows = [row for text in texts for row in select(engine, text.replace("$CUPS", named))]
            told = _by_cup(rows, f"{release.base}graph/")
            yield [_line(code, told.get(code, [])) for code in asked]
            tell(min(start + AT_ONCE, len(codes)), len(codes))
    except EngineError as error:
        raise ValueError(str(error)) from error
    finally:
        engine.kill()


#: A statement about a CUP: its source, thing, property (the last part of its IRI) and value.
Said = tuple[str, str, str, str]


def _by_cup(rows: list[Row], graphs: str) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = defaultdict(list)
    for row in rows:
        source = row["graph"].value.removeprefix(graphs)
        said = (source, row["thing"].value, last_part(row["property"].value), row["value"].value)
        found[row["cup"].value].append(said)
    return found


def _line(code: str, said: list[Said]) -> Json:
    typed = [(source, thing, value) for source, thing, property_, value in said if property_ == "type"]
    sources = {source for source, _, value in typed if value in _THINGS} - set(NO_SOURCES)
    told = {last_part(value) for _, _, property_, value in said if property_ == "cupState"}
    state = next((each for each in _STATES if each in told), "found" if sources else "not-loaded")
    amounts: dict[str, set[str]] = defaultdict(set)
    for source, _, property_, value in said:
        if property_ in AMOUNTS and source not in NO_SOURCES:
            amounts[f"{property_} {source}"].add(value)
    return {
        "cup": code,
        "state": state,
        "sources": sorted(sources),
        "contracts": len({thing for source, thing, value in typed if value == _LOT and source not in NO_SOURCES}),
        "discrepancies": len({thing for _, thing, value in typed if value == _DISCREPANCY}),
        "disagreeing": sorted({value for _, _, property_, value in said if property_ == "field"}),
        **{name: sorted(values, key=float) for name, values in sorted(amounts.items())},
    }
