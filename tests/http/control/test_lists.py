"""Lists: pages, order, ranges of times, tokens; of every operation that lists."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from .conftest import ARN, Service

if TYPE_CHECKING:
    from tests.http.conftest import StartServer

COUNT = 23
Pages = Callable[..., list[Any]]
Refused = Callable[..., str]


class Listed(NamedTuple):
    """An operation that lists: where its entries are, their names, what it sorts by."""

    operation: str
    member: str
    name: str
    sort_by: tuple[str, ...] = ("Name", "CreationTime")
    filters: tuple[tuple[str, str], ...] = ()


LISTS = [
    Listed("list_experiments", "ExperimentSummaries", "ExperimentName"),
    Listed("list_trials", "TrialSummaries", "TrialName"),
    Listed(
        "list_trials",
        "TrialSummaries",
        "TrialName",
        filters=(("ExperimentName", "Exp-3"),),
    ),
    Listed(
        "list_trials",
        "TrialSummaries",
        "TrialName",
        filters=(("TrialComponentName", "Comp-5"),),
    ),
    Listed("list_trial_components", "TrialComponentSummaries", "TrialComponentName"),
    Listed(
        "list_trial_components",
        "TrialComponentSummaries",
        "TrialComponentName",
        filters=(("TrialName", "Trial-7"),),
    ),
    Listed(
        "list_trial_components",
        "TrialComponentSummaries",
        "TrialComponentName",
        filters=(("ExperimentName", "Exp-3"),),
    ),
    Listed("list_actions", "ActionSummaries", "ActionName"),
    Listed("list_contexts", "ContextSummaries", "ContextName"),
    Listed("list_artifacts", "ArtifactSummaries", "ArtifactName", ("CreationTime",)),
]
every_list = pytest.mark.parametrize(
    "listed", LISTS, ids=[f"{each.operation}-{dict(each.filters)}" for each in LISTS]
)


@pytest.fixture(scope="module")
def crowd(start_server: StartServer, make_service: Callable[..., Service]) -> Service:
    """Give a server with the same number of everything, each made in an order of its own.

    The trials are those of one experiment; every component is in one trial, and one is in all.
    """
    service = make_service(start_server())
    api = service.api
    source = {"SourceUri": "s3://b/k"}
    for number in [*range(0, COUNT, 2), *range(1, COUNT, 2)]:
        # Case does not count when names are sorted.
        word = "Exp" if number % 2 else "exp"
        api.create_experiment(ExperimentName=f"{word}-{number}")
        api.create_trial_component(TrialComponentName=f"Comp-{number}")
        api.create_action(ActionName=f"a-{number}", Source=source, ActionType="T")
        api.create_context(ContextName=f"c_{number}", Source=source, ContextType="T")
        api.create_artifact(
            ArtifactName=f"f-{number}", Source={"SourceUri": f"s3://{number}"}, ArtifactType="T"
        )
    for number in [*range(0, COUNT, 2), *range(1, COUNT, 2)]:
        api.create_trial(TrialName=f"Trial-{number}", ExperimentName="exp-3")
        api.associate_trial_component(TrialComponentName="comp-5", TrialName=f"trial-{number}")
    for number in range(COUNT):
        api.associate_trial_component(TrialComponentName=f"comp-{number}", TrialName="trial-7")
    return service


def listing(service: Service, listed: Listed) -> Callable[..., Any]:
    """Give the call of a list, its filters set."""
    function = getattr(service.api, listed.operation)
    return lambda **members: function(**dict(listed.filters), **members)


@every_list
@pytest.mark.parametrize("size", [1, 7, 22, 23, 24, 100])
def test_pages_are_the_whole_list(
    crowd: Service, listed: Listed, size: int, every_page: Pages
) -> None:
    """However long its pages are, a list has each entry once, in each order."""
    call = listing(crowd, listed)
    for sort_by in listed.sort_by:
        for order in ("Ascending", "Descending"):
            options = {"SortBy": sort_by, "SortOrder": order, "MaxResults": size}
            found = every_page(call, listed.member, **options)
            names = [each[listed.name].lower() for each in found]
            assert len(set(names)) == len(names) == COUNT
            keys = names if sort_by == "Name" else [each["CreationTime"] for each in found]
            assert keys == sorted(keys, reverse=order == "Descending")


@every_list
def test_the_newest_ten_come_first(crowd: Service, listed: Listed) -> None:
    """Without more said a page has ten entries, by creation time, the newest first."""
    page = listing(crowd, listed)()
    assert len(page[listed.member]) == 10
    times = [each["CreationTime"] for each in page[listed.member]]
    assert times == sorted(times, reverse=True)
    last = listing(crowd, listed)(MaxResults=1)[listed.member][0]
    assert last == page[listed.member][0]
    assert last[listed.name].endswith(str(COUNT - 2 if COUNT % 2 else COUNT - 1))


@every_list
def test_ranges_of_times(crowd: Service, listed: Listed, every_page: Pages) -> None:
    """CreatedAfter is the first moment that counts, CreatedBefore the first that does not."""
    call = listing(crowd, listed)
    entries = every_page(call, listed.member, SortOrder="Ascending")
    times = [each["CreationTime"] for each in entries]
    after, before = times[5], times[15]
    inside = [each for each in entries if after <= each["CreationTime"] < before]
    found = every_page(
        call,
        listed.member,
        CreatedAfter=after,
        CreatedBefore=before,
        MaxResults=3,
        SortOrder="Ascending",
    )
    assert found == inside
    assert 0 < len(found) < COUNT
    assert every_page(call, listed.member, CreatedBefore=times[0]) == []
    last = every_page(call, listed.member, CreatedAfter=times[-1])
    assert last
    assert {each["CreationTime"] for each in last} == {times[-1]}
    later = times[-1] + dt.timedelta(seconds=1)
    assert every_page(call, listed.member, CreatedAfter=later) == []
    assert every_page(call, listed.member, CreatedAfter=before, CreatedBefore=after) == []


@every_list
@pytest.mark.parametrize(("size", "rule"), [(0, "greater"), (101, "less"), (-1, "greater")])
def test_sizes_of_pages(
    crowd: Service, listed: Listed, size: int, rule: str, refused: Refused
) -> None:
    """A page has 1 to 100 entries; anything else is refused and named."""
    del refused
    operation = "".join(part.title() for part in listed.operation.split("_"))
    reply = crowd.server.control(operation, {"MaxResults": size})
    assert reply.status == 400
    assert "'maxResults'" in reply.json()["message"]
    assert f"{rule} than or equal to" in reply.json()["message"]


@every_list
@pytest.mark.parametrize("member", ["SortBy", "SortOrder"])
def test_orders_that_there_are_not(
    crowd: Service, listed: Listed, member: str, refused: Refused
) -> None:
    """An order that a list does not have is refused, and those that it has are named."""
    message = refused("ValidationException", listing(crowd, listed), **{member: "creationtime"})
    camel = member[0].lower() + member[1:]
    values = listed.sort_by if member == "SortBy" else ("Ascending", "Descending")
    assert message.startswith(
        f"1 validation error detected: Value 'creationtime' at '{camel}' failed to satisfy"
        " constraint: Member must satisfy enum value set: ["
    )
    for value in values:
        assert value in message


@every_list
def test_a_page_goes_on_while_others_come_and_go(
    crowd: Service, listed: Listed, every_page: Pages
) -> None:
    """A token's place stays good when its row is deleted, and new rows repeat nothing."""
    if listed.operation != "list_experiments":
        # One list is enough to insert into; of all others the first page is asked for twice.
        first = listing(crowd, listed)(MaxResults=4)
        again = listing(crowd, listed)(MaxResults=9, NextToken=first["NextToken"])
        whole = every_page(listing(crowd, listed), listed.member)
        assert [*first[listed.member], *again[listed.member]] == whole[:13]
        return
    api = crowd.api
    wanted = every_page(listing(crowd, listed), listed.member)
    found: list[Any] = []
    token: dict[str, str] = {}
    made = []
    while True:
        page = api.list_experiments(MaxResults=3, **token)
        found += page["ExperimentSummaries"]
        made.append(f"late-{len(found)}")
        api.create_experiment(ExperimentName=made[-1])
        # The token's own row goes too.
        gone = page["ExperimentSummaries"][-1]["ExperimentName"]
        if gone not in {"exp-3", "Exp-3"}:
            api.delete_experiment(ExperimentName=gone)
            made.append(gone)
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == wanted
    for name in made:
        if name.startswith("late"):
            api.delete_experiment(ExperimentName=name)
        else:
            api.create_experiment(ExperimentName=name)


