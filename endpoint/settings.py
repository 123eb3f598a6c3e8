"""What can be set when serving; `cupola` fills the fields from its options, the environment and cupola.toml."""

from dataclasses import dataclass, field
from pathlib import Path


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
