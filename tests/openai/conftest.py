"""Shared by the tests of what wraps the Agents SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from model_api import ModelOf, models


@pytest.fixture
async def model_of() -> AsyncIterator[ModelOf]:
    async with models() as model_of:
        yield model_of