def test_tokens_of_other_listings(crowd: Service, refused: Refused) -> None:
    """A token is good for the listing that it came with, and for no other one."""
    api = crowd.api
    token = api.list_trials(SortBy="Name", ExperimentName="exp-3")["NextToken"]
    for function, members in (
        (api.list_experiments, {"SortBy": "Name"}),
        (api.list_trials, {"SortBy": "Name"}),
        (api.list_trials, {"SortBy": "Name", "ExperimentName": "exp-5"}),
        (api.list_trials, {"SortBy": "CreationTime", "ExperimentName": "exp-3"}),
        (api.list_trials, {"SortBy": "Name", "SortOrder": "Ascending", "ExperimentName": "exp-3"}),
        (api.list_trials, {"SortBy": "Name", "ExperimentName": "exp-3", "CreatedAfter": 1}),
        (api.list_trial_components, {"SortBy": "Name", "ExperimentName": "exp-3"}),
        (api.search, {"Resource": "ExperimentTrial"}),
        (api.list_associations, {}),
        (api.query_lineage, {}),
        (api.list_artifacts, {}),
    ):
        refused("ValidationException", function, "'nextToken'", NextToken=token, **members)
    going_on = api.list_trials(SortBy="Name", ExperimentName="exp-3", NextToken=token)
    assert len(going_on["TrialSummaries"]) == 10


