"""Every operation of the service, in an order in which each has something to do.

A step is an operation's name and the request for it, over the names and ARNs of one account's
entities. Each succeeds when all before it were done in that account; in the end nothing is left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.http.signing import ACCOUNT, REGION, Caller, Sent

if TYPE_CHECKING:
    from tests.http.conftest import Reply

EXPERIMENT, TRIAL, COMPONENT = "Secret-Plan", "Secret-Trial", "secret-run"
ACTION, CONTEXT, URI = "Secret-Action", "Secret_Context", "s3://secret/data"
TAGS = [{"Key": "secret-tag", "Value": "secret-value"}]


def arn(kind: str, name: str) -> str:
    """Give an ARN as the owner sees it."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


class Names(NamedTuple):
    """What the requests name, besides the names above."""

    artifact: str


#: Makes a caller's request.
Make = Callable[[Caller, Names], Sent]


class Step(NamedTuple):
    """One operation and its request."""

    operation: str
    make: Make


def _control(operation: str, **members: Any) -> Step:
    def make(caller: Caller, names: Names) -> Sent:
        text = json.dumps(members).replace("{artifact}", names.artifact)
        return caller.control(operation, json.loads(text))

    return Step(operation, make)


def _query(**changed: Any) -> dict[str, Any]:
    return {
        "MetricName": "loss",
        "ResourceArn": arn("experiment-trial-component", COMPONENT),
        "MetricStat": "Last",
        "Period": "OneHour",
        "XAxisType": "Timestamp",
        **changed,
    }


def _search(resource: str, *filters: tuple[str, str, str], **more: Any) -> Step:
    listed = [dict(zip(("Name", "Operator", "Value"), each, strict=True)) for each in filters]
    members = {"Resource": resource, **more}
    if listed:
        members["SearchExpression"] = {"Filters": listed}
    return _control("Search", **members)


_SOURCE = {"SourceUri": URI, "SourceType": "secret", "SourceId": "1"}
_EXPERIMENT, _TRIAL = {"ExperimentName": EXPERIMENT}, {"TrialName": TRIAL}
_COMPONENT = {"TrialComponentName": COMPONENT}
_ENDS = {
    "SourceArn": "{artifact}",
    "DestinationArn": arn("experiment-trial-component", COMPONENT),
}
_TAGGED = {"ResourceArn": arn("experiment", EXPERIMENT)}

CREATES = (
    _control("CreateExperiment", **_EXPERIMENT, Description="secret", Tags=TAGS),
    _control("CreateTrial", **_TRIAL, **_EXPERIMENT, Tags=TAGS),
    _control(
        "CreateTrialComponent",
        **_COMPONENT,
        Parameters={"secret-parameter": {"NumberValue": 7}},
        InputArtifacts={"secret-input": {"Value": URI}},
        Tags=TAGS,
    ),
    Step("BatchPutMetrics", lambda caller, _: caller.put(COMPONENT)),
    _control("AssociateTrialComponent", **_COMPONENT, **_TRIAL),
    _control(
        "CreateArtifact",
        ArtifactName="Secret-Artifact",
        Source={"SourceUri": URI},
        ArtifactType="secret",
        Properties={"secret": "property"},
        Tags=TAGS,
    ),
    _control("CreateAction", ActionName=ACTION, Source=_SOURCE, ActionType="secret", Tags=TAGS),
    _control("CreateContext", ContextName=CONTEXT, Source=_SOURCE, ContextType="secret", Tags=TAGS),
    _control("AddAssociation", **_ENDS, AssociationType="ContributedTo"),
    _control("AddTags", **_TAGGED, Tags=[{"Key": "more", "Value": "secret"}]),
)
READS = (
    _control("DescribeExperiment", **_EXPERIMENT),
    _control("DescribeTrial", **_TRIAL),
    _control("DescribeTrialComponent", **_COMPONENT),
    _control("DescribeArtifact", ArtifactArn="{artifact}"),
    _control("DescribeAction", ActionName=ACTION),
    _control("DescribeContext", ContextName=CONTEXT),
    _control("ListExperiments"),
    _control("ListTrials", SortBy="Name"),
    _control("ListTrialComponents"),
    _control("ListArtifacts"),
    _control("ListActions"),
    _control("ListContexts"),
    _control("ListAssociations"),
    _control("ListTags", **_TAGGED),
    _control("ListLineageGroups"),
    _control("DescribeLineageGroup", LineageGroupName="secret"),
    _control("GetLineageGroupPolicy", LineageGroupName="secret"),
    _search("ExperimentTrialComponent"),
    _control("GetSearchSuggestions", Resource="ExperimentTrialComponent"),
    _control("QueryLineage"),
    Step("BatchGetMetrics", lambda caller, _: caller.get(_query())),
    Step(
        "GetPoints",
        lambda caller, _: caller.signed("GET", f"/api/v1/points?component={COMPONENT}&metric=loss"),
    ),
    Step("GetServerMetrics", lambda caller, _: caller.signed("GET", "/metrics")),
    Step("GetCallerIdentity", lambda caller, _: caller.sts()),
)
UPDATES = (
    _control("UpdateExperiment", **_EXPERIMENT, Description="changed"),
    _control("UpdateTrial", **_TRIAL, DisplayName="changed"),
    _control("UpdateTrialComponent", **_COMPONENT, Status={"PrimaryStatus": "Failed"}),
    _control("UpdateArtifact", ArtifactArn="{artifact}", Properties={"secret": "changed"}),
    _control("UpdateAction", ActionName=ACTION, Status="Failed"),
    _control("UpdateContext", ContextName=CONTEXT, Description="changed"),
)
DELETES = (
    _control("DeleteTags", **_TAGGED, TagKeys=["more"]),
    _control("DeleteAssociation", **_ENDS),
    _control("DisassociateTrialComponent", **_COMPONENT, **_TRIAL),
    _control("DeleteTrialComponent", **_COMPONENT),
    _control("DeleteTrial", **_TRIAL),
    _control("DeleteExperiment", **_EXPERIMENT),
    _control("DeleteArtifact", ArtifactArn="{artifact}"),
    _control("DeleteAction", ActionName=ACTION),
    _control("DeleteContext", ContextName=CONTEXT),
)
STEPS = (*CREATES, *READS, *UPDATES, *DELETES)
#: There never are lineage groups, so these two succeed in saying so.
NOT_FOUND = {"DescribeLineageGroup", "GetLineageGroupPolicy"}

