"""What a deployment may decide about building; every field is a setting with its default and a line of help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: The engines of validation, by the names of their packages.
VALIDATORS: Final = ("shacl-rust", "pyshacl")


@dataclass(frozen=True)
class Settings:
    """The settings of `cupola build` and `cupola publish`."""

    releases: Path = field(
        default=Path("releases"), metadata={"help": "folder of the releases; `current` in it is served"}
    )
    inputs: tuple[str, ...] = field(
        default=("examples",), metadata={"help": "files and folders built when none is named"}
    )
    base: str = field(
        default="https://w3id.org/cupola/",
        metadata={"help": "base IRI that data is minted with; http(s), ends with /"},
    )
    publisher: str = field(default="Cupola", metadata={"help": "who publishes the catalogue"})
    validator: str = field(
        default="shacl-rust",
        metadata={"help": "engine of SHACL validation, shacl-rust or pyshacl: the same results, the first faster"},
    )
    index: bool = field(
        default=True,
        metadata={"help": "make the local engine's index; false: dumps and tables only, to load into another store"},
    )
    sparq_index: bool = field(
        default=False,
        metadata={"help": "make sparq's index too, for engine = sparq; takes 0.4 GB of memory a million statements"},
    )
    complete: tuple[str, ...] = field(
        default=(),
        metadata={"help": "registers loaded whole, such as opencup: a CUP that is not in them counts as not found"},
    )
    opencup_url: str = field(
        default="",
        metadata={"help": "address that answers about a CUP (check --live); {cup} in it stands for the code"},
    )
    opencup_key: str = field(
        default="",
        metadata={"help": 'key sent there: a bearer token, or "Name: value" for another header', "secret": "yes"},
    )
    opencup_cache: Path = field(
        default=Path("~/.cache/cupola/opencup.sqlite"), metadata={"help": "file that keeps its answers for a day"}
    )
    publish_persons: bool = field(default=True, metadata={"help": "publish the names of persons in a role (RUP)"})
    publisher_code: str = field(
        default="cupola", metadata={"help": "what identifies the publisher: in Italy the code of IndicePA (codice IPA)"}
    )
    contact: str = field(default="", metadata={"help": "mail address for questions about the data, in the catalogue"})

    def __post_init__(self) -> None:
        """Refuse a base that IRIs cannot be minted with, and an engine there is none of (ValueError)."""
        if self.sparq_index and not self.index:
            raise ValueError("sparq_index = true: allowed with index = true only, which answers what sparq cannot")
        if self.validator not in VALIDATORS:
            raise ValueError(f"validator = {self.validator!r}: allowed: {', '.join(VALIDATORS)}")
        if not self.base.startswith(("http://", "https://")) or not self.base.endswith("/"):
            raise ValueError(f"base = {self.base!r}: allowed is an http or https address that ends with /")
