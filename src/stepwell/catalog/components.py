"""Trial components: their rows, parameters and artifacts. Within the caller's transaction.

Their points are in the store; `stepwell.components` keeps the two together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from stepwell.catalog import entities, experiments, tags, trials
from stepwell.catalog.entities import Listed, Listing, Work
from stepwell.catalog.paging import look_up_few
from stepwell.catalog.tables import (
    TEXT_KEY_CHARS,
    component,
    component_artifact,
    experiment,
    membership,
    metric_summary,
    note,
    parameter,
    summary_stamp,
    trial,
)
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import (
    ArtifactValue,
    Kind,
    Parent,
    Status,
    Tag,
    TrialComponent,
)
from stepwell.model.names import Component

PARAMETERS_MAX = 300
ARTIFACTS_MAX = 60
_NAMES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Maps:
    """Entries of a component's three maps, to be merged into what it has."""

    parameters: Mapping[str, str | float] = field(default_factory=dict)
    inputs: Mapping[str, ArtifactValue] = field(default_factory=dict)
    outputs: Mapping[str, ArtifactValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Removals:
    """Keys to remove from a component's maps."""

    parameters: Collection[str] = ()
    inputs: Collection[str] = ()
    outputs: Collection[str] = ()


def create(
    work: Work,
    values: Mapping[str, Any],
    maps: Maps,
    with_tags: Sequence[Tag] = (),
) -> None:
    """Create a component.

    Raises:
        AlreadyExistsError: the name is taken.
    """
    number = entities.insert(work, component, Kind.COMPONENT, values)
    _merge(work.connection, number, maps)
    tags.add(work.connection, Kind.COMPONENT, number, with_tags)


def adopt(connection: sa.Connection, created: Sequence[tuple[Component, int, str]]) -> None:
    """Add components that puts have made, each with time and key of its first put. Known ones stay.

    They are in progress: whoever puts is training (rule 6).
    """
    for identity, created_us, created_by in created:
        known = sa.select(component.c.id).where(
            component.c.account == identity.account, component.c.name_key == identity.name
        )
        if connection.scalar(known) is not None:
            continue
        connection.execute(
            sa.insert(component).values(
                account=identity.account,
                name=identity.name,
                name_key=identity.name,
                status=Status.IN_PROGRESS.value,
                created_us=created_us,
                created_by=created_by,
                modified_us=created_us,
                modified_by=created_by,
            )
        )


def find(work: Work, name: str) -> TrialComponent:
    """Read a component's own row.

    Raises:
        NotFoundError: there is none of that name.
    """
    row = entities.find(work, component, name)
    if row is None:
        raise entities.not_found(Kind.COMPONENT, work.author, name)
    return read(row)


def get(work: Work, name: str) -> TrialComponent:
    """Read a component with its maps.

    Raises:
        NotFoundError: there is none of that name.
    """
    (found,) = with_maps(work.connection, [find(work, name)])
    return found


def update(
    work: Work,
    name: str,
    values: Mapping[str, Any],
    maps: Maps,
    removals: Removals,
) -> TrialComponent:
    """Change columns, merge entries into the maps, then remove keys: one in both is removed.

    Raises:
        NotFoundError: there is none of that name.
        ConstraintError: a map would have too many entries.
    """
    found = find(work, name)
    entities.update(work, component, found.id, values)
    _merge(work.connection, found.id, maps)
    _remove(work.connection, found.id, removals)
    _check_sizes(work.connection, found.id)
    return found


def delete(work: Work, name: str) -> TrialComponent:
    """Delete a component that is in no trial, with all that hangs on it.

    Raises:
        NotFoundError: there is none of that name.
        ConstraintError: it is in a trial.
    """
    found = find(work, name)
    linked = sa.select(membership.c.trial_id).where(membership.c.component_id == found.id)
    if work.connection.scalar(linked.limit(1)) is not None:
        arn = work.author.arn(Kind.COMPONENT, found.name)
        msg = f"TrialComponent '{arn}' is linked to 1 or more trials and cannot be deleted."
        raise ConstraintError(msg)
    tags.forget(work.connection, Kind.COMPONENT, found.id)
    entities.forget_associations(work.connection, Kind.COMPONENT, found.id)
    for table in (parameter, component_artifact, metric_summary, summary_stamp, note):
        work.connection.execute(sa.delete(table).where(table.c.component_id == found.id))
    work.connection.execute(sa.delete(component).where(component.c.id == found.id))
    return found


def list_page(
    work: Work,
    listing: Listing,
    *,
    experiment_name: str | None = None,
    trial_name: str | None = None,
    name: str | None = None,
) -> Listed[TrialComponent]:
    """List a page of components: the account's, an experiment's, a trial's, or the one of a name.

    Raises:
        NotFoundError: there is no such experiment or trial.
    """
    query = sa.select(component).where(component.c.account == work.author.account)
    if experiment_name is not None:
        parent = experiments.get(work, experiment_name)
        query = _members(work, trial.c.experiment_id == parent.id)
    if trial_name is not None:
        found = trials.get(work, trial_name)
        query = _members(work, membership.c.trial_id == found.id)
    if name is not None:
        query = query.where(component.c.name_key == name)
    page = entities.fetch_list(work.connection, component, query, listing)
    return entities.listed(page, read)


def _members(work: Work, is_parent: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Select the components that are in some trials, in the way that suits how many there are."""
    members = sa.select(membership.c.component_id).join(trial).where(is_parent)
    few = look_up_few(work.connection, members)
    if few is not None:
        return sa.select(component).where(component.c.id.in_(few))
    is_member = members.where(membership.c.component_id == component.c.id).correlate(component)
    return sa.select(component).where(
        component.c.account == work.author.account, is_member.exists()
    )


def with_maps(
    connection: sa.Connection, components: Sequence[TrialComponent]
) -> list[TrialComponent]:
    """Read the maps of several components."""
    numbers = [each.id for each in components]
    parameters: dict[int, dict[str, str | float]] = {number: {} for number in numbers}
    rows = connection.execute(
        sa.select(parameter)
        .where(parameter.c.component_id.in_(numbers))
        .order_by(parameter.c.component_id, parameter.c.name)
    )
    for row in rows:
        parameters[row.component_id][row.name] = row.text if row.number is None else row.number
    artifacts: dict[tuple[int, int], dict[str, ArtifactValue]] = {}
    rows = connection.execute(
        sa.select(component_artifact)
        .where(component_artifact.c.component_id.in_(numbers))
        .order_by(component_artifact.c.component_id, component_artifact.c.name)
    )
    for row in rows:
        place = artifacts.setdefault((row.component_id, row.is_output), {})
        place[row.name] = ArtifactValue(row.value, row.media_type)
    return [
        replace(
            each,
            parameters=parameters[each.id],
            inputs=artifacts.get((each.id, 0), {}),
            outputs=artifacts.get((each.id, 1), {}),
        )
        for each in components
    ]


def parents_of(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, list[Parent]]:
    """List the trials, and their experiments, that several components are in."""
    rows = connection.execute(
        sa.select(membership.c.component_id, trial.c.name, experiment.c.name)
        .join_from(membership, trial)
        .join(experiment)
        .where(membership.c.component_id.in_(numbers))
        .order_by(membership.c.created_us, membership.c.trial_id)
    )
    found: dict[int, list[Parent]] = {}
    for number, trial_name, experiment_name in rows:
        found.setdefault(number, []).append(Parent(trial_name, experiment_name))
    return found


def read(row: sa.Row[Any]) -> TrialComponent:
    """Make a component of its row."""
    return TrialComponent(
        row.id,
        row.name,
        row.display_name or row.name,
        row.status,
        row.status_message,
        row.start_us,
        row.end_us,
        row.metadata,
        entities.stamp(row),
    )


def _merge(connection: sa.Connection, number: int, maps: Maps) -> None:
    # Nothing is looked up where nothing comes: every save of the SDK sends three empty maps.
    if maps.parameters:
        _delete_parameters(connection, number, maps.parameters)
        connection.execute(
            sa.insert(parameter),
            [
                {"component_id": number, "name": name, **_parameter_values(value)}
                for name, value in maps.parameters.items()
            ],
        )
    for is_output, artifacts in ((0, maps.inputs), (1, maps.outputs)):
        if not artifacts:
            continue
        _delete_artifacts(connection, number, is_output, artifacts)
        connection.execute(
            sa.insert(component_artifact),
            [
                {
                    "component_id": number,
                    "is_output": is_output,
                    "name": name,
                    "value": each.value,
                    "media_type": each.media_type,
                }
                for name, each in artifacts.items()
            ],
        )


def _remove(connection: sa.Connection, number: int, removals: Removals) -> None:
    for names in _some(removals.parameters):
        _delete_parameters(connection, number, names)
    for is_output, artifacts in ((0, removals.inputs), (1, removals.outputs)):
        for names in _some(artifacts):
            _delete_artifacts(connection, number, is_output, names)


def _some(names: Collection[str]) -> Iterator[list[str]]:
    """Give some names at a time: how many there may be is not limited, a statement's values are."""
    every = list(names)
    for first in range(0, len(every), _NAMES_AT_ONCE):
        yield every[first : first + _NAMES_AT_ONCE]


def _delete_parameters(connection: sa.Connection, number: int, names: Collection[str]) -> None:
    connection.execute(
        sa.delete(parameter).where(
            parameter.c.component_id == number, parameter.c.name.in_(list(names))
        )
    )


def _delete_artifacts(
    connection: sa.Connection, number: int, is_output: int, names: Collection[str]
) -> None:
    connection.execute(
        sa.delete(component_artifact).where(
            component_artifact.c.component_id == number,
            component_artifact.c.is_output == is_output,
            component_artifact.c.name.in_(list(names)),
        )
    )


def _parameter_values(value: str | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"number": None, "text": value, "text_key": value[:TEXT_KEY_CHARS]}
    return {"number": value, "text": None, "text_key": None}


def _check_sizes(connection: sa.Connection, number: int) -> None:
    """Refuse a map that has grown past its limit: each request may be within it."""
    counted = (
        ("Parameters", parameter, None, PARAMETERS_MAX),
        ("InputArtifacts", component_artifact, 0, ARTIFACTS_MAX),
        ("OutputArtifacts", component_artifact, 1, ARTIFACTS_MAX),
    )
    for member, table, is_output, limit in counted:
        query = sa.select(sa.func.count()).where(table.c.component_id == number)
        if is_output is not None:
            query = query.where(table.c.is_output == is_output)
        count = connection.scalar(query) or 0
        if count > limit:
            msg = f"{member} would have {count} entries; a trial component has at most {limit}"
            raise ConstraintError(msg)