_ARNS = (
    arn("experiment", EXPERIMENT),
    arn("experiment-trial", TRIAL),
    arn("experiment-trial-component", COMPONENT),
    arn("action", ACTION),
    arn("context", CONTEXT),
    "{artifact}",
)
#: More ways to ask for what one should not see: by ARN, tag, parent, parameter, metric, edge.
PRYING = (
    *(_control("ListTags", ResourceArn=each) for each in _ARNS),
    *(_control("DescribeTrialComponent", TrialComponentName=each) for each in _ARNS[2:3]),
    _control("DescribeAction", ActionName=_ARNS[3]),
    _control("DescribeContext", ContextName=_ARNS[4]),
    _control("ListTrials", **_EXPERIMENT),
    _control("ListTrials", **_COMPONENT),
    _control("ListTrialComponents", **_EXPERIMENT),
    _control("ListTrialComponents", **_TRIAL),
    _control("ListArtifacts", SourceUri=URI),
    _control("ListActions", ActionType="secret"),
    _control("ListContexts", SourceUri=URI),
    *(
        _control("ListAssociations", **{end: each})
        for end in ("SourceArn", "DestinationArn")
        for each in _ARNS
        if "experiment-trial/" not in each
    ),
    _control("ListAssociations", SourceType="secret", SortBy="DestinationArn"),
    *(_control("QueryLineage", StartArns=[each]) for each in _ARNS if "trial/" not in each),
    _control("QueryLineage", Filters={"LineageTypes": ["Artifact"], "Types": ["secret"]}),
    _control("QueryLineage", Filters={"Properties": {"secret": "property"}}),
    *(
        _search(resource, ("Tags.secret-tag", "Equals", "secret-value"))
        for resource in ("Experiment", "ExperimentTrial", "ExperimentTrialComponent")
    ),
    _search("Experiment", ("ExperimentArn", "Equals", _ARNS[0])),
    _search("Experiment", ("ExperimentName", "Contains", "secret"), SortBy="Tags.secret-tag"),
    _search("ExperimentTrial", ("ExperimentName", "Equals", EXPERIMENT)),
    _search("ExperimentTrialComponent", ("Metrics.loss", "GreaterThan", "0")),
    _search("ExperimentTrialComponent", SortBy="Metrics.loss", SortOrder="Ascending"),
    _search("ExperimentTrialComponent", ("Parameters.secret-parameter", "Equals", "7")),
    _search("ExperimentTrialComponent", ("Parents.TrialName", "Equals", TRIAL)),
    _search("ExperimentTrialComponent", ("Parents.ExperimentName", "Contains", "secret")),
    _search("ExperimentTrialComponent", ("InputArtifacts.secret-input", "Contains", "secret")),
    _search("ExperimentTrialComponent", CrossAccountFilterOption="CrossAccount"),
    *(
        _control(
            "GetSearchSuggestions",
            Resource=resource,
            SuggestionQuery={"PropertyNameQuery": {"PropertyNameHint": hint}},
        )
        for resource in ("Experiment", "ExperimentTrial", "ExperimentTrialComponent")
        for hint in ("Tags.", "secret", "Parameters.", "Metrics.")
    ),
    Step(
        "BatchGetMetrics",
        lambda caller, _: caller.get(
            _query(ResourceArn=arn("training-job", COMPONENT)),
            _query(ResourceArn=arn("experiment-trial-component", COMPONENT.upper())),
            _query(MetricStat="Count"),
        ),
    ),
)
_VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<request>"),
    (re.compile(r"1[0-9]{9}\.[0-9]+|1[0-9]{9}\b"), "<time>"),
)


def answer(step: Step, caller: Caller, names: Names) -> tuple[str, int, str]:
    """Do a step, and give its answer without what differs from one server to the next."""
    reply: Reply = step.make(caller, names).to(caller.server)
    text = reply.body.decode("latin-1")
    if step.operation == "GetServerMetrics":
        # It counts what the whole server did.
        text = ""
    if caller.key is not None:
        text = text.replace(caller.key.id, "<key>")
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return step.operation, reply.status, text


def unsigned_of(step: Step, caller: Caller, names: Names) -> Sent:
    """Make a step's request without a signature."""
    return step.make(caller._replace(key=None), names)
