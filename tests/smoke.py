"""`make run` without staying: build the example sheets, serve them, ask a page, a curl and a query, stop.

Run with the environment's Python: it starts `cupola` from the same environment.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

CUPOLA = Path(sys.executable).with_name("cupola")
EXAMPLES = Path(__file__).parent.parent / "examples"
QUERY = "PREFIX cupola: <https://w3id.org/cupola/onto/> SELECT (COUNT(*) AS ?n) { ?o a cupola:Operation }"


def get(url: str, accept: str) -> str:
    """The body of an answer 200, redirects followed."""
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=20) as answer:
        body: bytes = answer.read()
    return body.decode()


def main() -> None:
    """Fail with a message when any step of `make run` does not do what the README promises."""
    with tempfile.TemporaryDirectory() as releases:
        built = subprocess.run([CUPOLA, "build", EXAMPLES, "--releases", releases], check=False)
        assert built.returncode in (0, 1), f"cupola build ended with {built.returncode}"
        command = [str(CUPOLA), "serve", "--releases", releases, "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            told = "".join(line for line, _ in zip(server.stdout, range(5), strict=False))
            url = re.search(r"http://[0-9.:]+", told)
            page = re.search(r"a page +(\S+)", told)
            assert url, f"cupola serve told no URL: {told!r}"
            assert page, f"cupola serve told no page to try: {told!r}"
            assert "<html" in get(page[1], "text/html"), "no page"
            assert "projectTitle" in get(page[1], "text/turtle"), "no Turtle"
            asked = f"{url[0]}/sparql?query={urllib.parse.quote(QUERY)}"
            count = int(get(asked, "text/csv").split()[1])
            assert count >= 6, f"only {count} operations are served"
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(timeout=20)
        assert code == 0, f"cupola serve ended with {code} when stopped"
    print(f"smoke: {count} operations built, served, asked and stopped")


if __name__ == "__main__":
    main()
