"""A CUP explained: its code part by part, what the current release says of it, and OpenCUP when it is asked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

import endpoint.settings
import etl.settings
from cupola.settings import settings_of
from cupola.terminal import OK, PROBLEMS, err, fail, failing_on, out, print_json
from endpoint.dossier import dossier
from endpoint.dossier import text as dossier_text
from endpoint.release import NoRelease
from etl import cup, live, release


def check(text: str, releases: Path | None, as_json: bool, is_live: bool) -> int:
    """Tell all that is known of a CUP, or what is wrong with it and what it may mean; give the exit code."""
    told = cup.parse(text)
    if isinstance(told, cup.Malformed):
        if as_json:
            print_json({"raw": text, "wellformed": False, **asdict(told)})
        else:
            out.print(Text(f"{text!r} is not a CUP: {told.detail_en}"))
            for suggestion in told.suggestions:
                out.print(f"  perhaps {suggestion} (not applied)")
        return PROBLEMS
    explained = cup.explain(told)
    known = _dossier(told.code, releases)
    answer = _live(told.code) if is_live else None
    if as_json:
        more = {"release": known, "live": answer and {**asdict(answer), "at": answer.at.isoformat()}}
        print_json({"raw": text, "wellformed": True, **asdict(explained), **more})
        return OK
    out.print(Text(f"{told.code} has the form of a CUP."))
    table = Table("characters", "", "what they say", box=None)
    for part in explained.parts:
        place = str(part.first) if part.first == part.last else f"{part.first}-{part.last}"
        table.add_row(place, part.characters, part.en)
    out.print(table)
    for _, note in explained.notes:
        out.print(Text(note))
    if known:
        dossier_text.show(known, out)
    if answer:
        _tell_live(answer)
    return OK


def _dossier(code: str, releases: Path | None) -> dict[str, Any] | None:
    """What the current release says of a CUP; None, said so, when there is no release."""
    chosen = settings_of(endpoint.settings.Settings, releases=releases)
    try:
        release.find(chosen.releases)
        return dossier(chosen, code)
    except release.ReleaseError as error:
        if releases is not None:
            fail(str(error))
        err.print(Text(f"{error}; with one (cupola build) more could be told of {code}"))
        return None
    except (ValueError, NoRelease) as error:
        fail(str(error))


def _live(code: str) -> live.Answer:
    chosen = settings_of(etl.settings.Settings)
    if not chosen.opencup_url:
        fail("--live needs the setting opencup_url: the address that answers about a CUP, {cup} in it for the code")
    with failing_on(ValueError):
        return live.lookup(code, chosen.opencup_url, chosen.opencup_key, chosen.opencup_cache.expanduser())


def _tell_live(answer: live.Answer) -> None:
    kept = ", kept from then" if answer.kept else ""
    out.print(Text(f"\nOpenCUP, asked {answer.at:%Y-%m-%d %H:%M} UTC{kept}: {answer.state}"))
    if answer.why:
        out.print(Text(f"  {answer.why}"))
    if answer.note:
        err.print(Text(answer.note))
    for name, value in (answer.record or {}).items():
        if value not in (None, ""):
            out.print(Text(f"  {name}: {value}"))
