"""Search, suggestions and tags: what their operations take."""

from __future__ import annotations

from stepwell.wire.operations.members import (
    MAX_RESULTS,
    NEXT_TOKEN,
    RESOURCE_ARN,
    SORT_ORDER,
    TAG_KEY,
    TAG_VALUE,
    TAGS,
    operation,
    structure,
)
from stepwell.wire.shapes import Integer, ListOf, Recursive, String

#: As deep as an expression may be. SQLite and PostgreSQL both take what comes of it.
EXPRESSION_LEVELS_MAX = 20

_RESOURCE = String(
    choices=(
        "TrainingJob",
        "Experiment",
        "ExperimentTrial",
        "ExperimentTrialComponent",
        "Endpoint",
        "Model",
        "ModelPackage",
        "ModelPackageGroup",
        "Pipeline",
        "PipelineExecution",
        "FeatureGroup",
        "FeatureMetadata",
        "Image",
        "ImageVersion",
        "Project",
        "HyperParameterTuningJob",
        "ModelCard",
        "PipelineVersion",
        "Job",
        "HubContent",
    )
)
_PROPERTY = String(1, 255)
_FILTERS = ListOf(
    structure(
        {
            "Name*": _PROPERTY,
            "Operator": String(
                choices=(
                    "Equals",
                    "NotEquals",
                    "GreaterThan",
                    "GreaterThanOrEqualTo",
                    "LessThan",
                    "LessThanOrEqualTo",
                    "Contains",
                    "Exists",
                    "NotExists",
                    "In",
                )
            ),
            "Value": String(1, 1024),
        }
    ),
    1,
    20,
)
_EXPRESSION = Recursive(EXPRESSION_LEVELS_MAX)
_EXPRESSION.shape = structure(
    {
        "Filters": _FILTERS,
        "NestedFilters": ListOf(
            structure({"NestedPropertyName*": _PROPERTY, "Filters*": _FILTERS}), 1, 20
        ),
        "SubExpressions": ListOf(_EXPRESSION, 1, 20),
        "Operator": String(choices=("And", "Or")),
    }
)

OPERATIONS = (
    operation(
        "Search",
        {
            "Resource*": _RESOURCE,
            "SearchExpression": _EXPRESSION,
            "SortBy": _PROPERTY,
            "SortOrder": SORT_ORDER,
            "NextToken": NEXT_TOKEN,
            "MaxResults": MAX_RESULTS,
            "CrossAccountFilterOption": String(choices=("SameAccount", "CrossAccount")),
            "VisibilityConditions": ListOf(structure({"Key": TAG_KEY, "Value": TAG_VALUE}), 1, 5),
        },
    ),
    operation(
        "GetSearchSuggestions",
        {
            "Resource*": _RESOURCE,
            "SuggestionQuery": structure(
                {"PropertyNameQuery": structure({"PropertyNameHint*": String(0, 100)})}
            ),
        },
    ),
    operation("AddTags", {"ResourceArn*": RESOURCE_ARN, "Tags*": TAGS}),
    operation(
        "ListTags",
        {"ResourceArn*": RESOURCE_ARN, "NextToken": NEXT_TOKEN, "MaxResults": Integer(50)},
    ),
    operation("DeleteTags", {"ResourceArn*": RESOURCE_ARN, "TagKeys*": ListOf(TAG_KEY, 1, 50)}),
)
