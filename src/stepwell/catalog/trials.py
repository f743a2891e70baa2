"""Trials, and which components are in them. Within the caller's transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from stepwell.catalog import entities, experiments, tags
from stepwell.catalog.entities import Listed, Listing, Work
from stepwell.catalog.tables import component, experiment, membership, trial
from stepwell.model.errors import ConstraintError, LimitExceededError
from stepwell.model.experiments import Kind, Tag, Trial
from stepwell.model.names import fold

_TRIALS = sa.select(trial, experiment.c.name.label("experiment_name")).join(experiment)


def create(
    work: Work,
    name: str,
    experiment_name: str,
    *,
    display_name: str | None = None,
    metadata: dict[str, str] | None = None,
    with_tags: list[Tag] | None = None,
) -> None:
    """Create a trial in an experiment.

    Raises:
        AlreadyExistsError: the name is taken.
        NotFoundError: there is no such experiment.
        LimitExceededError: the experiment has all the trials that it may have.
    """
    parent = experiments.get(work, experiment_name)
    # First of all: Run makes its trial each time, and goes on where it is there.
    entities.check_free(work, trial, Kind.TRIAL, name)
    _check_room(
        work.connection,
        sa.select(sa.func.count()).where(trial.c.experiment_id == parent.id),
        work.limits.trials_per_experiment,
        "Total number of trials allowed in a single experiment, excluding those automatically"
        " created by SageMaker",
        "Trials",
    )
    values = {
        "name": name,
        "experiment_id": parent.id,
        "display_name": display_name,
        "metadata": metadata or {},
    }
    number = entities.insert(work, trial, Kind.TRIAL, values)
    tags.add(work.connection, Kind.TRIAL, number, with_tags or [])


def get(work: Work, name: str) -> Trial:
    """Read a trial.

    Raises:
        NotFoundError: there is none of that name.
    """
    row = work.connection.execute(
        _TRIALS.where(trial.c.account == work.author.account, trial.c.name_key == fold(name))
    ).one_or_none()
    if row is None:
        raise entities.not_found(Kind.TRIAL, work.author, name)
    return read(row)


def update(work: Work, name: str, values: dict[str, Any]) -> Trial:
    """Change `display_name`, if it is in `values`.

    Raises:
        NotFoundError: there is none of that name.
    """
    found = get(work, name)
    entities.update(work, trial, found.id, values)
    return found


def delete(work: Work, name: str) -> Trial:
    """Delete a trial that has no components.

    Raises:
        NotFoundError: there is none of that name.
        ConstraintError: components are associated with it.
    """
    found = get(work, name)
    linked = sa.select(membership.c.trial_id).where(membership.c.trial_id == found.id).limit(1)
    if work.connection.scalar(linked):
        arn = work.author.arn(Kind.TRIAL, found.name)
        msg = f"Trial '{arn}' is linked to 1 or more trial components and cannot be deleted."
        raise ConstraintError(msg)
    tags.forget(work.connection, Kind.TRIAL, found.id)
    work.connection.execute(sa.delete(trial).where(trial.c.id == found.id))
    return found


def list_page(
    work: Work,
    listing: Listing,
    *,
    experiment_name: str | None = None,
    component_name: str | None = None,
) -> Listed[Trial]:
    """List a page of the account's trials: all, an experiment's, or those that hold a component.

    Raises:
        NotFoundError: there is no such experiment or component.
    """
    query = _TRIALS.where(trial.c.account == work.author.account)
    if experiment_name is not None:
        parent = experiments.get(work, experiment_name)
        query = query.where(trial.c.experiment_id == parent.id)
    if component_name is not None:
        row = entities.find(work, component, component_name)
        if row is None:
            raise entities.not_found(Kind.COMPONENT, work.author, component_name)
        query = query.join(membership, membership.c.trial_id == trial.c.id).where(
            membership.c.component_id == row.id
        )
    page = entities.fetch_list(work.connection, trial, query, listing)
    return entities.listed(page, read)


def associate(work: Work, trial_id: int, component_id: int) -> None:
    """Put a component into a trial; nothing happens where it is in there.

    Raises:
        LimitExceededError: the trial has all the components that it may have.
    """
    ends = {"trial_id": trial_id, "component_id": component_id}
    if work.connection.scalar(sa.select(membership.c.trial_id).filter_by(**ends)) is not None:
        return
    _check_room(
        work.connection,
        sa.select(sa.func.count()).where(membership.c.trial_id == trial_id),
        work.limits.components_per_trial,
        "Total number of trial components allowed in a single trial, excluding those automatically"
        " created by SageMaker",
        "TrialComponents",
    )
    work.connection.execute(sa.insert(membership).values(**ends, created_us=work.now_us))


def disassociate(connection: sa.Connection, trial_id: int, component_id: int) -> None:
    """Take a component out of a trial; nothing happens where it is not in there."""
    connection.execute(
        sa.delete(membership).filter_by(trial_id=trial_id, component_id=component_id)
    )


def disassociate_all(connection: sa.Connection, component_id: int) -> None:
    """Take a component out of every trial that it is in."""
    connection.execute(sa.delete(membership).where(membership.c.component_id == component_id))


def read(row: sa.Row[Any]) -> Trial:
    """Make a trial of its row, which names its experiment too."""
    return Trial(
        row.id,
        row.name,
        row.display_name or row.name,
        row.experiment_name,
        row.metadata,
        entities.stamp(row),
    )


def _check_room(
    connection: sa.Connection,
    count: sa.Select[int],
    limit: int | None,
    what: str,
    unit: str,
) -> None:
    """Refuse one more where a limit is reached, in AWS's words."""
    if limit is None:
        return
    used = connection.scalar(count) or 0
    if used >= limit:
        msg = (
            f"The account-level service limit '{what}' is {limit} {unit}, with current utilization"
            f" of {used} {unit} and a request delta of 1 {unit}."
        )
        raise LimitExceededError(msg)
