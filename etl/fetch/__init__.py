"""Documents got from the web, politely: copies with their dates and checksums, an archive, and what changed or is gone.

`fetch` gets a list of addresses, `harvest` what a site's listing names; `told` and `origin` say where a copy comes
from, `gone` which documents their sites no longer have. A folder of copies looks like this::

    fetched/
      fetched.sqlite           what is kept of every document
      torino-sheets/           a folder for each source (or host), the copies in it
        scheda-to7-1-1-b.pdf
        .gone/                 the last copies of documents that vanished
      warc/                    an archive of each run: requests and answers as they crossed the wire

No module of the build uses the network; this is the one that does, with `etl.live`.
"""

from __future__ import annotations

from etl.fetch.outcome import FINE, KINDS, Kind, Outcome, Report
from etl.fetch.run import Progress, World, addresses, fetch, harvest
from etl.fetch.settings import FetchSettings
from etl.fetch.state import Fetched, Gone, gone, gone_path, origin, told

__all__ = [
    "FINE",
    "KINDS",
    "FetchSettings",
    "Fetched",
    "Gone",
    "Kind",
    "Outcome",
    "Progress",
    "Report",
    "World",
    "addresses",
    "fetch",
    "gone",
    "gone_path",
    "harvest",
    "origin",
    "told",
]
