"""What the parts of the application share: the release being served, its engine, the settings."""

import logging
import threading
import time
from functools import cached_property

from flask import g, has_app_context

from endpoint import turns, vocabulary
from endpoint.cache import Cache
from endpoint.context import Context
from endpoint.engine import Engine
from endpoint.engine.local import LocalEngine
from endpoint.engine.remote import RemoteEngine
from endpoint.release import NoRelease, Release, current, target
from endpoint.settings import Settings

LOOK = 1.0  # seconds between two looks at the `current` link

log = logging.getLogger("cupola")


def engine_for(release: Release, settings: Settings) -> Engine:
    """The engine the settings ask for: the remote endpoint if one is named, else over the release's own store."""
    return RemoteEngine(settings) if settings.remote_endpoint else LocalEngine(release.store, settings)


class Serving:
    """A release with its engine, and how many requests are using them."""

    def __init__(self, release: Release, link: str | None, settings: Settings) -> None:
        self.release, self.link = release, link
        self.engine = engine_for(release, settings)
        self.cache: Cache[object] = Cache(settings.cache_size * 2**20)
        self.users = 0

    @cached_property
    def vocabulary(self) -> vocabulary.Vocabulary:
        """The vocabulary, asked of the engine once: every answer in JSON-LD needs it."""
        return vocabulary.read(self.engine, self.release)

    @cached_property
    def context(self) -> Context:
        """The names of JSON-LD answers."""
        return Context.of(self.vocabulary)


class Service:
    """The release and engine to use now.

    Within a request `release` and `engine` belong together and stay the same from its start to its end, even when a new
    release takes over in between; the old engine ends with its last request.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.turns, self.downloads = turns.for_queries(settings), turns.for_downloads(settings)
        self.stopping = False  # answers go on, but no more requests should be sent here
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._looked = 0.0
        self._serving: Serving | None = None
        self._closed = False
        self._why = ""

    @property
    def release(self) -> Release:
        """The release being served. Raises NoRelease when there is none."""
        return self._now().release

    @property
    def engine(self) -> Engine:
        """The engine over that release. Raises NoRelease when there is none."""
        return self._now().engine

    @property
    def cache(self) -> Cache[object]:
        """Answers made from that release. Raises NoRelease when there is none."""
        return self._now().cache

    @property
    def vocabulary(self) -> vocabulary.Vocabulary:
        """The vocabulary of that release. Raises NoRelease when there is none, EngineError when it does not answer."""
        return self._now().vocabulary

    @property
    def context(self) -> Context:
        """The names of its JSON-LD answers. Raises what `vocabulary` does."""
        return self._now().context

    @property
    def serving(self) -> Serving | None:
        """What is served, without looking for a release or waiting for one; within a request, what that uses."""
        pinned: Serving | None = g.get("cupola_serving") if has_app_context() else None
        return pinned or self._serving

    def enter(self) -> None:
        """A request begins: look for a new release (at most once a second) and hold on to the one there is."""
        self._look()
        with self._lock:
            if self._serving is not None:
                self._serving.users += 1
                g.cupola_serving = self._serving

    def leave(self) -> None:
        """The request is over."""
        serving: Serving | None = g.pop("cupola_serving", None)
        if serving is None:
            return
        with self._lock:
            serving.users -= 1
            over = serving.users == 0 and serving is not self._serving
        if over:
            serving.engine.close()

    def close(self) -> None:
        """End the workers; the server stops."""
        with self._looking:
            self._closed = True
            with self._lock:
                serving, self._serving = self._serving, None
            self._why = "The server is stopping."
        if serving is not None:
            serving.engine.kill()

    def _now(self) -> Serving:
        if has_app_context() and (pinned := g.get("cupola_serving")) is not None:
            return pinned  # type: ignore[no-any-return]
        self._look()
        with self._lock:
            if self._serving is None:
                raise NoRelease(self._why)
            return self._serving

    def _look(self) -> None:
        """Change to the release that `current` points to, if it is another one and its engine answers."""
        # The first of several requests looks, the others go on with what there is; without any they wait.
        if time.monotonic() - self._looked < LOOK or not self._looking.acquire(blocking=self._serving is None):
            return
        try:
            if self._closed or time.monotonic() - self._looked < LOOK:
                return
            link = target(self.settings.releases)
            if self._serving is None or link != self._serving.link:
                self._change(link)
            self._looked = time.monotonic()
        finally:
            self._looking.release()

    def _change(self, link: str | None) -> None:
        old = self._serving
        try:
            new = Serving(current(self.settings.releases), link, self.settings)
        except NoRelease as none:
            self._refuse(str(none))
            return
        if not new.engine.alive():
            new.engine.kill()
            self._refuse(f"The engine over release {new.release.id} does not answer.")
            return
        with self._lock:
            self._serving = new
            over = old is not None and old.users == 0
        log.info("serving release %s", new.release.id)
        if old is not None and over:
            old.engine.close()

    def _refuse(self, why: str) -> None:
        """Stay with the release there is; say so once."""
        if why != self._why:
            log.error("%s", why)
        self._why = why
