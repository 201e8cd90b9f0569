"""A run and images to walk in."""

from pathlib import Path

import pytest

from aecore.session.gallery import Gallery
from aecore.session.session import Session
from app import cache


@pytest.fixture
def session(home: Path, run_ids: dict[str, str]) -> Session:
    return cache.session(run_ids["variational"])


@pytest.fixture
def gallery(session: Session) -> Gallery:
    return session.gallery(8)
