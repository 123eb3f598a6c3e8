"""The vocabularies of others, and built releases to look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl import pipeline
from etl.settings import Settings
from tests.ontology.declared import Vocabulary
from tests.ontology.uses import Files, said


@pytest.fixture(scope="session")
def vocabulary_files(shared: Path) -> Path:
    """The folder of the vocabularies of others."""
    return shared / "vocabularies"


@pytest.fixture(scope="session")
def declared(vocabulary_files: Path) -> Vocabulary:
    """Every term of the vocabularies, and ours."""
    return Vocabulary.read(vocabulary_files)


@pytest.fixture(scope="session")
def release(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What a release built of the examples says, by file."""
    return said(pipeline.build([examples], Settings(releases=tmp_path_factory.mktemp("examples"))).folder)


@pytest.fixture(scope="session")
def torino_release(torino: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What a release built of the real Torino sheet says, by file."""
    return said(pipeline.build([torino], Settings(releases=tmp_path_factory.mktemp("torino"))).folder)
