"""Trial components: the operations' handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepwell.catalog import components, trials
from stepwell.catalog.components import Maps, Removals
from stepwell.catalog.entities import name_of_arn_or_name
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import ArtifactValue, Author, Kind
from stepwell.model.names import component_of_arn
from stepwell.server.control.documents import (
    component_document,
    component_head,
    component_source,
)
from stepwell.server.control.listing import listing_of, token_of
from stepwell.server.control.service import Control, Handler
from stepwell.server.control.tags import tags_of

_Members = dict[str, Any]
_ONE_FILTER = ("ExperimentName", "TrialName", "SourceArn")


def _create(control: Control, author: Author, members: _Members) -> _Members:
    name = members["TrialComponentName"]
    values = {"name": name, "metadata": members.get("MetadataProperties", {}), **_values(members)}
    with control.writing(author) as work:
        control.components.create(work, values, _maps(members), tags_of(members))
    return {"TrialComponentArn": author.arn(Kind.COMPONENT, name)}


def _describe(control: Control, author: Author, members: _Members) -> _Members:
    name = name_of_arn_or_name(Kind.COMPONENT, members["TrialComponentName"])
    with control.reading(author) as work:
        found = components.get(work, name)
    (metrics,) = control.components.summaries(author.account, [found.name])
    return component_document(author, found, metrics)


def _update(control: Control, author: Author, members: _Members) -> _Members:
    removals = Removals(
        members.get("ParametersToRemove", ()),
        members.get("InputArtifactsToRemove", ()),
        members.get("OutputArtifactsToRemove", ()),
    )
    name = members["TrialComponentName"]
    with control.writing(author) as work:
        found = components.update(work, name, _values(members), _maps(members), removals)
    return {"TrialComponentArn": author.arn(Kind.COMPONENT, found.name)}


def _delete(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        found = control.components.delete(work, members["TrialComponentName"])
    return {"TrialComponentArn": author.arn(Kind.COMPONENT, found.name)}


def _list(control: Control, author: Author, members: _Members) -> _Members:
    if sum(name in members for name in _ONE_FILTER) > 1:
        msg = f"Only one of {', '.join(_ONE_FILTER)} can be given"
        raise ConstraintError(msg)
    name = None
    if "SourceArn" in members:
        # What is no source of a component has none.
        name = component_of_arn(members["SourceArn"]) or ""
    listing = listing_of(control, author, "ListTrialComponents", members)
    with control.reading(author) as work:
        found = components.list_page(
            work,
            listing,
            experiment_name=members.get("ExperimentName"),
            trial_name=members.get("TrialName"),
            name=name,
        )
    return {
        "TrialComponentSummaries": [
            {
                **component_head(author, each),
                "TrialComponentSource": component_source(author, each.name),
            }
            for each in found.entities
        ],
        "NextToken": token_of(control, author, "ListTrialComponents", members, found.end),
    }


def _associate(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        component = components.find(work, members["TrialComponentName"])
        trial = trials.get(work, members["TrialName"])
        trials.associate(work, trial.id, component.id)
    return _ends(author, component.name, trial.name)


def _disassociate(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        component = components.find(work, members["TrialComponentName"])
        trial = trials.get(work, members["TrialName"])
        trials.disassociate(work.connection, trial.id, component.id)
    return _ends(author, component.name, trial.name)


def _ends(author: Author, component: str, trial: str) -> _Members:
    return {
        "TrialComponentArn": author.arn(Kind.COMPONENT, component),
        "TrialArn": author.arn(Kind.TRIAL, trial),
    }


def _values(members: Mapping[str, Any]) -> _Members:
    """Give the columns that a request sets. A status is set as a whole, its message with it."""
    columns = {"DisplayName": "display_name", "StartTime": "start_us", "EndTime": "end_us"}
    values = {columns[name]: value for name, value in members.items() if name in columns}
    status = members.get("Status")
    if status is not None:
        values["status"] = status.get("PrimaryStatus")
        values["status_message"] = status.get("Message")
    return values


def _maps(members: Mapping[str, Any]) -> Maps:
    return Maps(
        {
            name: value["StringValue"] if "StringValue" in value else value["NumberValue"]
            for name, value in members.get("Parameters", {}).items()
        },
        _artifacts(members.get("InputArtifacts", {})),
        _artifacts(members.get("OutputArtifacts", {})),
    )


def _artifacts(artifacts: Mapping[str, Any]) -> dict[str, ArtifactValue]:
    return {
        name: ArtifactValue(each["Value"], each.get("MediaType"))
        for name, each in artifacts.items()
    }


HANDLERS: dict[str, Handler] = {
    "CreateTrialComponent": _create,
    "DescribeTrialComponent": _describe,
    "UpdateTrialComponent": _update,
    "DeleteTrialComponent": _delete,
    "ListTrialComponents": _list,
    "AssociateTrialComponent": _associate,
    "DisassociateTrialComponent": _disassociate,
}
