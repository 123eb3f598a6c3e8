"""Words as files hold them: characters taken for others are read as what they were, and told."""

from __future__ import annotations

import polars as pl
import pytest

from etl import texts


def tidy(raw: str) -> tuple[str | None, str | None]:
    """A text on one line, and as paragraphs."""
    found = pl.DataFrame({"text": [raw]}).select(
        line=texts.line(pl.col("text")), paragraphs=texts.paragraphs(pl.col("text"))
    )
    return found.row(0)


@pytest.mark.parametrize(
    ("raw", "meant", "windows", "controls"),
    [
        ("DELL\x92ESPERIENZA D\x92USO", "DELL’ESPERIENZA D’USO", 2, 0),
        ("\x93Scuola sicura\x94 \x96 lotto 1", "“Scuola sicura” – lotto 1", 3, 0),
        ("costo in \x80", "costo in €", 1, 0),
        ("COT ASL TO3_x000D_\r\nVIA TORINO 1", "COT ASL TO3 VIA TORINO 1", 0, 0),
        ("una riga_x000D_", "una riga", 0, 0),
        ("un\x81 contro\x07llo", "un controllo", 0, 2),
        ("già così com’è", "già così com’è", 0, 0),
    ],
)
def test_characters_are_read_as_what_they_were(raw: str, meant: str, windows: int, controls: int) -> None:
    assert tidy(raw) == (meant, meant)
    counted = pl.DataFrame({"text": [raw]}).select(
        windows=texts.from_windows(pl.col("text")), controls=texts.controls(pl.col("text"))
    )
    assert counted.row(0) == (windows, controls)
