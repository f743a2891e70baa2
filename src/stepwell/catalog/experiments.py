"""Experiments. Every function works within the caller's transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from stepwell.catalog import entities, tags
from stepwell.catalog.entities import Listed, Listing, Work, forget_associations
from stepwell.catalog.tables import experiment, trial
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Experiment, Kind, Tag


def create(
    work: Work,
    name: str,
    *,
    display_name: str | None = None,
    description: str | None = None,
    with_tags: list[Tag] | None = None,
) -> None:
    """Create an experiment.

    Raises:
        AlreadyExistsError: the name is taken.
    """
    values = {"name": name, "display_name": display_name, "description": description}
    number = entities.insert(work, experiment, Kind.EXPERIMENT, values)
    tags.add(work.connection, Kind.EXPERIMENT, number, with_tags or [])


def get(work: Work, name: str) -> Experiment:
    """Read an experiment.

    Raises:
        NotFoundError: there is none of that name.
    """
    row = entities.find(work, experiment, name)
    if row is None:
        raise entities.not_found(Kind.EXPERIMENT, work.author, name)
    return read(row)


def update(work: Work, name: str, values: dict[str, Any]) -> Experiment:
    """Change `display_name` and `description`, those that are in `values`.

    Raises:
        NotFoundError: there is none of that name.
    """
    found = get(work, name)
    entities.update(work, experiment, found.id, values)
    return found


def delete(work: Work, name: str) -> Experiment:
    """Delete an experiment that has no trials.

    Raises:
        NotFoundError: there is none of that name.
        ConstraintError: it has trials.
    """
    found = get(work, name)
    if work.connection.scalar(
        sa.select(trial.c.id).where(trial.c.experiment_id == found.id).limit(1)
    ):
        arn = work.author.arn(Kind.EXPERIMENT, found.name)
        msg = f"Experiment '{arn}' has 1 or more trials and cannot be deleted."
        raise ConstraintError(msg)
    tags.forget(work.connection, Kind.EXPERIMENT, found.id)
    forget_associations(work.connection, Kind.EXPERIMENT, found.id)
    work.connection.execute(sa.delete(experiment).where(experiment.c.id == found.id))
    return found


def list_page(
    work: Work,
    listing: Listing,
) -> Listed[Experiment]:
    """List a page of the account's experiments."""
    query = sa.select(experiment).where(experiment.c.account == work.author.account)
    page = entities.fetch_list(work.connection, experiment, query, listing)
    return entities.listed(page, read)


def read(row: sa.Row[Any]) -> Experiment:
    """Make an experiment of its row."""
    return Experiment(
        row.id, row.name, row.display_name or row.name, row.description, entities.stamp(row)
    )
