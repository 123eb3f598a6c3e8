"""What can be set when serving; `cupola` fills the fields from its options, the environment and cupola.toml."""

from dataclasses import dataclass, field
from pathlib import Path

from endpoint.engine.stores import store_named


@dataclass(frozen=True)
class Settings:
    """The settings of the endpoint. Each field's help is in its metadata; units are in it too."""

    releases: Path = field(default=Path("releases"), metadata={"help": "folder of releases; `current` in it is served"})
    host: str = field(default="127.0.0.1", metadata={"help": "address to listen on"})
    port: int = field(default=8000, metadata={"help": "port to listen on; 0 takes a free one"})
    threads: int = field(default=16, metadata={"help": "requests answered at the same time"})
    workers: int = field(default=2, metadata={"help": "queries of /sparql run at the same time, each in its process"})
    query_timeout: float = field(default=30.0, metadata={"help": "seconds one query may take, its download included"})
    query_memory: int = field(default=1024, metadata={"help": "MiB of memory one query may use"})
    max_query_length: int = field(default=100_000, metadata={"help": "characters of the longest query accepted"})
    max_body: int = field(default=1_048_576, metadata={"help": "bytes of the largest request body accepted"})
    max_answer_size: int = field(
        default=512,
        metadata={"help": "MiB of the largest answer; a larger one is broken off, never cut short in silence"},
    )
    queue_length: int = field(default=64, metadata={"help": "queries that may wait for a free process"})
    queue_timeout: float = field(default=5.0, metadata={"help": "seconds a query waits for a free process"})
    cache_size: int = field(default=64, metadata={"help": "MiB of answers about resources kept to be given again"})
    public_url: str = field(
        default="", metadata={"help": "address the world sees, when a proxy stands before (https://dati.example.it)"}
    )
    remote_endpoint: str = field(
        default="", metadata={"help": "SPARQL 1.1 endpoint that holds the data, in place of the release's own store"}
    )
    engine: str = field(default="oxigraph", metadata={"help": "engine over the release's own store, oxigraph or sparq"})
    stop_timeout: float = field(
        default=10.0, metadata={"help": "seconds that requests under way may still take when the server is stopped"}
    )
    log_format: str = field(default="text", metadata={"help": "how the log on standard error is written, text or json"})
    log_queries: bool = field(
        default=False, metadata={"help": "whether the log has the text of queries that fail or take over a second"}
    )
    client_queries: int = field(
        default=0, metadata={"help": "queries of one client run at the same time; 0: half the workers, at least one"}
    )
    trusted_proxies: int = field(
        default=0,
        metadata={"help": "reverse proxies before the server; their X-Forwarded-For tells a client's address"},
    )
    max_rows: int = field(
        default=0, metadata={"help": "rows of the largest answer to a SELECT, which is never cut short; 0: no limit"}
    )
    max_url: int = field(default=131_072, metadata={"help": "bytes of the longest address of a request accepted"})
    remote_store: str = field(
        default="",
        metadata={"help": "what that endpoint is: fuseki, graphdb, neptune, oxigraph, qlever, rdf4j or virtuoso"},
    )
    remote_user: str = field(default="", metadata={"help": "our name at that endpoint, and where cupola load writes"})
    remote_password: str = field(
        default="", metadata={"help": "password of remote_user (basic authentication)", "secret": "yes"}
    )
    remote_digest: bool = field(
        default=False, metadata={"help": "whether that password is proved by digest authentication instead"}
    )
    remote_token: str = field(
        default="", metadata={"help": "bearer token sent there, in place of a password", "secret": "yes"}
    )
    remote_connections: int = field(
        default=16, metadata={"help": "queries sent there at the same time; `workers` of them for /sparql"}
    )
    load_chunk: int = field(default=8192, metadata={"help": "KiB of triples that cupola load sends at a time"})
    load_timeout: float = field(
        default=600.0, metadata={"help": "seconds the store may take over each of them, and over counting a graph"}
    )
    load_folder: Path = field(
        default=Path("~/.cache/cupola/loads"), metadata={"help": "folder where cupola load keeps how far it has come"}
    )

    def __post_init__(self) -> None:
        """Raise a ValueError for a value that is not one of those allowed."""
        store_named(self.remote_store)
        if self.engine not in ("oxigraph", "sparq"):
            raise ValueError(f"engine = {self.engine!r}: allowed: oxigraph, sparq")
        if self.log_format not in ("text", "json"):
            raise ValueError(f"log_format = {self.log_format!r}: allowed: text, json")
