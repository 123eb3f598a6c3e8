"""A dossier for a person at a terminal: the same as in JSON, in tables, amounts as they are read."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

Json = dict[str, Any]

#: What is shown of long lists and texts; JSON has all.
LINES, CHARACTERS, VALUES = 25, 160, 5
WIDE = 240
_COLOURS = {"violation": "red", "warning": "yellow", "info": "dim"}


def show(told: Json, console: Console) -> None:
    """Print a dossier; into a file or a pipe in long lines, for there no width is known."""
    if not console.is_terminal:
        console = Console(file=console.file, width=WIDE, highlight=False)
    if not told["known"] and not told["contracts"]:
        console.print(f"No source of release {told['release']} has it.")
        _sources(told, console)
        _states(told, console)
        return
    _sources(told, console)
    _states(told, console)
    _fields(told, console)
    _contracts(told["contracts"], console)
    _observations(told["observations"], console)
    _discrepancies(told["discrepancies"], console)
    _problems(told["problems"], console)


def _sources(told: Json, console: Console) -> None:
    table = Table("source", "as of", "things of this CUP", "", box=None, title=f"Sources of release {told['release']}")
    table.title_justify = "left"
    for source in told["sources"]:
        known = str(source["things"]) if source["things"] else "-"
        table.add_row(source["source"], source["date"] or "?", known, Text(source["title"], style="dim"))
    console.print(table)


def _states(told: Json, console: Console) -> None:
    for state in told["states"]:
        where = state["source"] or "the registers loaded"
        day = f" (as of {state['date']})" if state["date"] else ""
        console.print(Text(f"{where}: {state['state']}{day}"))


def _fields(told: Json, console: Console) -> None:
    if not told["fields"]:
        return
    table = Table("", "source", Column("what it says", overflow="fold"), box=None, title="\nWhat each source says")
    table.title_justify = "left"
    for field in told["fields"]:
        title = field["title"]
        said = [(view, view["fields"][field["field"]]) for view in told["views"] if field["field"] in view["fields"]]
        for view, values in said[:LINES]:
            table.add_row(Text(title, style="bold"), Text(_speaker(view, told["views"])), Text(_values(values)))
            title = ""
        if len(said) > LINES:
            table.add_row("", "", f"… {len(said) - LINES} more: --json has all")
    console.print(table)


def _speaker(view: Json, views: Iterable[Json]) -> str:
    """Whose words these are: the source, and which of its operations, when it has several."""
    several = sum(each["source"] == view["source"] and each["kind"] == "operation" for each in views) > 1
    if view["kind"] != "operation" or not several:
        return str(view["source"])
    codes = view["fields"].get("cupola:localCode")
    path: str = view["thing"].partition("/id/operation/")[2]
    return f"{view['source']}: {codes[0]['value'] if codes else path.partition('/')[2]}"


def _contracts(contracts: list[Json], console: Console) -> None:
    if not contracts:
        return
    table = Table(
        "CIG", "source", Column("title", overflow="fold"), Column("tendered", justify="right"),
        Column("awarded", justify="right"), "on", Column("suppliers", overflow="fold"), box=None, title="\nContracts",
    )  # fmt: skip
    table.title_justify = "left"
    for contract in contracts[:LINES]:
        cig = contract["cig"] or "no CIG"
        for source in contract["sources"]:
            awards = source["awards"] or [{"amount": None, "date": None, "suppliers": []}]
            for award in awards:
                table.add_row(
                    cig, source["source"], Text(_short(source["title"] or "")), money(source["tendered"]),
                    money(award["amount"]), award["date"] or "", Text("; ".join(map(_value, award["suppliers"]))),
                )  # fmt: skip
                cig = ""
    console.print(table)
    _left(contracts, console)


def _observations(observations: list[Json], console: Console) -> None:
    if not observations:
        return
    table = Table(
        "source", "phase", "money from", "as of", Column("amount", justify="right"),
        Column("operation", overflow="fold"), box=None,
        title="\nFundings and payments (amounts of different phases are not to be added up)",
    )  # fmt: skip
    table.title_justify = "left"
    for each in observations[:LINES]:
        cells = (each["source"], each["phase"] or "", each["fund"] or "", each["day"] or "")
        table.add_row(*cells, money(each["amount"]), Text(_short(each["operation"] or "")))
    console.print(table)
    _left(observations, console)


def _discrepancies(discrepancies: list[Json], console: Console) -> None:
    if not discrepancies:
        return
    console.print("\nWhere the sources disagree (no value is chosen)")
    for told in discrepancies[:LINES]:
        more = [told["rule"], told["difference"] and f"{money(told['difference'])} euro apart"]
        more += [told["similarity"] and f"similarity {told['similarity']}", told["lot"] and f"lot {told['lot']}"]
        line = Text(told["field"], style="bold")
        console.print(line.append(f" ({'; '.join(filter(None, more))})", style="dim"))
        for claim in told["claims"]:
            day = f" (as of {claim['date']})" if claim["date"] else ""
            console.print(Text(f"  {claim['source']}{day}: {_value(claim)}"))
    _left(discrepancies, console)


def _problems(problems: list[Json], console: Console) -> None:
    if not problems:
        return
    console.print("\nProblems")
    for told in problems[:LINES]:
        where = ", ".join(part for part in (told["file"], told["place"], told["field"]) if part)
        line = Text(f"{where}: " if where else "")
        line.append(f"{told['severity']}: ", style=_COLOURS.get(told["severity"], ""))
        console.print(line.append(f"{told['message']} ").append(f"[{told['code']}]", style="dim"))
    _left(problems, console)


def _left(all_: list[Json], console: Console) -> None:
    if len(all_) > LINES:
        console.print(f"… {len(all_) - LINES} more: --json has all")


def _values(values: Iterable[Json]) -> str:
    told = list(dict.fromkeys(map(_value, values)))
    more = f"; … {len(told) - VALUES} more" if len(told) > VALUES else ""
    return "; ".join(told[:VALUES]) + more


def _value(value: Json) -> str:
    if value.get("datatype") == "xsd:decimal":
        return money(value["value"])
    code = value.get("code")
    return _short(value["value"]) + (f" ({code})" if code and code != value["value"] else "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= CHARACTERS else line[: CHARACTERS - 1] + "…"


def money(amount: str | None) -> str:
    """An amount with its cents and its thousands apart: 1190893.7 -> 1,190,893.70."""
    return "" if amount is None else f"{Decimal(amount):,.2f}"
