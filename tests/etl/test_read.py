"""Files to text: every encoding and line end a sheet comes in, and every file that is none, by one clear reason."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import problems, read
from etl.problems import Unusable

SHEET = "Orti di quartiere\n\nCittà\n\nForlì – «così»\n\nImporto Erogato\n\n€ 218.177,38\n"
LINES = tuple(SHEET.splitlines())


def written(folder: Path, data: bytes) -> Path:
    path = folder / "scheda.txt"
    path.write_bytes(data)
    return path


def refused(path: Path) -> Unusable:
    with pytest.raises(Unusable) as caught:
        read.text(path)
    message = problems.one(caught.value.code, **caught.value.details)  # both languages can be filled in
    assert "?" not in message["message_it"].item()
    return caught.value


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (SHEET.encode(), "utf-8"),
        (SHEET.encode("utf-8-sig"), "utf-8"),
        (SHEET.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + SHEET.encode("utf-16-be"), "UTF-16"),
        (SHEET.encode("cp1252"), "Windows-1252"),
        (SHEET.encode().replace("ì".encode(), b"\xec"), "UTF-8 + Windows-1252"),
    ],
    ids=["utf-8", "utf-8-bom", "utf-16-le", "utf-16-be", "windows-1252", "mixed"],
)
def test_every_encoding_gives_the_same_lines(tmp_path: Path, data: bytes, encoding: str) -> None:
    text = read.text(written(tmp_path, data))
    assert text == read.Text(LINES, encoding, hashlib.sha256(data).hexdigest(), len(data))


def test_capitals_before_quotes_are_windows_1252_even_if_shaped_like_utf_8(tmp_path: Path) -> None:
    assert read.text(written(tmp_path, "«VIRTÙ» e città".encode("cp1252"))).lines == ("«VIRTÙ» e città",)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("last", ["", "end"], ids=["ended", "not ended"])
def test_every_line_end_counts_lines_alike(tmp_path: Path, end: str, last: str) -> None:
    text = read.text(written(tmp_path, SHEET.replace("\n", end).encode() + last.encode()))
    assert text.lines == (*LINES, *([last] if last else []))


def test_line_ends_of_every_kind_in_one_file(tmp_path: Path) -> None:
    assert read.text(written(tmp_path, b"a\r\nb\rc\n\n\rd\f e")).lines == ("a", "b", "c", "", "", "d\f e")


@pytest.mark.parametrize(
    ("data", "code", "found"),
    [
        (b"", "file.empty", None),
        (b" \t\r\n\n", "file.empty", None),
        (b"\xef\xbb\xbf\n", "file.empty", None),
        ("\n ".encode("utf-16"), "file.empty", None),
        (b"%PDF-1.7\n1 0 obj", "file.binary", "PDF"),
        (b"PK\x03\x04\x14\x00", "file.binary", "ZIP, DOCX, XLSX, ODT"),
        (b"\x89PNG\r\n\x1a\n\x00", "file.binary", "PNG"),
        (b"\x7fELF\x02", "file.binary", "ELF"),
        (b"{\\rtf1 Torino", "file.binary", "RTF"),
        (b"Comune di To\0rino", "file.binary", "NUL byte at 12"),
        ("Città".encode("utf-16-le"), "file.binary", "NUL byte at 1"),
        (b"\xff\xfe\x00\x00C\x00\x00\x00", "file.binary", "UTF-32"),
        (b"\xff\xfeC\x00i", "file.binary", "UTF-16 broken at byte 4"),
        (b"Citt\x81", "file.binary", "byte 0x81 is neither UTF-8 nor Windows-1252"),
        (b"a\x01\x02b", "file.binary", "2 control characters of 4"),
        (b"x" * (read.MAX_LINE + 1), "file.line-too-long", str(read.MAX_LINE + 1)),
        (b"x" * 2_000_000, "file.line-too-long", f"≥ {read.MAX_BYTES + 1}"),
        (b"riga\n" * read.MAX_BYTES, "file.too-large", str(5 * read.MAX_BYTES)),
    ],
)
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, data: bytes, code: str, found: str | None) -> None:
    unusable = refused(written(tmp_path, data))
    assert (unusable.code, unusable.details.get("found")) == (code, found)


def test_the_limits_themselves_are_allowed(tmp_path: Path) -> None:
    line = b"x" * read.MAX_LINE
    data = (line + b"\n") * (read.MAX_BYTES // len(line))
    data += b"x" * (read.MAX_BYTES - len(data))
    assert read.text(written(tmp_path, data)).size == read.MAX_BYTES


def test_a_stray_control_character_is_no_binary_file(tmp_path: Path) -> None:
    assert read.text(written(tmp_path, SHEET.encode() + b"\x07")).lines[-1] == "\x07"


def test_a_huge_file_costs_no_more_than_the_limit(tmp_path: Path) -> None:
    path = written(tmp_path, b"riga\n" * read.MAX_BYTES)
    os.truncate(path, 1 << 40)  # a terabyte with holes: reading it whole would end in no memory
    assert refused(path).details["found"] == str(1 << 40)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in (tmp_path / "no.txt", written(tmp_path, b"x") / "no.txt", tmp_path / "dangling", Path("a\0b")):
        assert refused(path).code == "file.not-found"


def test_a_folder_and_a_name_too_long_are_unreadable(tmp_path: Path) -> None:
    assert refused(tmp_path).details["found"] == "a directory"
    assert "ENAMETOOLONG" in refused(tmp_path / ("x" * 5000)).details["found"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices as files need POSIX")
def test_a_pipe_or_a_device_never_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")  # nobody ever writes to it
    for path in (tmp_path / "pipe.txt", Path("/dev/zero")):
        assert refused(path).details["found"] == "a pipe, a socket or a device"


def test_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)  # root may read what it likes, so the mode alone would not show it
    unusable = refused(written(tmp_path, b"x"))
    assert (unusable.code, unusable.details["found_it"]) == ("file.unreadable", "permesso negato")


@settings(deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")))
def test_any_bytes_are_text_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), data)
    try:
        text = read.text(path)
    except Unusable:  # with a declared code, or making it would have failed; anything else fails this test
        return
    assert (text.size, text.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert not any("\n" in line or "\r" in line for line in text.lines)
