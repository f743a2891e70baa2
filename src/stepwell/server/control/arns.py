"""ARNs of entities, as clients name what they mean."""

from __future__ import annotations

import re

from stepwell.catalog.entities import Work
from stepwell.catalog.lineage import nodes
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Kind
from stepwell.model.lineage import Node

_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:([a-z-]+)/(.+)", re.DOTALL)


def find_entity(work: Work, arn: str) -> Node:
    """Find the entity that an ARN means; its region and account are not compared (rule 12).

    Raises:
        NotFoundError: there is none.
        ConstraintError: there are no entities of its kind here.
    """
    match = _ARN.fullmatch(arn)
    try:
        kind = Kind(match.group(1) if match else "")
    except ValueError as error:
        msg = f"The resource {arn} is of a kind that is not kept here"
        raise ConstraintError(msg) from error
    return nodes.find(work, kind, match.group(2) if match else "")
