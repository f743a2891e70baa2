"""Artifacts, actions and contexts: the operations' handlers.

The three differ in what they are called by and in few members, so one function does each job.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from stepwell.catalog.entities import name_of_arn_or_name
from stepwell.catalog.lineage import entities
from stepwell.catalog.lineage.entities import NewEntity, artifact_identity
from stepwell.model.errors import ConstraintError, NotFoundError
from stepwell.model.experiments import Author, Kind
from stepwell.model.lineage import LineageEntity
from stepwell.model.names import fold
from stepwell.server.control.documents import stamp_members
from stepwell.server.control.experiments import times
from stepwell.server.control.listing import listing_of, token_of
from stepwell.server.control.service import Control, Handler
from stepwell.server.control.tags import tags_of

_Members = dict[str, Any]
_WORDS = {Kind.ARTIFACT: "Artifact", Kind.ACTION: "Action", Kind.CONTEXT: "Context"}


def _create(kind: Kind, control: Control, author: Author, members: _Members) -> _Members:
    word = _WORDS[kind]
    source = dict(members["Source"])
    uri = source.pop("SourceUri")
    name = members.get(f"{word}Name")
    if kind is Kind.ARTIFACT:
        identity = shown = artifact_identity(uri, source.get("SourceTypes", ()))
    else:
        identity, shown = fold(name or ""), name or ""
    new = NewEntity(
        kind,
        name,
        members[f"{word}Type"],
        uri,
        source,
        members.get("Description"),
        members.get("Status"),
        members.get("Properties"),
        members.get("MetadataProperties"),
    )
    with control.writing(author) as work:
        entities.create(work, new, identity, tags_of(members))
    return {f"{word}Arn": author.arn(kind, shown)}


def _describe(kind: Kind, control: Control, author: Author, members: _Members) -> _Members:
    with control.reading(author) as work:
        found = entities.get(work, kind, _identity(kind, members))
    word = _WORDS[kind]
    document = {
        f"{word}Name": found.name,
        f"{word}Arn": author.arn(kind, found.identity),
        "Source": _source(found),
        f"{word}Type": found.type,
        "Properties": dict(found.properties),
        **stamp_members(author, found.stamp),
    }
    if kind is not Kind.CONTEXT:
        document["MetadataProperties"] = dict(found.metadata) or None
    if kind is not Kind.ARTIFACT:
        document["Description"] = found.description
    if kind is Kind.ACTION:
        document["Status"] = found.status
    return document


def _update(kind: Kind, control: Control, author: Author, members: _Members) -> _Members:
    columns = {"Description": "description", "Status": "status"}
    values: dict[str, Any] = {
        columns[name]: value for name, value in members.items() if name in columns
    }
    if kind is Kind.ARTIFACT and "ArtifactName" in members:
        name = members["ArtifactName"]
        values |= {"name": name, "name_key": fold(name)}
    with control.writing(author) as work:
        found = entities.update(
            work,
            kind,
            _identity(kind, members),
            values,
            members.get("Properties", {}),
            members.get("PropertiesToRemove", ()),
        )
    return {f"{_WORDS[kind]}Arn": author.arn(kind, found.identity)}


def _delete(kind: Kind, control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        found = entities.delete(work, kind, _identity(kind, members))
    return {f"{_WORDS[kind]}Arn": author.arn(kind, found.identity)}


def _list(kind: Kind, control: Control, author: Author, members: _Members) -> _Members:
    word = _WORDS[kind]
    operation = f"List{word}s"
    listing = listing_of(control, author, operation, members)
    with control.reading(author) as work:
        found = entities.list_page(
            work, listing, kind, members.get("SourceUri"), members.get(f"{word}Type")
        )
    return {
        f"{word}Summaries": [
            {
                f"{word}Arn": author.arn(kind, each.identity),
                f"{word}Name": each.name,
                "Source": _source(each),
                f"{word}Type": each.type,
                "Status": each.status,
                **times(author, each),
            }
            for each in found.entities
        ],
        "NextToken": token_of(control, author, operation, members, found.end),
    }


def _identity(kind: Kind, members: Mapping[str, Any]) -> str:
    """Give what an entity is known by: its ARN, its name, or an artifact's source.

    Raises:
        ConstraintError: an artifact is named by both its ARN and its source, or by neither.
    """
    if kind is not Kind.ARTIFACT:
        return name_of_arn_or_name(kind, members[f"{_WORDS[kind]}Name"])
    source = members.get("Source")
    if (source is None) == ("ArtifactArn" not in members):
        msg = "Exactly one of ArtifactArn and Source must be given"
        raise ConstraintError(msg)
    if source is not None:
        return artifact_identity(source["SourceUri"], source.get("SourceTypes", ()))
    return name_of_arn_or_name(kind, members["ArtifactArn"])


def _source(found: LineageEntity) -> _Members:
    return {"SourceUri": found.source_uri, **found.source}


def _describe_group(control: Control, author: Author, members: _Members) -> _Members:
    """There are no lineage groups: on AWS they come with sharing between accounts."""
    del control
    name = members["LineageGroupName"].rpartition("/")[2]
    arn = f"arn:aws:sagemaker:{author.region}:{author.account}:lineage-group/{name}"
    msg = f"LineageGroup '{arn}' does not exist."
    raise NotFoundError(msg)


def _list_groups(control: Control, author: Author, members: _Members) -> _Members:
    listing_of(control, author, "ListLineageGroups", members)
    return {"LineageGroupSummaries": []}


HANDLERS: dict[str, Handler] = {
    **{
        f"{verb}{word}{'s' if verb == 'List' else ''}": functools.partial(function, kind)
        for kind, word in _WORDS.items()
        for verb, function in (
            ("Create", _create),
            ("Describe", _describe),
            ("Update", _update),
            ("Delete", _delete),
            ("List", _list),
        )
    },
    "DescribeLineageGroup": _describe_group,
    "GetLineageGroupPolicy": _describe_group,
    "ListLineageGroups": _list_groups,
}
