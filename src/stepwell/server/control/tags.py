"""Tags of any entity, by its ARN: the operations' handlers."""

from __future__ import annotations

from typing import Any

from stepwell.catalog import tags
from stepwell.model.experiments import Author, Tag
from stepwell.server.control.arns import find_entity
from stepwell.server.control.documents import tag_documents
from stepwell.server.control.listing import place_of
from stepwell.server.control.service import Control, Handler

_Members = dict[str, Any]


def tags_of(members: _Members) -> list[Tag]:
    """Read a request's tags."""
    return [Tag(each["Key"], each["Value"]) for each in members.get("Tags", ())]


def _add(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        kind, number = find_entity(work, members["ResourceArn"])
        tags.add(work.connection, kind, number, tags_of(members))
        found = tags.of_entity(work.connection, kind, number)
    return {"Tags": tag_documents(found)}


def _list(control: Control, author: Author, members: _Members) -> _Members:
    # A resource has at most 50 tags and a page at least 50: there is never a second page, and so
    # no token that is one of this listing.
    place_of(control, author, "ListTags", members)
    with control.reading(author) as work:
        kind, number = find_entity(work, members["ResourceArn"])
        return {"Tags": tag_documents(tags.of_entity(work.connection, kind, number))}


def _delete(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        kind, number = find_entity(work, members["ResourceArn"])
        tags.remove(work.connection, kind, number, members["TagKeys"])
    return {}


HANDLERS: dict[str, Handler] = {"AddTags": _add, "ListTags": _list, "DeleteTags": _delete}
