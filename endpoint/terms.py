"""Names of vocabulary terms in the pages: namespaces, short names, and where an IRI leads a reader."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

# Our own terms live here whatever the deployment's base is.
ONTO = "https://w3id.org/cupola/onto/"

NAMESPACES = {
    "adms": "http://www.w3.org/ns/adms#",
    "ADMS": "https://w3id.org/italia/onto/ADMS/",
    "CLV": "https://w3id.org/italia/onto/CLV/",
    "COV": "https://w3id.org/italia/onto/COV/",
    "CPV": "https://w3id.org/italia/onto/CPV/",
    "cupola": ONTO,
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatapit": "http://dati.gov.it/onto/dcatapit#",
    "dct": "http://purl.org/dc/terms/",
    "dqv": "http://www.w3.org/ns/dqv#",
    "epo": "http://data.europa.eu/a4g/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "l0": "https://w3id.org/italia/onto/l0/",
    "MU": "https://w3id.org/italia/onto/MU/",
    "NDC": "https://w3id.org/italia/onto/NDC/",
    "org": "http://www.w3.org/ns/org#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "pc": "http://purl.org/procurement/public-contracts#",
    "PCTR": "https://w3id.org/italia/onto/PublicContract/",
    "pi": "https://w3id.org/italia/PublicInvestment/onto/PublicInvestment/",
    "PRJ": "https://w3id.org/italia/onto/Project/",
    "prov": "http://www.w3.org/ns/prov#",
    "qb": "http://purl.org/linked-data/cube#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "RO": "https://w3id.org/italia/onto/RO/",
    "schema": "https://schema.org/",
    "sh": "http://www.w3.org/ns/shacl#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "TI": "https://w3id.org/italia/onto/TI/",
    "vann": "http://purl.org/vocab/vann/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
PREFIXES = "".join(f"PREFIX {prefix}: <{iri}>\n" for prefix, iri in NAMESPACES.items())

# Characters an address may hold as they are; the rest (a quote, a space, "?" and "#") is percent-encoded.
_IN_PATH = "/%:@!$&'()*+,;=~"


def full(short: str) -> str:
    """The IRI of a short name: "PRJ:projectTitle" -> "https://w3id.org/italia/onto/Project/projectTitle"."""
    prefix, _, name = short.partition(":")
    return NAMESPACES[prefix] + name


def short(iri: str) -> str | None:
    """The short name of an IRI in one of our namespaces; None for any other."""
    for prefix, namespace in NAMESPACES.items():
        name = iri.removeprefix(namespace)
        if name != iri and name and "/" not in name:
            return f"{prefix}:{name}"
    return None


def last_part(iri: str) -> str:
    """What a reader can call an IRI nobody named: what follows its last "/" or "#"."""
    return iri.rstrip("/#").replace("#", "/").rpartition("/")[2] or iri


_LICENCES = {
    re.compile(r"https?://creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)/?.*"): "CC {} {}",
    re.compile(r"https?://creativecommons\.org/publicdomain/(zero)/(\d\.\d)/?.*"): "CC0 {1}",
    re.compile(r"https?://www\.dati\.gov\.it/(iodl)/(\d\.\d)/?.*"): "IODL {1}",
}


def licence_name(iri: str) -> str:
    """The short name a licence is known by, from its address; the address when we know no name."""
    for pattern, name in _LICENCES.items():
        if match := pattern.fullmatch(iri):
            return name.format(*(group.upper() for group in match.groups()))
    return iri


@dataclass(frozen=True)
class Links:
    """Where IRIs lead: those of the release and of our vocabulary to pages here, others outside.

    `base` is the release's, `root` the path the application is mounted at, `lang` the language to carry along, if
    one was asked for in the address.
    """

    base: str
    root: str = ""
    lang: str | None = None

    def local(self, path: str) -> str:
        """The address here of a path ("/doc/…", perhaps with a query), with the language carried along."""
        if self.lang is None or path.startswith(("/data/", "/copy/")):
            return self.root + path
        return f"{self.root}{path}{'&' if '?' in path else '?'}lang={self.lang}"

    def path(self, iri: str) -> str | None:
        """The path below `id/` of an IRI of the release ("operation/ponmetro/TO7.1.1.b"); None for any other."""
        identifiers = self.base + "id/"
        return quote(iri.removeprefix(identifiers), safe=_IN_PATH) if iri.startswith(identifiers) else None

    def data(self, iri: str, extension: str) -> str | None:
        """The address of the data about an IRI of the release, in one format; None for any other IRI."""
        path = self.path(iri)
        return None if path is None else self.local(f"/data/{path}.{extension}")

    def copy(self, iri: str) -> str | None:
        """The address of a copied file, from its IRI under the release's base; None for any other IRI."""
        copies = self.base + "copy/"
        if not self.base or not iri.startswith(copies):
            return None
        return self.local(f"/copy/{quote(iri.removeprefix(copies), safe=_IN_PATH)}")

    def href(self, iri: str) -> str | None:
        """The address that shows an IRI: a page here, the web page outside, or None for what is no web address."""
        if iri.startswith(ONTO):
            name = quote(iri.removeprefix(ONTO), safe=_IN_PATH)
            return self.local("/onto/") + (f"#{name}" if name else "")
        path = self.path(iri)
        if path is not None:
            return self.local(f"/doc/{path}")
        copy = self.copy(iri)
        if copy is not None:
            return copy
        # Data may hold any IRI, "javascript:" too: only web addresses become links.
        return iri if iri.lower().startswith(("http://", "https://")) else None

    def external(self, iri: str) -> bool:
        """Whether following this IRI leaves these pages."""
        return not iri.startswith(ONTO) and self.path(iri) is None and self.copy(iri) is None
