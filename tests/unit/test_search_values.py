"""Comparisons as SQL: what they say on databases that are not at hand."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from stepwell.catalog.search.values import contains
from stepwell.catalog.tables import parameter
from stepwell.model.names import fold_ascii


def test_contains_means_the_same_everywhere() -> None:
    """Contains folds ASCII letters alone, also where a database knows the case of others."""
    query = sa.select(parameter.c.name).where(contains(parameter.c.text, "\u00c9TE%"))
    on_sqlite = query.compile(dialect=sqlite.dialect())
    on_postgresql = query.compile(dialect=postgresql.dialect())
    assert "lower(parameter.text) LIKE" in str(on_sqlite)
    assert 'lower((parameter.text) COLLATE "C") LIKE' in str(on_postgresql)
    for compiled in (on_sqlite, on_postgresql):
        assert [*compiled.params.values()] == ["\u00c9te/%"]


def test_folding_ascii() -> None:
    """Only ASCII letters have their lower case; every other character stays."""
    assert fold_ascii("AbZ-09 \u00c9\u0130\N{KELVIN SIGN}\u1e9e") == (
        "abz-09 \u00c9\u0130\N{KELVIN SIGN}\u1e9e"
    )
