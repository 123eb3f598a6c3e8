"""A whole fetch: a list of addresses, or a site's listing, to a folder of copies, its state and its archive."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final, cast

from etl import read
from etl.fetch import copies, media
from etl.fetch.addresses import Resolve, resolved
from etl.fetch.client import Answer, Client, Known
from etl.fetch.links import links, text_of
from etl.fetch.outcome import Kind, Outcome, Report, wrong
from etl.fetch.pace import Pace
from etl.fetch.settings import FetchSettings
from etl.fetch.state import Row, State, locked, same, usable
from etl.fetch.urls import Target, target
from etl.fetch.warc import Warc, mend
from etl.harvest import Harvest
from etl.problems import Unusable

#: Told how far a stage is: its name, how many are done, of how many.
Progress = Callable[[str, int, int], None]

#: Folders of ours beside those of the sources: the archives, and files not yet finished.
ARCHIVES, PARTS = "warc", ".part"
_SOURCE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_GONE: Final = frozenset({404, 410})
_GOT: Final = frozenset({200, 203})


def silent(_stage: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class World:
    """What a run has from outside: the pauses it makes, the name server, the calendar. Tests bring their own."""

    pace: Callable[[FetchSettings], Pace] = Pace
    resolve: Resolve = resolved
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def addresses(path: Path) -> list[str]:
    """The addresses in a text file: one a line; empty lines and those that begin with # are left out.

    Raises Unusable as etl.read.text does.
    """
    lines = (line.strip() for line in read.text(path).lines)
    return [line for line in lines if line and not line.startswith("#")]


def fetch(
    urls: Iterable[str],
    settings: FetchSettings,
    source: str = "",
    progress: Progress = silent,
    world: World | None = None,
) -> Report:
    """Get documents by their addresses, each once, into the folder of `source` ("": of their host).

    What was got before is asked for only if it changed. A run that was interrupted is gone on with when it is called
    for again. Raises Unusable (fetch.folder, fetch.busy) and ValueError for a source that is no folder's name.
    """
    asked = list(dict.fromkeys(urls))
    with _Run(settings, source, ["list", source, *asked], progress, world or World()) as run:
        outcomes: list[Outcome] = []
        targets: dict[str, Target] = {}
        for url in asked:
            try:
                where = target(url)
                targets.setdefault(str(where), where)
            except Unusable as problem:
                outcomes.append(wrong(url, problem))
        outcomes += run.all(dict.fromkeys(targets.values(), ""), listed=False)
        return run.report(outcomes)


def harvest(
    wanted: Harvest, settings: FetchSettings, source: str, progress: Progress = silent, world: World | None = None
) -> Report:
    """Get the documents that a site's listing names, into the folder of `source`.

    Those it named before and no longer does are taken for vanished, if the listing was read whole. Raises as `fetch`.
    """
    task = ["harvest", source, *wanted.listing, wanted.links.pattern, wanted.next.pattern if wanted.next else ""]
    with _Run(settings, source, task, progress, world or World()) as run:
        listing = run.listing(wanted)
        outcomes = [*listing.outcomes, *run.all(listing.named, listed=True)]
        if listing.complete:
            outcomes += run.unlisted(listing.named)
        return replace(run.report(outcomes), complete=listing.complete)


@dataclass
class _Listing:
    """What the listing pages name: the documents, each with the page that did; what went wrong; whether it is all."""

    named: dict[Target, str]
    outcomes: list[Outcome]
    complete: bool = True


class _Run:
    """One run at work in a folder; to be used as a context: what it opened is closed, whatever happens."""

    def __init__(self, settings: FetchSettings, source: str, task: list[str], progress: Progress, world: World) -> None:
        if source and (not _SOURCE.fullmatch(source) or source == ARCHIVES):
            raise ValueError(f"source {source!r}: allowed: small letters, digits, . _ and -, and not {ARCHIVES!r}")
        self._settings, self._source, self._progress, self._world = settings, source, progress, world
        self._task = hashlib.sha256(json.dumps(task).encode()).hexdigest()
        self._folder = settings.fetch_folder
        self._open = ExitStack()

    def __enter__(self) -> _Run:
        try:
            self._begin()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with usable(self._folder):
            self._open.close()
            if isinstance(error, OSError):  # what the network says never gets here: the disk is full, or not ours
                raise error

    def _begin(self) -> None:
        folder, now = self._folder, self._world.now()
        self._open.enter_context(locked(folder))
        self._state = State(folder)
        self._open.callback(self._state.close)
        with usable(folder):
            shutil.rmtree(folder / PARTS, ignore_errors=True)
            (folder / PARTS).mkdir()
            self._open.callback(shutil.rmtree, folder / PARTS, ignore_errors=True)
            (folder / ARCHIVES).mkdir(exist_ok=True)
            mend(folder / ARCHIVES)
            youngest = now - timedelta(seconds=self._settings.fetch_resume)
            self._number, self._earlier = self._state.begin(self._task, now, youngest)
            # A mark of chance: clocks are set back, and two runs may begin in one second.
            name = f"cupola-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.warc.gz"
            self._warc = Warc(folder / ARCHIVES / name, self._settings.fetch_contact)
            self._open.callback(self._warc.close)
        pace = self._world.pace(self._settings)
        self._client = Client(self._settings, self._warc.add, pace, self._world.resolve, folder / PARTS)

    # --- what it does ------------------------------------------------------------------------------------------------

    def report(self, outcomes: Iterable[Outcome]) -> Report:
        """The run is at its end: nothing of it is to be gone on with."""
        self._state.end(self._number, self._world.now())
        return Report(self._folder, self._warc.path, tuple(outcomes), bool(self._earlier))

    def all(self, named: Mapping[Target, str], listed: bool) -> list[Outcome]:
        """The documents at these addresses, each with the page that named it, one after the other."""
        outcomes: list[Outcome] = []
        self._progress("fetch", 0, len(named))
        for number, (where, via) in enumerate(named.items(), 1):
            outcomes.append(self._document(where, via, listed))
            self._progress("fetch", number, len(named))
        return outcomes

    def unlisted(self, named: Mapping[Target, str]) -> list[Outcome]:
        """The documents of the source that its listing named once and does not now."""
        now = {str(where) for where in named}
        return [self._vanished(row, 0) for row in self._state.listed(self._source) if row.url not in now]

    def listing(self, wanted: Harvest) -> _Listing:
        """The listing pages, from the first to the last, and what they name."""
        found = _Listing({}, [])
        pages: list[Target] = []
        for url in wanted.listing:
            try:
                pages.append(target(url))
            except Unusable as problem:
                found.outcomes.append(wrong(url, problem))
                found.complete = False
        via = dict.fromkeys(pages, "")
        for number, page in enumerate(pages):  # grows while it is gone through
            if number >= wanted.pages:
                found.complete = False
                break
            self._progress("list", number, len(pages))
            try:
                here, named = self._page(page, via[page])
            except Unusable as problem:
                found.outcomes.append(wrong(str(page), problem))
                found.complete = False
                continue
            for each in named:
                if wanted.links.search(str(each)):
                    if each not in found.named and len(found.named) >= wanted.limit:
                        found.complete = False
                        continue
                    found.named.setdefault(each, here)
                elif wanted.next and wanted.next.search(str(each)) and each not in via:
                    pages.append(each)
                    via[each] = here
        self._progress("list", len(pages), len(pages))
        if not found.named and not found.outcomes:
            # A site made anew looks like this: that is no reason to believe that all its documents are gone.
            found.outcomes.append(wrong(wanted.listing[0], Unusable("fetch.no-links", raw=wanted.links.pattern)))
            found.complete = False
        return found

    def _page(self, page: Target, via: str) -> tuple[str, list[Target]]:
        """A listing page's address, along redirects, and its links; raises Unusable."""
        with self._part() as part:
            answer = self._client.get(page, part, via=via)
            if answer.status not in _GOT:
                raise _status(page, answer.status)
            told = media.told(answer.headers.get("content-type", ""))
            judged = media.judged(Path(part.name), answer.head, told.media_type)
            if not media.is_page(judged):
                raise Unusable("fetch.wrong-type", wanted=media.HTML, found=judged)
            part.seek(0)
            return str(answer.where), links(text_of(part.read(), told.charset), answer.where)

    def _document(self, where: Target, via: str, listed: bool) -> Outcome:
        """One document: asked for, judged, kept."""
        url = str(where)
        row = self._state.row(self._source, url)
        if url in self._earlier:
            path = row.path if row is not None and not row.since else ""
            return Outcome(url, cast("Kind", self._earlier[url]), path, earlier=True)
        # A copy that is not as it was got, or not there, cannot be told to be unchanged.
        whole = row is not None and not row.since and same(self._folder / row.path, row.sha256)
        known = Known(row.last_where, row.etag, row.last_modified) if row is not None and whole else None
        with self._part() as part:
            try:
                answer = self._client.get(where, part, known, via)
                return self._kept(where, answer, Path(part.name), row, whole, listed)
            except Unusable as problem:
                if problem.code in ("fetch.folder", "fetch.busy"):
                    raise  # nothing more can be kept: that ends the run
                return wrong(url, problem, row.path if row is not None and whole else "")

    def _kept(self, where: Target, answer: Answer, part: Path, row: Row | None, whole: bool, listed: bool) -> Outcome:
        """What an answer means for the copy; raises Unusable for an answer that is none."""
        url, now = str(where), self._world.now().isoformat()
        listed = listed or (row is not None and row.listed)
        if answer.status in _GONE and row is not None:
            return self._vanished(row, answer.status)
        if answer.status == 304 and row is not None and whole:
            headers = answer.headers
            fresh = replace(
                row, listed=listed, checked=now, etag=headers.get("etag", row.etag),
                last_modified=headers.get("last-modified", row.last_modified),
            )  # fmt: skip
            self._put(fresh, "unchanged")
            return Outcome(url, "unchanged", row.path, status=304)
        if answer.status not in _GOT:
            raise _status(where, answer.status)
        if not answer.size:
            raise Unusable("fetch.empty", host=where.host)
        told = media.told(answer.headers.get("content-type", ""))
        judged = media.judged(part, answer.head, told.media_type)
        promised = media.wanted(url) or (row.media_type if row is not None and whole else "")
        if promised and media.is_page(judged) and not media.is_page(promised):
            raise Unusable("fetch.wrong-type", wanted=promised, found=judged)
        same_bytes = row is not None and not row.since and row.sha256 == answer.sha256
        kind: Kind = "got" if row is None or row.since else "unchanged" if same_bytes else "changed"
        path = self._path(where, judged, row)
        if not (same_bytes and whole and row is not None and row.path == path):
            copies.settle(part, self._folder, path, "" if row is None else row.path)
        fresh = Row(
            url=url,
            source=self._source,
            path=path,
            listed=listed,
            last_where=str(answer.where),
            status=answer.status,
            retrieved=row.retrieved if row is not None and same_bytes else answer.at.isoformat(),
            checked=now,
            sha256=answer.sha256,
            size=answer.size,
            media_type=judged,
            charset=told.charset,
            etag=answer.headers.get("etag", ""),
            last_modified=answer.headers.get("last-modified", ""),
        )
        self._put(fresh, kind)
        return Outcome(url, kind, path, status=answer.status)

    def _path(self, where: Target, media_type: str, row: Row | None) -> str:
        """The copy's path: the one it had, while it is of the same type."""
        if row is not None and row.media_type == media_type:
            return row.path
        source, url = self._source, str(where)
        return copies.place(where, source, media_type, lambda path: self._state.is_free(path, source, url))

    def _vanished(self, row: Row, status: int) -> Outcome:
        """The document is gone: its copy is moved aside, and since when is kept."""
        now = self._world.now().isoformat()
        copies.withdraw(self._folder, row.path)
        self._put(replace(row, checked=now, since=row.since or now, gone_status=status), "vanished")
        code = "fetch.vanished" if status else "fetch.unlisted"
        since = (row.since or now)[:10]
        return wrong(row.url, Unusable(code, found=str(status), since=since), status=status)

    def _put(self, row: Row, kind: Kind) -> None:
        """Keep a document's row, which says that what came is in the archive: so that goes to disk first."""
        self._warc.safe()
        self._state.put(row, self._number, kind)

    @contextmanager
    def _part(self) -> Iterator[IO[bytes]]:
        """A file for a body under way; what was not put in its place by then goes."""
        with tempfile.NamedTemporaryFile("w+b", dir=self._folder / PARTS, delete=False) as part:
            try:
                yield cast("IO[bytes]", part)
            finally:
                Path(part.name).unlink(missing_ok=True)


def _status(where: Target, status: int) -> Unusable:
    code = "fetch.not-found" if status in _GONE else "fetch.status"
    return Unusable(code, host=where.host, found=str(status))
