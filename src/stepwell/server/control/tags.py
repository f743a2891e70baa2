"""Tags of any entity, by its ARN: the operations' handlers."""

from __future__ import annotations

import re
from typing import Any

from stepwell.catalog import components, experiments, tags, trials
from stepwell.catalog.entities import Work
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Author, Kind, Tag
from stepwell.server.control.documents import tag_documents
from stepwell.server.control.service import Control, Handler

_Members = dict[str, Any]
_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:([a-z-]+)/(.+)")


def tags_of(members: _Members) -> list[Tag]:
    """Read a request's tags."""
    return [Tag(each["Key"], each["Value"]) for each in members.get("Tags", ())]


def _add(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        kind, number = _entity(work, members["ResourceArn"])
        tags.add(work.connection, kind, number, tags_of(members))
        found = tags.of_entity(work.connection, kind, number)
    return {"Tags": tag_documents(found)}


def _list(control: Control, author: Author, members: _Members) -> _Members:
    # A resource has at most 50 tags and a page at least 50: there is never a second page.
    with control.reading(author) as work:
        kind, number = _entity(work, members["ResourceArn"])
        return {"Tags": tag_documents(tags.of_entity(work.connection, kind, number))}


def _delete(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        kind, number = _entity(work, members["ResourceArn"])
        tags.remove(work.connection, kind, number, members["TagKeys"])
    return {}


def _entity(work: Work, arn: str) -> tuple[Kind, int]:
    """Find the entity that an ARN means; its region and account are not compared (rule 12).

    Raises:
        NotFoundError: there is none.
        ConstraintError: entities of its kind have no tags here.
    """
    match = _ARN.fullmatch(arn)
    kind, name = (match.group(1), match.group(2)) if match else ("", "")
    if kind == Kind.EXPERIMENT:
        return Kind.EXPERIMENT, experiments.get(work, name).id
    if kind == Kind.TRIAL:
        return Kind.TRIAL, trials.get(work, name).id
    if kind == Kind.COMPONENT:
        return Kind.COMPONENT, components.find(work, name).id
    msg = f"The resource {arn} is of a kind that has no tags here"
    raise ConstraintError(msg)


HANDLERS: dict[str, Handler] = {"AddTags": _add, "ListTags": _list, "DeleteTags": _delete}
