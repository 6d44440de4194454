"""How the web UI says that a query is of a page of its own, and not one that a person wrote."""

from __future__ import annotations

PAGE_HEADER = "x-perdure-page"
"""On `POST /query`: who sends it asks for what a page shows, little and often. Others may ask for much."""
