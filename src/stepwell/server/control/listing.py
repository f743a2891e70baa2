"""What every list operation has in common: sorting, a range of creation times, pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from stepwell.catalog.entities import Listing
from stepwell.catalog.paging import Paging, Place
from stepwell.model.experiments import Author
from stepwell.server.control.service import Control

PAGE_ROWS = 10
#: What entities with names can be sorted by, as AWS spells it.
BY_NAME_OR_TIME = {"Name": "name_key", "CreationTime": "created_us"}


def listing_of(
    control: Control,
    author: Author,
    operation: str,
    members: Mapping[str, Any],
    sort_columns: Mapping[str, str] = BY_NAME_OR_TIME,
    default: str = "CreationTime",
) -> Listing:
    """Read a list request's members.

    Raises:
        ValidationError: its token is of another listing.
    """
    return Listing(
        sort_by=sort_columns[members.get("SortBy", default)],
        paging=Paging(
            limit=members.get("MaxResults", PAGE_ROWS),
            after=place_of(control, author, operation, members),
            is_descending=members.get("SortOrder", "Descending") == "Descending",
        ),
        created_after_us=members.get("CreatedAfter"),
        created_before_us=members.get("CreatedBefore"),
    )


def place_of(
    control: Control, author: Author, operation: str, members: Mapping[str, Any]
) -> Place | None:
    """Read where a request's token says to go on.

    Raises:
        ValidationError: it is of another listing.
    """
    token = members.get("NextToken")
    return control.tokens.decode(token, _scope(author, operation, members)) if token else None


def token_of(
    control: Control,
    author: Author,
    operation: str,
    members: Mapping[str, Any],
    end: Place | None,
) -> str | None:
    """Make the token of the next page; None where there is none: never an empty one."""
    if end is None:
        return None
    return control.tokens.encode(end, _scope(author, operation, members))


def _scope(author: Author, operation: str, members: Mapping[str, Any]) -> bytes:
    """Give what a token is bound to. The page's size may change on the way, the rest may not."""
    asked = {
        name: value for name, value in members.items() if name not in {"NextToken", "MaxResults"}
    }
    return orjson.dumps([operation, author.account, asked], option=orjson.OPT_SORT_KEYS)
