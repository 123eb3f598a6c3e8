"""Validators for what is made from a release: whoever has it asks whether it changed, and is told 304 when it did not.

RFC 9110, 8.8 and 13. Every answer may be kept but must be asked about (`no-cache`): a new release changes it at once.
"""

from datetime import UTC, datetime
from hashlib import blake2b

from flask import Flask, Response, request

from endpoint.service import Service

#: Answers made from the release alone, by what Flask calls their functions. Those that set validators themselves keep
#: them; of the others a checksum is the validator: a template may change while the release does not.
TIED = (
    "pages.home", "pages.project_list", "pages.project_csv", "pages.quality", "pages.queries", "resources.document",
    "onto.ontology", "sitemap.sitemap", "sitemap.data_sitemap", "sitemap.robots", "catalog.api_catalog",
)  # fmt: skip


def register(app: Flask, service: Service) -> None:
    """Give the answers of `app` that are TIED to the release their validators."""
    started = datetime.now(UTC)  # what makes the answers may be another since

    @app.after_request
    def validated(response: Response) -> Response:
        serving = service.serving
        if request.endpoint not in TIED or response.status_code != 200 or serving is None:
            return response
        if response.get_etag()[0] is None:
            release = serving.release
            # What is streamed would have to be made whole first; it is of this release and this address.
            made = response.get_data() if response.is_sequence else f"{release.id} {started} {request.url}".encode()
            response.set_etag(blake2b(made, digest_size=12).hexdigest(), weak=True)
            response.last_modified = max(release.created, started)
        response.headers.setdefault("Cache-Control", "no-cache")
        if not response.is_sequence:
            response.automatically_set_content_length = False  # else all of it would be made to be counted
        response.make_conditional(request)
        return response