def test_tokens_that_nobody_made(crowd: Service, refused: Refused) -> None:
    """A token that was changed in any place, cut, or made up is refused, not tried."""
    api = crowd.api
    token = api.list_experiments(SortBy="Name")["NextToken"]
    raw = base64.urlsafe_b64decode(token)
    changed = [
        base64.urlsafe_b64encode(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]).decode()
        for place in range(len(raw))
    ]
    made_up = [token[:-4], token[:10], "a", "null", "=", "\0", "é" * 50, "' OR 1=1 --", "a" * 8192]
    for each in [*changed, *made_up]:
        refused("ValidationException", api.list_experiments, SortBy="Name", NextToken=each)
    refused("ValidationException", api.list_experiments, "8192", NextToken="a" * 8193)


def test_an_empty_token_is_none(crowd: Service) -> None:
    """A loop that begins with an empty token gets the first page."""
    first = crowd.api.list_experiments(NextToken="")
    assert first["ExperimentSummaries"] == crowd.api.list_experiments()["ExperimentSummaries"]


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        ("list_experiments", "ExperimentSummaries"),
        ("list_trials", "TrialSummaries"),
        ("list_trial_components", "TrialComponentSummaries"),
        ("list_artifacts", "ArtifactSummaries"),
        ("list_actions", "ActionSummaries"),
        ("list_contexts", "ContextSummaries"),
        ("list_associations", "AssociationSummaries"),
        ("search", "Results"),
    ],
)
def test_paginators(crowd: Service, operation: str, member: str) -> None:
    """boto3's paginators walk every list to its end, and build a whole of it."""
    paginator = crowd.api.get_paginator(operation)
    more = {"Resource": "ExperimentTrialComponent"} if operation == "search" else {}
    pages = [*paginator.paginate(**more, PaginationConfig={"PageSize": 10})]
    if operation == "list_associations":
        assert [page[member] for page in pages] == [[]]
        return
    assert [len(page[member]) for page in pages] == [10, 10, 3]
    whole = paginator.paginate(**more, PaginationConfig={"PageSize": 10}).build_full_result()
    assert whole[member] == [each for page in pages for each in page[member]]
    part = paginator.paginate(**more, PaginationConfig={"PageSize": 5, "MaxItems": 7})
    assert part.build_full_result()[member] == whole[member][:7]


def test_lists_of_nothing(api: Any, name: str) -> None:
    """A list without entries is an empty list and no token."""
    api.create_experiment(ExperimentName=name)
    for function, member in (
        (api.list_trials, "TrialSummaries"),
        (api.list_trial_components, "TrialComponentSummaries"),
    ):
        page = function(ExperimentName=name)
        assert page[member] == []
        assert "NextToken" not in page
    assert api.list_lineage_groups()["LineageGroupSummaries"] == []
    with pytest.raises(api.exceptions.ResourceNotFound):
        api.describe_lineage_group(LineageGroupName=name)
    with pytest.raises(api.exceptions.ResourceNotFound):
        api.get_lineage_group_policy(LineageGroupName=f"{ARN}lineage-group/{name}")
