"""Fetching politely, against a site on this machine that misbehaves in every way we know."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import textwrap
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings, strategies
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from etl import fetch, harvest
from etl.fetch import FetchSettings, Outcome, Report, World, coding, copies, links, media
from etl.fetch.addresses import allowed
from etl.fetch.pace import Pace, asked_wait
from etl.fetch.urls import target
from etl.problems import Unusable
from tests.etl import fetch_site as misbehaving
from tests.etl.fetch_site import Page, Site, redirect, retry_after

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
HTML = b"<!doctype html><title>Scheda</title><p>Progetto di esempio"


@dataclass
class Fetching:
    """Fetches into a folder from a site whose names lead to this machine, with pauses that are noted, not slept."""

    site: Site
    settings: FetchSettings
    slept: list[float] = field(default_factory=list)
    now: datetime = NOW

    def __call__(self, *paths: str, source: str = "", **different: Any) -> list[Outcome]:
        urls = [path if "//" in path else self.site.url(path) for path in paths]
        return list(self.report(urls, source, **different).outcomes)

    def report(self, urls: list[str], source: str = "", **different: Any) -> Report:
        return fetch.fetch(urls, replace(self.settings, **different), source, world=self.world())

    def harvest(self, source: str = "schede", **told: Any) -> Report:
        table = {"listing": [self.site.url("/list")], "links": r"/scheda/[0-9]+$", **told}
        return fetch.harvest(harvest.load(table), self.settings, source, world=self.world())

    def world(self) -> World:
        return World(
            pace=lambda told: Pace(told, self.slept.append),
            resolve=lambda host, port: self.names(host),
            now=lambda: self.now,
        )

    @staticmethod
    def names(host: str) -> list[str]:
        """The name server: one name is public, another not, numbers are themselves."""
        known = {"site.example": ["127.0.0.1"], "other.example": ["127.0.0.1"], "inside.example": ["10.0.0.7"],
                 "half.example": ["8.8.8.8", "10.0.0.7"]}  # fmt: skip
        if host in known:
            return known[host]
        try:
            return [str(ip_address(host))]
        except ValueError as error:
            raise OSError("unknown") from error

    @property
    def folder(self) -> Path:
        return self.settings.fetch_folder

    def copy(self, outcome: Outcome) -> bytes:
        return (self.folder / outcome.path).read_bytes()


@pytest.fixture
def site() -> Iterator[Site]:
    with misbehaving.running() as site:
        yield site


@pytest.fixture
def fetching(site: Site, tmp_path: Path) -> Fetching:
    # The names are allowed, the network they are in is not: a redirect to it by number is refused.
    told = FetchSettings(
        fetch_folder=tmp_path / "fetched",
        fetch_allow=("site.example", "other.example"),
        fetch_ports=(str(site.port),),
        fetch_delay=0,
        fetch_connect_timeout=2,
        fetch_read_timeout=2,
        fetch_total_timeout=5,
        fetch_max_bytes=100_000,
    )
    return Fetching(site, told)


#: The types of records with what came: HTTP, and what is none.
KEPT = ("response", "resource")


def records(report: Report) -> list[tuple[str, str, bytes, str]]:
    """The records of an archive: type, address, content, why truncated."""
    found = []
    with report.warc.open("rb") as file:
        for record in ArchiveIterator(file, no_record_parse=True):
            headers = record.rec_headers
            found.append(
                (
                    record.rec_type,
                    headers.get_header("WARC-Target-URI") or "",
                    record.raw_stream.read(),
                    headers.get_header("WARC-Truncated") or "",
                )
            )
    return found


# --- what is got ---------------------------------------------------------------------------------------------------


def test_a_document_is_kept_with_its_date_and_checksum(site: Site, fetching: Fetching) -> None:
    site.pages["/Schede/TO%207.pdf"] = Page(
        PDF, "application/pdf", headers={"Last-Modified": "Mon, 02 Nov 2026 09:00:00 GMT"}
    )
    (outcome,) = fetching("/Schede/TO%207.pdf")
    assert (outcome.kind, outcome.path) == ("got", f"site-example-{site.port}/schede-to-7.pdf")
    assert fetching.copy(outcome) == PDF
    told = fetch.told(fetching.folder, fetching.folder / outcome.path)
    assert told is not None
    assert told.url == site.url("/Schede/TO%207.pdf")
    assert told.sha256 == hashlib.sha256(PDF).hexdigest()
    assert told.media_type == "application/pdf"
    assert told.last_modified == "Mon, 02 Nov 2026 09:00:00 GMT"
    assert told.status == 200
    assert told.retrieved.tzinfo is not None


def test_a_file_that_is_not_what_was_got_has_no_origin(site: Site, fetching: Fetching, tmp_path: Path) -> None:
    site.pages["/a"] = Page(HTML)
    (outcome,) = fetching("/a")
    copy = fetching.folder / outcome.path
    copy.write_bytes(b"edited")
    assert fetch.told(fetching.folder, copy) is None
    assert fetch.told(fetching.folder, tmp_path / "elsewhere.html") is None
    assert fetch.told(tmp_path / "nothing-here", tmp_path / "nothing-here" / "a") is None
    assert fetch.gone(tmp_path / "nothing-here") == []


def test_the_same_address_written_in_two_ways_is_asked_once(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(HTML)
    outcomes = fetching("/a", "/a#part", "/x/../a")
    assert len(outcomes) == 1
    assert site.paths() == ["/a"]


def test_two_addresses_with_one_readable_name_have_two_copies(site: Site, fetching: Fetching) -> None:
    site.pages |= {"/s?id=1": Page(b"<p>one"), "/s/id/1": Page(b"<p>two")}
    outcomes = fetching("/s?id=1", "/s/id/1")
    assert [fetching.copy(outcome) for outcome in outcomes] == [b"<p>one", b"<p>two"]


def test_who_asks_says_who_it_is_and_whom_to_complain_to(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(HTML)
    fetching("/a", fetch_contact="dati@comune.example")
    asked = site.headers_of("/a")
    assert asked["user-agent"].startswith("cupola/")
    assert "dati@comune.example" in asked["user-agent"]
    assert asked["from"] == "dati@comune.example"
    assert asked["host"] == f"site.example:{site.port}"


def test_a_list_is_a_text_file_with_an_address_a_line(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# schede\nhttps://comune.example/1\n\n  https://comune.example/2\n")
    assert fetch.addresses(tmp_path / "list.txt") == ["https://comune.example/1", "https://comune.example/2"]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "identity"])
def test_what_is_packed_for_the_way_is_unpacked(site: Site, fetching: Fetching, encoding: str) -> None:
    packed = {"deflate": zlib.compress(HTML), "identity": HTML}.get(encoding, gzip.compress(HTML))
    site.pages["/a"] = Page(packed, headers={"Content-Encoding": encoding})
    (outcome,) = fetching("/a")
    assert fetching.copy(outcome) == HTML


def test_an_answer_in_chunks_is_put_together(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(write=misbehaving.chunked)
    assert fetching.copy(fetching("/a")[0]) == b"<p>in pieces</p>"


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/html; charset=utf-8", "utf-8"),
        ("text/html; charset=ISO-8859-1", "windows-1252"),
        ('text/html;charset="latin1"', "windows-1252"),
        ("text/html; version=1; Charset=UTF-16", "utf-16le"),
        ("text/html; charset=no-such-one", ""),
        ("text/html", ""),
        ("", ""),
    ],
)
def test_the_charset_of_http_is_kept_as_browsers_name_it(
    site: Site, fetching: Fetching, content_type: str, charset: str
) -> None:
    site.pages["/a"] = Page(HTML, content_type)
    (outcome,) = fetching("/a")
    told = fetch.told(fetching.folder, fetching.folder / outcome.path)
    assert told is not None
    assert told.charset == charset


# --- what changed, what is gone ------------------------------------------------------------------------------------


def test_what_did_not_change_is_not_sent_again(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(HTML, headers={"ETag": '"one"', "Last-Modified": "Mon, 02 Nov 2026 09:00:00 GMT"})
    fetching("/a")
    first = fetch.told(fetching.folder, fetching.folder / fetching("/a")[0].path)
    fetching.now += timedelta(days=1)
    (outcome,) = fetching("/a")
    assert (outcome.kind, outcome.status) == ("unchanged", 304)
    assert site.headers_of("/a")["if-none-match"] == '"one"'
    assert site.headers_of("/a")["if-modified-since"] == "Mon, 02 Nov 2026 09:00:00 GMT"
    told = fetch.told(fetching.folder, fetching.folder / outcome.path)
    assert told is not None
    assert first is not None
    assert (told.retrieved, told.checked) == (first.retrieved, fetching.now)


def test_the_same_bytes_sent_anew_are_unchanged_and_others_are_a_change(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = [Page(b"<p>one"), Page(b"<p>one"), Page(b"<p>two")]
    found = [fetching("/a")[0] for _ in range(3)]
    assert [outcome.kind for outcome in found] == ["got", "unchanged", "changed"]
    assert fetching.copy(found[-1]) == b"<p>two"


def test_a_document_of_a_new_type_takes_the_place_of_the_old_copy(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = [Page(b"<p>one"), Page(PDF)]
    old, new = fetching("/a")[0], fetching("/a")[0]
    assert (Path(old.path).suffix, Path(new.path).suffix) == (".html", ".pdf")
    assert not (fetching.folder / old.path).exists()
    assert fetching.copy(new) == PDF


@pytest.mark.parametrize("harm", [Path.unlink, lambda copy: copy.write_bytes(b"edited")], ids=["deleted", "edited"])
def test_a_copy_that_was_harmed_is_got_again(site: Site, fetching: Fetching, harm: Callable[[Path], Any]) -> None:
    site.pages["/a"] = Page(HTML, headers={"ETag": '"one"'})
    (outcome,) = fetching("/a")
    harm(fetching.folder / outcome.path)
    (again,) = fetching("/a")
    assert again.fine
    assert "if-none-match" not in site.headers_of("/a")
    assert fetching.copy(again) == HTML


@pytest.mark.parametrize("status", [404, 410])
def test_a_vanished_document_is_set_aside_with_the_day(site: Site, fetching: Fetching, status: int) -> None:
    site.pages["/a.pdf"] = [Page(PDF, "application/pdf"), Page(status=status)]
    (had,) = fetching("/a.pdf", source="schede")
    fetching.now += timedelta(days=1)
    (outcome,) = fetching("/a.pdf", source="schede")
    assert (outcome.kind, outcome.code, outcome.fine) == ("vanished", "fetch.vanished", True)
    assert not (fetching.folder / had.path).exists()
    assert fetch.told(fetching.folder, fetching.folder / had.path) is None
    (gone,) = fetch.gone(fetching.folder)
    assert (gone.url, gone.path, gone.status, gone.since) == (site.url("/a.pdf"), "schede/a.pdf", status, fetching.now)
    assert gone.copy == "schede/.gone/a.pdf"
    assert (fetching.folder / gone.copy).read_bytes() == PDF
    fetching.now += timedelta(days=1)
    fetching("/a.pdf", source="schede")
    assert fetch.gone(fetching.folder)[0].since == gone.since  # it is gone since it was first seen to be


def test_a_document_that_comes_back_is_no_longer_gone(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = [Page(HTML), Page(status=404), Page(HTML)]
    assert [fetching("/a")[0].kind for _ in range(3)] == ["got", "vanished", "got"]
    assert fetch.gone(fetching.folder) == []


def test_a_document_that_never_was_there_is_told_as_not_found(fetching: Fetching) -> None:
    (outcome,) = fetching("/never")
    assert (outcome.kind, outcome.code, outcome.fine) == ("failed", "fetch.not-found", False)
    assert fetch.gone(fetching.folder) == []


# --- listing pages -------------------------------------------------------------------------------------------------

FIRST = (
    b"<base href='/x/'><a href='/scheda/1#top'>1</a> <a href='../scheda/2'>2</a> <a href='/scheda/1'>1 again</a>"
    b"<a href='mailto:a@b.example'>mail</a> <a href='/contatti'>no</a> <!-- <a href='/scheda/9'> -->"
    b"<a href='/list?p=2'>next</a>"
)
SECOND = (
    b"<map><area href='http://other.example:%d/scheda/3'></map><a href='/list'>first</a><a href='/list?p=2'>this</a>"
)


def listing(site: Site) -> None:
    site.pages |= {"/list": Page(FIRST), "/list?p=2": Page(SECOND % site.port)}
    site.pages |= {f"/scheda/{number}": Page(b"<p>sheet %d" % number) for number in (1, 2, 3)}


def test_a_listing_with_a_second_page_is_read_to_its_end(site: Site, fetching: Fetching) -> None:
    listing(site)
    report = fetching.harvest(next=r"/list\?p=")
    assert [(outcome.kind, outcome.url) for outcome in report.outcomes] == [
        ("got", site.url("/scheda/1")),
        ("got", site.url("/scheda/2")),
        ("got", site.url("/scheda/3", "other.example")),
    ]
    assert report.complete
    assert report.counts == {"got": 3}
    assert sorted(path.name for path in (fetching.folder / "schede").iterdir()) == [
        "scheda-1.html", "scheda-2.html", "scheda-3.html",
    ]  # fmt: skip
    assert site.paths().count("/list?p=2") == 1


def test_what_the_listing_no_longer_names_is_vanished(site: Site, fetching: Fetching) -> None:
    listing(site)
    fetching.harvest(next=r"/list\?p=")
    site.pages["/list"] = Page(FIRST.replace(b"../scheda/2", b"/contatti"))
    report = fetching.harvest(next=r"/list\?p=")
    assert report.counts == {"unchanged": 2, "vanished": 1}
    assert report.fine
    (gone,) = fetch.gone(fetching.folder)
    assert (gone.url, gone.status) == (site.url("/scheda/2"), 0)


@pytest.mark.parametrize(
    ("pages", "code"),
    [
        ({"/list?p=2": Page(status=500)}, "fetch.status"),
        ({"/list?p=2": Page(status=404)}, "fetch.not-found"),
        ({"/list?p=2": Page(PDF)}, "fetch.wrong-type"),
        ({"/list": Page(b"<p>We have moved!")}, "fetch.no-links"),
    ],
    ids=["fails", "is gone", "is a PDF", "names nothing"],
)
def test_nothing_is_believed_to_be_gone_when_the_listing_is_not_whole(
    site: Site, fetching: Fetching, pages: dict[str, Page], code: str
) -> None:
    listing(site)
    fetching.harvest(next=r"/list\?p=")
    site.pages |= pages
    report = fetching.harvest(next=r"/list\?p=")
    assert not report.complete
    assert not report.fine
    assert code in [outcome.code for outcome in report.outcomes]
    assert fetch.gone(fetching.folder) == []


def test_a_listing_address_that_is_none_is_told_and_the_others_are_read(site: Site, fetching: Fetching) -> None:
    listing(site)
    report = fetching.harvest(listing=["http://", site.url("/list")])
    assert report.counts == {"got": 2, "refused": 1}
    assert not report.complete


@pytest.mark.parametrize("limit", [{"limit": 2}, {"pages": 1}])
def test_a_listing_cut_by_its_limit_is_no_reason_either(site: Site, fetching: Fetching, limit: dict[str, Any]) -> None:
    listing(site)
    fetching.harvest(next=r"/list\?p=")
    report = fetching.harvest(next=r"/list\?p=", **limit)
    assert (report.complete, report.fine, len(report.outcomes)) == (False, True, 2)
    assert fetch.gone(fetching.folder) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"links": "x"}, "the key 'listing' is missing"),
        ({"listing": [], "links": "x"}, "at least one"),
        ({"listing": ["ftp://a.example"], "links": "x"}, "http://"),
        ({"listing": ["https://a.example"], "links": "("}, "no regular expression"),
        ({"listing": ["https://a.example"], "links": ""}, "harvest.links"),
        ({"listing": ["https://a.example"], "links": "x", "limit": 0}, "harvest.limit: 0"),
        ({"listing": ["https://a.example"], "links": "x", "limit": True}, "harvest.limit"),
        ({"listing": ["https://a.example"], "links": "x", "nxet": "y"}, "unknown key 'nxet'"),
    ],
)
def test_a_harvest_that_cannot_be_meant_says_what_is_allowed(told: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r"harvest") as caught:
        harvest.load(told)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("page", "charset", "text"),
    [
        ("città".encode(), "", "città"),
        ("città".encode("cp1252"), "", "città"),
        ("città".encode("cp1252"), "windows-1252", "città"),
        ("\ufeffcittà".encode(), "windows-1252", "città"),  # a byte order mark counts before HTTP
        ("città".encode("utf-16"), "", "città"),
        (b"<meta charset=utf-8>" + "città".encode(), "iso-8859-1", "<meta charset=utf-8>cittÃ\xa0"),  # HTTP before meta
        (b"<meta charset=iso-8859-1>\x80", "", "<meta charset=iso-8859-1>€"),
        (b"<!-- <meta charset=koi8-r> -->\xe0", "", "<!-- <meta charset=koi8-r> -->à"),
        (b'<meta http-equiv=Content-Type content="text/html; charset=windows-1251">\xff', "", None),
        (b"<meta charset=utf-16>" + "città".encode(), "", "<meta charset=utf-16>città"),
    ],
)
def test_a_page_is_decoded_as_browsers_do(page: bytes, charset: str, text: str | None) -> None:
    found = links.text_of(page, charset)
    assert found == text if text is not None else found.endswith("я")


def test_a_listing_nested_very_deeply_takes_no_longer_than_any_other() -> None:
    start = time.monotonic()
    deep = "<div>" * 100_000 + "<a href='/a'>" + "<b " + " ".join(f"a{n}=1" for n in range(20_000)) + ">"
    assert [str(each) for each in links.links(deep, target("http://a.example/"))] == ["http://a.example/a"]
    assert time.monotonic() - start < 5


# --- who may be asked ----------------------------------------------------------------------------------------------

ADDRESSES = list(csv.DictReader(io.StringIO((HERE / "fetch-addresses.csv").read_text(encoding="utf-8"))))


@pytest.mark.parametrize("case", ADDRESSES, ids=lambda case: f"{case['address']} {case['what']}")
def test_only_what_anybody_can_reach_is_asked(case: dict[str, str]) -> None:
    assert allowed("site.example", ip_address(case["address"]), FetchSettings()) == (case["public"] == "yes")


@pytest.mark.parametrize(
    ("allow", "address", "may"),
    [
        (("site.example",), "10.0.0.1", True),
        (("Site.Example.",), "10.0.0.1", True),
        (("other.example",), "10.0.0.1", False),
        (("10.0.0.0/8",), "10.0.0.1", True),
        (("10.0.0.0/8",), "::ffff:10.0.0.1", True),
        (("10.0.0.0/8",), "192.168.0.1", False),
        (("::1",), "::1", True),
        (("2002::/16",), "2002:7f00:1::", False),
    ],
)
def test_the_operator_may_allow_hosts_and_networks(allow: tuple[str, ...], address: str, may: bool) -> None:
    assert allowed("site.example", ip_address(address), FetchSettings(fetch_allow=allow)) == may


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/secret",
        "http://2130706433:{port}/secret",
        "http://[::1]:{port}/secret",
        "http://[::ffff:127.0.0.1]:{port}/secret",
        "http://169.254.169.254:{port}/latest/meta-data/",
        "http://inside.example:{port}/",
        "http://half.example:{port}/",
    ],
)
def test_private_and_local_addresses_are_refused_named_or_redirected_to(
    site: Site, fetching: Fetching, url: str
) -> None:
    url = url.format(port=site.port)
    site.pages["/away"] = redirect(url)
    outcomes = fetching(url, "/away")
    assert {outcome.code for outcome in outcomes} <= {"fetch.private-address", "fetch.no-such-host"}
    assert not any(outcome.fine for outcome in outcomes)
    assert site.paths() == ["/away"]


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://site.example/a", "gopher://site.example/", "http://", "http://u:p@site.example/",
     "schede", "http://site.example:99999/", "http://[::1/", "http://exa mple/", "http://[fe80::1%25eth0]/", "", "http:///a"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused_named_or_redirected_to(site: Site, fetching: Fetching, url: str) -> None:
    (outcome,) = fetching.report([url]).outcomes
    assert (outcome.kind, outcome.code) == ("refused", "fetch.not-an-address")
    if "://" in url and len(url) > len("http://"):
        site.pages["/away"] = redirect(url)
        (outcome,) = fetching("/away")
        assert not outcome.fine
        assert site.paths() == ["/away"]


def test_a_port_that_is_not_allowed_is_refused(site: Site, fetching: Fetching) -> None:
    site.pages["/away"] = redirect("http://site.example:22/")
    assert [outcome.code for outcome in fetching("http://site.example:22/", "/away")] == ["fetch.port"] * 2


def test_a_name_server_that_changes_its_mind_gains_nothing(site: Site, fetching: Fetching) -> None:
    """The name is asked once for each request, and the connection made to the address that was checked."""
    site.pages["/a"] = Page(HTML)
    answers = {"rebinding.example": iter([["127.0.0.1"], ["10.0.0.7"]])}
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return next(answers[host])

    told = replace(fetching.settings, fetch_allow=("127.0.0.1",))
    world = replace(fetching.world(), resolve=resolve)
    (outcome,) = fetch.fetch([site.url("/a", "rebinding.example")], told, world=world).outcomes
    # The first answer served robots.txt; the second is checked again, and refused.
    assert outcome.code == "fetch.private-address"
    assert [path for path, _ in site.asked] == ["/robots.txt"]
    assert asked == ["rebinding.example"] * 2


def test_an_unknown_host_is_told(fetching: Fetching) -> None:
    assert fetching(fetching.site.url("/", "nobody.example"))[0].code == "fetch.no-such-host"


def test_a_certificate_is_checked_against_the_name_and_the_authorities(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("site.example").configure_cert(context)
    names: list[str | None] = []
    context.sni_callback = lambda _line, name, _context: names.append(name)
    with misbehaving.running(context) as site:
        site.pages["/a"] = Page(HTML)
        told = FetchSettings(
            fetch_folder=tmp_path / "fetched", fetch_allow=("site.example", "other.example"), fetch_delay=0,
            fetch_ports=(str(site.port),), fetch_ca_file=str(tmp_path / "ca.pem"), fetch_tries=1,
        )  # fmt: skip
        fetching = Fetching(site, told)
        right, other = (f"https://{host}:{site.port}/a" for host in ("site.example", "other.example"))
        assert [outcome.code for outcome in fetching(right, other)] == ["", "fetch.certificate"]
        assert fetching(right, fetch_ca_file="")[0].code == "fetch.certificate"
    assert names[:2] == ["site.example"] * 2  # the connection is to a number, the handshake with the name


# --- robots.txt ----------------------------------------------------------------------------------------------------


def test_robots_txt_is_asked_once_and_heeded(site: Site, fetching: Fetching) -> None:
    site.pages |= {"/robots.txt": Page(b"User-agent: *\nDisallow: /private/\n", "text/plain"), "/a": Page(HTML)}
    outcomes = fetching("/a", "/private/b", "/private/c")
    assert [outcome.kind for outcome in outcomes] == ["got", "forbidden", "forbidden"]
    assert [path for path, _ in site.asked] == ["/robots.txt", "/a"]


def test_the_rules_made_for_us_are_those_that_count(site: Site, fetching: Fetching) -> None:
    rules = b"User-agent: *\nDisallow: /\n\nUser-agent: Cupola\nAllow: /a\nDisallow: /\n"
    site.pages |= {"/robots.txt": Page(rules, "text/plain"), "/a": Page(HTML), "/b": Page(HTML)}
    assert [outcome.kind for outcome in fetching("/a", "/b")] == ["got", "forbidden"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_site_that_cannot_say_what_it_forbids_is_asked_nothing(site: Site, fetching: Fetching, status: int) -> None:
    site.pages |= {"/robots.txt": Page(status=status), "/a": Page(HTML)}
    (outcome,) = fetching("/a")
    assert (outcome.kind, outcome.code) == ("forbidden", "fetch.robots-unavailable")
    assert site.paths() == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_site_without_robots_txt_forbids_nothing(site: Site, fetching: Fetching, status: int) -> None:
    site.pages |= {"/robots.txt": Page(status=status), "/a": Page(HTML)}
    assert fetching("/a")[0].kind == "got"


def test_the_robots_txt_a_redirect_leads_to_counts(site: Site, fetching: Fetching) -> None:
    rules = Page(b"User-agent: *\nDisallow: /a", "text/plain")
    site.pages |= {"/robots.txt": redirect("/rules"), "/rules": rules, "/a": Page(HTML)}
    assert fetching("/a")[0].kind == "forbidden"


def test_a_redirect_to_a_forbidden_address_is_not_followed(site: Site, fetching: Fetching) -> None:
    site.pages |= {"/robots.txt": Page(b"User-agent: *\nDisallow: /b"), "/a": redirect("/b"), "/b": Page(HTML)}
    assert fetching("/a")[0].kind == "forbidden"
    assert site.paths() == ["/a"]


def test_of_an_endless_robots_txt_the_beginning_counts(site: Site, fetching: Fetching) -> None:
    rules = b"User-agent: *\nDisallow: /b\n" + b"# and so on\n" * 100_000
    site.pages |= {"/robots.txt": Page(rules), "/a": Page(HTML), "/b": Page(HTML)}
    assert [outcome.kind for outcome in fetching("/a", "/b")] == ["got", "forbidden"]


def test_requests_to_a_host_are_as_far_apart_as_it_wants_up_to_a_limit(site: Site, fetching: Fetching) -> None:
    site.pages |= {"/a": Page(HTML), "/b": Page(HTML)}
    fetching("/a", "/b", fetch_delay=0.5)
    assert len(fetching.slept) == 2  # between robots.txt, /a and /b
    assert all(0.3 < seconds <= 0.5 for seconds in fetching.slept)
    fetching.slept.clear()
    site.pages["/robots.txt"] = Page(b"User-agent: *\nCrawl-delay: 7")
    fetching("/a", "/b")
    assert [round(seconds) for seconds in fetching.slept] == [7, 7]
    fetching.slept.clear()
    site.pages["/robots.txt"] = Page(b"User-agent: *\nCrawl-delay: 99999")
    fetching("/a", fetch_longest_wait=9)
    assert [round(seconds) for seconds in fetching.slept] == [9]


# --- trying again --------------------------------------------------------------------------------------------------


def test_a_site_that_fails_twice_is_asked_a_third_time(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = [Page(status=500), Page(status=503), Page(HTML)]
    assert fetching("/a")[0].kind == "got"
    assert 0.5 <= fetching.slept[0] <= 1 <= fetching.slept[1] <= 2  # twice as long each time, with some chance


def test_a_site_that_always_fails_is_asked_as_often_as_is_set(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(status=502)
    (outcome,) = fetching("/a", fetch_tries=3)
    assert (outcome.kind, outcome.code, len(site.paths())) == ("failed", "fetch.status", 3)
    assert "502" in outcome.message_en
    assert "502" in outcome.message_it


@pytest.mark.parametrize("status", [400, 401, 403, 501])
def test_a_definite_no_is_not_asked_again(site: Site, fetching: Fetching, status: int) -> None:
    site.pages["/a"] = Page(status=status)
    assert fetching("/a")[0].code == "fetch.status"
    assert site.paths() == ["/a"]


def test_a_site_that_says_when_to_come_back_is_waited_for(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = [retry_after("7"), Page(HTML)]
    assert fetching("/a")[0].kind == "got"
    assert fetching.slept == [7.0]


def test_a_site_that_wants_too_long_a_wait_is_left_alone_for_the_run(site: Site, fetching: Fetching) -> None:
    site.pages |= {"/a": retry_after("3600", 503), "/b": Page(HTML)}
    assert [outcome.code for outcome in fetching("/a", "/b")] == ["fetch.asked-to-wait"] * 2
    assert site.paths() == ["/a"]
    assert fetching.slept == []


def test_a_wait_may_be_told_as_a_date() -> None:
    assert asked_wait({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, NOW) == 90
    assert asked_wait({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, NOW) == 0
    assert asked_wait({"retry-after": "soon"}, NOW) is None
    assert asked_wait({}, NOW) is None


def test_a_host_that_fails_again_and_again_is_left_alone_for_the_run(site: Site, fetching: Fetching) -> None:
    for number in range(6):
        site.pages[f"/{number}"] = Page(status=500)
    outcomes = fetching(*(f"/{number}" for number in range(6)), fetch_tries=1, fetch_give_up=3)
    assert [outcome.code for outcome in outcomes] == ["fetch.status"] * 3 + ["fetch.host-left-alone"] * 3
    assert len(site.paths()) == 3


# --- redirects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_by_hand(site: Site, fetching: Fetching, status: int) -> None:
    site.pages |= {"/a": redirect("b?x=1#y", status), "/b?x=1": Page(HTML)}
    (outcome,) = fetching("/a")
    assert (outcome.kind, outcome.url) == ("got", site.url("/a"))


def test_tags_are_told_only_to_the_address_that_gave_them(site: Site, fetching: Fetching) -> None:
    site.pages |= {"/a": redirect("/b"), "/b": Page(HTML, headers={"ETag": '"b"'})}
    fetching("/a")
    (outcome,) = fetching("/a")
    assert (outcome.kind, outcome.status) == ("unchanged", 304)
    assert "if-none-match" not in site.headers_of("/a")
    assert site.headers_of("/b")["if-none-match"] == '"b"'


def test_a_loop_of_redirects_is_named(site: Site, fetching: Fetching) -> None:
    site.pages |= {"/a": redirect("/b"), "/b": redirect("/a")}
    (outcome,) = fetching("/a")
    assert outcome.code == "fetch.redirect-loop"
    assert site.url("/a") in outcome.message_en


def test_redirects_without_end_are_followed_so_far(site: Site, fetching: Fetching) -> None:
    site.pages |= {f"/{number}": redirect(f"/{number + 1}") for number in range(20)}
    assert fetching("/0", fetch_max_redirects=5)[0].code == "fetch.too-many-redirects"
    assert len(site.paths()) == 6


def test_a_redirect_to_nowhere_is_told(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(status=302)
    assert fetching("/a")[0].code == "fetch.redirect-nowhere"


def test_a_redirect_may_be_written_in_letters_that_are_not_ascii(site: Site, fetching: Fetching) -> None:
    site.pages |= {"/a": redirect("/città".encode().decode("latin-1")), "/citt%C3%A0": Page(HTML)}
    assert fetching("/a")[0].kind == "got"


# --- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "code", "cut"),
    [
        (misbehaving.silent, "fetch.no-answer", ""),
        (misbehaving.drips_its_body, "fetch.too-slow", "time"),
        (misbehaving.drips_its_head, "fetch.too-slow", "time"),
        (misbehaving.endless, "fetch.too-large", "length"),
        (misbehaving.endless_chunk_line, "fetch.broken-off", "disconnect"),
        (misbehaving.says_too_long, "fetch.broken-off", "disconnect"),
        (misbehaving.no_http, "fetch.broken-off", "disconnect"),
        (misbehaving.unheard_framing, "fetch.broken-off", "disconnect"),
    ],
)
def test_every_misbehaviour_ends_in_time_and_is_told(
    site: Site, fetching: Fetching, write: misbehaving.Writer, code: str, cut: str
) -> None:
    site.pages |= {"/a": Page(write=write), "/b": Page(HTML)}
    fetching.settings = replace(fetching.settings, fetch_read_timeout=0.3, fetch_total_timeout=0.6, fetch_tries=1)
    start = time.monotonic()
    report = fetching.report([site.url("/a"), site.url("/b")])
    assert time.monotonic() - start < 4
    assert [outcome.code for outcome in report.outcomes] == [code, ""]  # and the rest goes on
    assert report.outcomes[0].message_it
    assert "?" not in report.outcomes[0].message_en
    answers = [said for kind, url, _, said in records(report) if kind in KEPT and url == site.url("/a")]
    assert answers == ([cut] if cut else [])  # a site that says nothing leaves nothing to keep
    assert not list(fetching.folder.glob(".part/*"))


def test_an_answer_that_says_it_is_too_large_is_not_read(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(bytes(100_001))
    (outcome,) = fetching("/a")
    assert (outcome.kind, outcome.code) == ("too-large", "fetch.too-large")
    assert "100000" in outcome.message_en


def test_an_answer_of_just_the_size_is_taken(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(b"x" * 100_000, "text/plain")
    assert fetching("/a")[0].kind == "got"


def test_a_bomb_does_not_fill_the_memory(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = misbehaving.bomb()
    assert fetching("/a")[0].code == "fetch.too-large"
    packed = gzip.compress(bytes(50_000_000), 9)
    largest = max(len(piece) for piece in coding.undone([packed], "gzip"))
    assert largest <= 1 << 16


def test_a_bomb_within_a_bomb_is_one_too(site: Site, fetching: Fetching) -> None:
    body = gzip.compress(gzip.compress(bytes(50_000_000), 9), 9)
    site.pages |= {
        "/two": Page(body, headers={"Content-Encoding": "gzip, gzip"}),
        "/ten": Page(body, headers={"Content-Encoding": ", ".join(["gzip"] * 10)}),
    }
    assert [outcome.code for outcome in fetching("/two", "/ten")] == ["fetch.too-large", "fetch.coding"]


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"no gzip", "gzip"), (gzip.compress(HTML)[:-9], "gzip"), (zlib.compress(HTML)[:-9], "deflate"), (HTML, "br")],
    ids=["no gzip", "gzip cut off", "deflate cut off", "unknown coding"],
)
def test_what_is_not_packed_as_it_says_is_told(site: Site, fetching: Fetching, body: bytes, encoding: str) -> None:
    site.pages["/a"] = Page(body, headers={"Content-Encoding": encoding})
    assert fetching("/a")[0].code == "fetch.coding"


def test_an_answer_with_nothing_in_it_takes_nothings_place(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = [Page(HTML), Page(b"")]
    (had,) = fetching("/a")
    (outcome,) = fetching("/a")
    assert (outcome.code, outcome.path) == ("fetch.empty", had.path)
    assert fetching.copy(had) == HTML


@settings(max_examples=60, deadline=None)
@given(data=strategies.binary(max_size=3000), cut=strategies.integers(1, 700), members=strategies.integers(1, 3))
def test_whatever_is_packed_comes_out_the_same_in_whatever_pieces(data: bytes, cut: int, members: int) -> None:
    raw = zlib.compressobj(wbits=-15)
    for encoding, packed, plain in (
        ("gzip", gzip.compress(data) * members, data * members),
        ("deflate", zlib.compress(data), data),
        ("deflate", raw.compress(data) + raw.flush(), data),
        ("deflate, gzip", gzip.compress(zlib.compress(data)), data),
    ):
        pieces = [packed[at : at + cut] for at in range(0, len(packed), cut)]
        assert b"".join(coding.undone(pieces, encoding)) == plain


# --- what it is ----------------------------------------------------------------------------------------------------


def office(member: str, content: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(member, content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("body", "says", "ending"),
    [
        (PDF, "text/html", ".pdf"),
        (PDF, "application/octet-stream", ".pdf"),
        (HTML, "text/plain", ".html"),
        (b"\xef\xbb\xbf  <HTML>", "", ".html"),
        ("<!DOCTYPE html>".encode("utf-16"), "application/octet-stream", ".html"),
        (b"<address>", "text/plain", ".txt"),
        (b"a;b\n1;2\n", "text/csv; charset=utf-8", ".csv"),
        (b"Titolo: scheda", "", ".txt"),
        (b'{"cup": 1}', "application/json", ".json"),
        (b'[{"cup": 1}]', "text/html", ".json"),
        (b"{ no json", "text/plain", ".txt"),
        (b"<?xml version='1.0'?><a/>", "text/xml", ".xml"),
        (office("word/document.xml"), "application/zip", ".docx"),
        (office("xl/workbook.xml"), "application/octet-stream", ".xlsx"),
        (office("mimetype", "application/vnd.oasis.opendocument.text"), "text/plain", ".odt"),
        (office("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), "", ".ods"),
        (office("schede.csv"), "application/x-zip-compressed", ".zip"),
        (b"PK\x03\x04 cut off", "application/zip", ".zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword", ".doc"),
        (bytes(range(32)), "application/octet-stream", ".bin"),
        (bytes(range(32)), "", ".bin"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),  # an archive has the time in it
)
def test_a_document_is_what_its_bytes_say(site: Site, fetching: Fetching, body: bytes, says: str, ending: str) -> None:
    site.pages["/a"] = Page(body, says)
    (outcome,) = fetching("/a")
    assert outcome.kind == "got"
    assert Path(outcome.path).suffix == ending


def test_a_page_where_a_pdf_was_promised_is_told_and_not_taken(site: Site, fetching: Fetching) -> None:
    site.pages["/a.pdf"] = Page(b"<html><h1>Sessione scaduta</h1>", "application/pdf")
    (outcome,) = fetching("/a.pdf")
    assert (outcome.kind, outcome.path) == ("wrong-type", "")
    assert "application/pdf" in outcome.message_en
    assert "text/html" in outcome.message_en


def test_a_page_where_a_pdf_was_before_leaves_the_copy(site: Site, fetching: Fetching) -> None:
    site.pages["/download?id=1"] = [Page(PDF), Page(b"<html><h1>Manutenzione</h1>")]
    (had,) = fetching("/download?id=1")
    (outcome,) = fetching("/download?id=1")
    assert (outcome.kind, outcome.path) == ("wrong-type", had.path)
    assert fetching.copy(had) == PDF


@settings(max_examples=100, deadline=None)
@given(data=strategies.binary(max_size=200), says=strategies.text(max_size=40))
def test_whatever_bytes_and_words_there_are_something_is_judged(
    data: bytes, says: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "judged"
    path.write_bytes(data)
    assert media.judged(path, data, media.told(says).media_type).count("/") == 1


# --- addresses and names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "one"),
    [
        ("HTTP://SITE.Example:80", "http://site.example/"),
        ("https://site.example:443/a/./b/../c", "https://site.example/a/c"),
        ("https://site.example./a", "https://site.example/a"),
        ("https://città.example/à?b=è#c", "https://xn--citt-3na.example/%C3%A0?b=%C3%A8"),
        ("  https://site.example/a\n", "https://site.example/a"),
        ("https://site.example/a%2fb%7e", "https://site.example/a%2Fb%7E"),
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"),
    ],
)
def test_an_address_has_one_form(url: str, one: str) -> None:
    assert str(target(url)) == one


@settings(max_examples=200, deadline=None)
@given(
    text=strategies.text(max_size=60),
    before=strategies.sampled_from(["", "http://", "https://a.example/", "//", "http://["]),
)
def test_whatever_is_taken_for_an_address_stays_the_same_and_has_a_safe_name(text: str, before: str) -> None:
    try:
        found = target(before + text)
    except Unusable:
        return  # anything else raised would be a fault
    assert target(str(found)) == found
    assert str(found).isascii()
    path = Path(copies.place(found, "", "text/html", lambda _: True))
    assert len(path.parts) == 2
    assert ".." not in path.parts
    assert len(path.name) <= 130
    assert path.name == path.name.lower()


@settings(max_examples=100, deadline=None)
@given(text=strategies.text(alphabet="<>ahref='\" /.:#?é\x00basetemplat", max_size=80))
def test_whatever_a_page_says_its_links_are_addresses(text: str) -> None:
    for found in links.links(f"<a href='{text}'>{text}", target("http://a.example/")):
        assert found.scheme in ("http", "https")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"fetch_agent": "my agent"}, "fetch_agent"),
        ({"fetch_contact": "a\r\nX: y"}, "fetch_contact"),
        ({"fetch_ports": ("http",)}, "fetch_ports"),
        ({"fetch_ports": ("70000",)}, "fetch_ports"),
        ({"fetch_allow": ("10.0.0.1/8",)}, "fetch_allow"),
        ({"fetch_allow": ("300.0.0.1",)}, "fetch_allow"),
        ({"fetch_allow": ("http://a.example",)}, "fetch_allow"),
        ({"fetch_delay": -1.0}, "fetch_delay"),
        ({"fetch_delay": float("nan")}, "fetch_delay"),
        ({"fetch_total_timeout": 0.0}, "fetch_total_timeout"),
        ({"fetch_max_bytes": 0}, "fetch_max_bytes"),
        ({"fetch_tries": 0}, "fetch_tries"),
    ],
)
def test_a_setting_that_cannot_be_meant_says_what_is_allowed(told: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"{said}.*allowed: "):
        FetchSettings(**told)


def test_a_file_of_authorities_that_is_none_is_told(fetching: Fetching, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(ValueError, match="fetch_ca_file"):
            fetching("/a", fetch_ca_file=str(tmp_path / name))


@pytest.mark.parametrize("source", ["../out", "a/b", "warc", ".gone", "Maiuscole"])
def test_a_source_is_a_plain_name(fetching: Fetching, source: str) -> None:
    with pytest.raises(ValueError, match="source"):
        fetching("/a", source=source)


# --- the archive ---------------------------------------------------------------------------------------------------


def test_the_archive_holds_every_byte_that_crossed_the_wire(site: Site, fetching: Fetching) -> None:
    packed = gzip.compress(HTML)  # once: gzip writes the second of the day into its bytes
    page = Page(packed, headers={"Content-Encoding": "gzip"})
    site.pages |= {"/a": redirect("/b"), "/b": Page(write=misbehaving.chunked), "/c": page}
    report = fetching.report([site.url("/a"), site.url("/c")])
    found = records(report)
    assert found[0][0] == "warcinfo"
    kinds = [(kind, url.removeprefix(site.url(""))) for kind, url, _, _ in found[1:]]
    assert kinds == [
        (kind, path) for path in ("/robots.txt", "/a", "/b", "/c") for kind in ("response", "request", "metadata")
    ]
    said = {(kind, url): content for kind, url, content, _ in found}
    assert said["response", site.url("/b")].endswith(b"6\r\n<p>in \r\na\r\npieces</p>\r\n0\r\n\r\n")
    assert said["response", site.url("/c")].endswith(b"\r\n\r\n" + packed)
    assert said["request", site.url("/b")].startswith(b"GET /b HTTP/1.1\r\nHost: site.example:")
    assert f"via: {site.url('/a')}".encode() in said["metadata", site.url("/b")]
    assert hashlib.sha256(HTML).hexdigest().encode() in said["metadata", site.url("/c")]
    assert report.warc.name.startswith("cupola-20261123T100000")


def test_the_archive_is_sound_by_its_own_standards_checker(
    site: Site, fetching: Fetching, capsys: pytest.CaptureFixture[str]
) -> None:
    site.pages |= {"/a": Page(HTML), "/b": Page(write=misbehaving.no_http), "/c": Page(write=misbehaving.chunked)}
    report = fetching.report([site.url(path) for path in ("/a", "/b", "/c")], fetch_tries=1)
    command = type("Command", (), {"inputs": [str(report.warc)], "verbose": True})
    assert Checker(command).process_all() == 0
    assert "digest pass" in capsys.readouterr().out


# --- interruptions -------------------------------------------------------------------------------------------------

RUN = """
import sys
from pathlib import Path
from etl.fetch import FetchSettings, fetch
folder, port, *urls = sys.argv[1:]
told = FetchSettings(fetch_folder=Path(folder), fetch_allow=("127.0.0.1", "::1"), fetch_ports=(port,), fetch_delay=0)
fetch(urls, told)
"""


def test_a_run_killed_in_the_middle_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    """Killed with -9 while the third of four documents comes in."""
    running: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        running[0].send_signal(signal.SIGKILL)
        running[0].wait(10)

    site.pages |= {f"/{number}": Page(b"<p>%d" % number * 1000) for number in range(1, 5)}
    third = site.pages["/3"]
    assert isinstance(third, Page)
    site.pages["/3"] = misbehaving.then(kill, third)
    folder, urls = tmp_path / "fetched", [site.url(f"/{number}", "localhost") for number in range(1, 5)]
    command = [sys.executable, "-c", textwrap.dedent(RUN), str(folder), str(site.port), *urls]
    running.append(subprocess.Popen(command, cwd=HERE.parent.parent))
    assert running[0].wait(30) == -signal.SIGKILL
    assert site.paths() == ["/1", "/2", "/3"]
    (cut,) = (folder / "warc").iterdir()
    with cut.open("ab") as file:
        file.write(b"\x1f\x8b half a record")  # what a kill in the middle of a write leaves

    site.pages["/3"] = third
    told = FetchSettings(
        fetch_folder=folder, fetch_allow=("127.0.0.1", "::1"), fetch_ports=(str(site.port),), fetch_delay=0
    )
    report = fetch.fetch(urls, told)
    assert report.resumed
    assert [(outcome.kind, outcome.earlier) for outcome in report.outcomes] == [
        ("got", True), ("got", True), ("got", False), ("got", False),
    ]  # fmt: skip
    assert site.paths() == ["/1", "/2", "/3", "/3", "/4"]
    for number, outcome in enumerate(report.outcomes, 1):
        copy = folder / outcome.path
        assert copy.read_bytes() == b"<p>%d" % number * 1000
        assert fetch.told(folder, copy) is not None
    command_line = type(
        "Command", (), {"inputs": [str(path) for path in (folder / "warc").iterdir()], "verbose": False}
    )
    assert Checker(command_line).process_all() == 0  # the archive of the killed run ends with a whole record
    assert not list(folder.glob(".part/*"))

    again = fetch.fetch(urls, told)
    assert not again.resumed
    assert again.counts == {"unchanged": 4}


@pytest.mark.parametrize("step", ["settle", "put"])
def test_an_interruption_between_a_copy_and_its_row_is_made_good(
    site: Site, fetching: Fetching, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    site.pages["/a"] = [Page(b"<p>one", headers={"ETag": "1"}), Page(b"<p>two", headers={"ETag": "2"})]
    (had,) = fetching("/a")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("etl.fetch.copies.settle" if step == "settle" else "etl.fetch.state.State.put", stop)
        with pytest.raises(KeyboardInterrupt):
            fetching("/a")
    (outcome,) = fetching("/a")
    assert outcome.fine
    told = fetch.told(fetching.folder, fetching.folder / had.path)
    assert told is not None
    assert told.etag == "2"
    assert fetching.copy(outcome) == b"<p>two"


def test_an_interrupted_run_that_is_too_old_is_begun_anew(
    site: Site, fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages |= {"/a": Page(HTML), "/b": Page(HTML)}
    with monkeypatch.context() as patched:
        patched.setattr("etl.fetch.run._Run.report", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fetching("/a", "/b")
    fetching.now += timedelta(days=2)
    outcomes = fetching("/a", "/b")
    assert [(outcome.kind, outcome.earlier) for outcome in outcomes] == [("unchanged", False)] * 2


def test_two_runs_in_one_folder_do_not_meet(site: Site, fetching: Fetching) -> None:
    met: list[str] = []

    def another() -> None:
        with pytest.raises(Unusable) as caught:
            fetching("/b")
        met.append(caught.value.code)

    site.pages |= {"/a": misbehaving.then(another, Page(HTML)), "/b": Page(HTML)}
    assert fetching("/a")[0].kind == "got"
    assert met == ["fetch.busy"]


def test_a_folder_that_cannot_be_used_is_one_clear_problem(fetching: Fetching, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "fetched.sqlite").write_text("no base of data, but long enough to be taken for one" * 100)
    (tmp_path / "newer").mkdir()
    with sqlite3.connect(tmp_path / "newer" / "fetched.sqlite") as base:
        base.execute("PRAGMA user_version = 99")
    base.close()
    for name in ("file", "broken", "newer"):
        with pytest.raises(Unusable) as caught:
            fetching("/a", fetch_folder=tmp_path / name)
        assert caught.value.code == "fetch.folder"
    for name in ("broken", "newer"):
        with pytest.raises(Unusable, match="cannot be used"):
            fetch.gone(tmp_path / name)


def test_a_full_disk_ends_the_run_with_one_clear_problem(
    site: Site, fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/a"] = Page(HTML)

    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("etl.fetch.warc.Warc.add", full)
    with pytest.raises(Unusable, match=os.strerror(28)) as caught:
        fetching("/a")
    assert caught.value.code == "fetch.folder"


# --- the report ----------------------------------------------------------------------------------------------------


def test_the_problems_of_a_run_are_a_table_like_all_others(site: Site, fetching: Fetching) -> None:
    site.pages["/a"] = Page(HTML)
    report = fetching.report([site.url("/a"), site.url("/b"), "file:///etc/passwd"])
    assert not report.fine
    assert report.counts == {"got": 1, "refused": 1, "failed": 1}
    assert report.problems().select("code", "severity", "file").rows() == [
        ("fetch.not-an-address", "violation", "file:///etc/passwd"),
        ("fetch.not-found", "violation", site.url("/b")),
    ]


def test_progress_is_told_stage_by_stage(site: Site, fetching: Fetching) -> None:
    listing(site)
    told: list[tuple[str, int, int]] = []
    wanted = harvest.load({"listing": [site.url("/list")], "links": "/scheda/"})
    fetch.harvest(wanted, fetching.settings, "schede", lambda *each: told.append(each), fetching.world())
    assert told == [("list", 0, 1), ("list", 1, 1), ("fetch", 0, 2), ("fetch", 1, 2), ("fetch", 2, 2)]
