"""Experiments and trials: the operations' handlers."""

from __future__ import annotations

from typing import Any

from stepwell.catalog import experiments, trials
from stepwell.model.experiments import Author, Kind
from stepwell.server.control.documents import experiment_document, stamp_members, trial_document
from stepwell.server.control.listing import listing_of, token_of
from stepwell.server.control.service import Control, Handler
from stepwell.server.control.tags import tags_of

_Members = dict[str, Any]


def _create_experiment(control: Control, author: Author, members: _Members) -> _Members:
    name = members["ExperimentName"]
    with control.writing(author) as work:
        experiments.create(
            work,
            name,
            display_name=members.get("DisplayName"),
            description=members.get("Description"),
            with_tags=tags_of(members),
        )
    return {"ExperimentArn": author.arn(Kind.EXPERIMENT, name)}


def _describe_experiment(control: Control, author: Author, members: _Members) -> _Members:
    with control.reading(author) as work:
        return experiment_document(author, experiments.get(work, members["ExperimentName"]))


def _update_experiment(control: Control, author: Author, members: _Members) -> _Members:
    columns = {"DisplayName": "display_name", "Description": "description"}
    with control.writing(author) as work:
        found = experiments.update(work, members["ExperimentName"], chosen(members, columns))
    return {"ExperimentArn": author.arn(Kind.EXPERIMENT, found.name)}


def _delete_experiment(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        found = experiments.delete(work, members["ExperimentName"])
    return {"ExperimentArn": author.arn(Kind.EXPERIMENT, found.name)}


def _list_experiments(control: Control, author: Author, members: _Members) -> _Members:
    listing = listing_of(control, author, "ListExperiments", members)
    with control.reading(author) as work:
        found = experiments.list_page(work, listing)
    return {
        "ExperimentSummaries": [
            {
                "ExperimentArn": author.arn(Kind.EXPERIMENT, each.name),
                "ExperimentName": each.name,
                "DisplayName": each.display_name,
                **times(author, each),
            }
            for each in found.entities
        ],
        "NextToken": token_of(control, author, "ListExperiments", members, found.end),
    }


def _create_trial(control: Control, author: Author, members: _Members) -> _Members:
    name = members["TrialName"]
    with control.writing(author) as work:
        trials.create(
            work,
            name,
            members["ExperimentName"],
            display_name=members.get("DisplayName"),
            metadata=members.get("MetadataProperties"),
            with_tags=tags_of(members),
        )
    return {"TrialArn": author.arn(Kind.TRIAL, name)}


def _describe_trial(control: Control, author: Author, members: _Members) -> _Members:
    with control.reading(author) as work:
        return trial_document(author, trials.get(work, members["TrialName"]))


def _update_trial(control: Control, author: Author, members: _Members) -> _Members:
    values = chosen(members, {"DisplayName": "display_name"})
    with control.writing(author) as work:
        found = trials.update(work, members["TrialName"], values)
    return {"TrialArn": author.arn(Kind.TRIAL, found.name)}


def _delete_trial(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        found = trials.delete(work, members["TrialName"])
    return {"TrialArn": author.arn(Kind.TRIAL, found.name)}


def _list_trials(control: Control, author: Author, members: _Members) -> _Members:
    listing = listing_of(control, author, "ListTrials", members)
    with control.reading(author) as work:
        found = trials.list_page(
            work,
            listing,
            experiment_name=members.get("ExperimentName"),
            component_name=members.get("TrialComponentName"),
        )
    return {
        "TrialSummaries": [
            {
                "TrialArn": author.arn(Kind.TRIAL, each.name),
                "TrialName": each.name,
                "DisplayName": each.display_name,
                **times(author, each),
            }
            for each in found.entities
        ],
        "NextToken": token_of(control, author, "ListTrials", members, found.end),
    }


def chosen(members: _Members, columns: dict[str, str]) -> _Members:
    """Give the columns whose members are there."""
    return {columns[name]: value for name, value in members.items() if name in columns}


def times(author: Author, entity: Any) -> _Members:
    """Give the times of an entity, without the users: summaries have none of them."""
    stamped = stamp_members(author, entity.stamp)
    return {name: stamped[name] for name in ("CreationTime", "LastModifiedTime")}


HANDLERS: dict[str, Handler] = {
    "CreateExperiment": _create_experiment,
    "DescribeExperiment": _describe_experiment,
    "UpdateExperiment": _update_experiment,
    "DeleteExperiment": _delete_experiment,
    "ListExperiments": _list_experiments,
    "CreateTrial": _create_trial,
    "DescribeTrial": _describe_trial,
    "UpdateTrial": _update_trial,
    "DeleteTrial": _delete_trial,
    "ListTrials": _list_trials,
}
