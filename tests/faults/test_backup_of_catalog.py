"""Backups hold the catalog: what the API created, access keys, and nothing that the store lacks."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from stepwell.store.sqlite import backing_up
from stepwell.store.sqlite.checking import check_folder

from .catalog_load import CatalogLoad, Made, answer_of, names_of
from .client import Client, Item
from .conftest import StartServer
from .server import Server, assert_sound, stepwell

_BACKUPS = 3
_ONCE = Config(retries={"total_max_attempts": 1})


def restored_from(server: Server, start_server: StartServer, tmp_path: Path) -> Server:
    """Back a server's folder up, restore it into another one, and serve that."""
    file, folder = tmp_path / "backup.tar", tmp_path / "restored"
    done = stepwell("backup", file, "--data", server.data)
    assert done.returncode == 0, done.stderr
    done = stepwell("restore", file, "--data", folder)
    assert done.returncode == 0, done.stderr
    assert_sound(folder)
    return start_server(folder)


def test_what_the_api_created(start_server: StartServer, tmp_path: Path) -> None:
    """Experiments, trials, parameters, tags, associations and lineage come back as they were."""
    server = start_server()
    with Client(server.address) as client:
        answer_of(
            client,
            "CreateExperiment",
            ExperimentName="Iris",
            Description="petals",
            Tags=[{"Key": "team", "Value": "botany"}],
        )
        answer_of(client, "CreateTrial", TrialName="first", ExperimentName="Iris")
        made = answer_of(
            client,
            "CreateTrialComponent",
            TrialComponentName="Run-1",
            Parameters={"lr": {"NumberValue": 0.5}, "optimizer": {"StringValue": "adam"}},
            InputArtifacts={"data": {"Value": "s3://flowers/iris.csv", "MediaType": "text/csv"}},
            Tags=[{"Key": "seed", "Value": "7"}],
        )
        answer_of(client, "AssociateTrialComponent", TrialComponentName="Run-1", TrialName="first")
        artifact = answer_of(
            client,
            "CreateArtifact",
            ArtifactType="Model",
            Source={"SourceUri": "s3://flowers/model"},
        )
        answer_of(
            client,
            "AddAssociation",
            SourceArn=made["TrialComponentArn"],
            DestinationArn=artifact["ArtifactArn"],
            AssociationType="Produced",
        )
        assert client.put("run-1", [Item("loss", 1, 0.25)]).status == 200
        before = everything_of(client, made["TrialComponentArn"])
    restored = restored_from(server, start_server, tmp_path)
    with Client(restored.address) as client:
        assert everything_of(client, made["TrialComponentArn"]) == before
        # Numbers go on where they were: the store's next component is followed, too.
        assert client.put("run-2", [Item("loss", 1, 0.25)]).status == 200
        assert names_of(client) == {"Run-1", "run-2"}


def everything_of(client: Client, arn: str) -> list[object]:
    """Read all that the test above has made."""
    return [
        answer_of(client, "DescribeExperiment", ExperimentName="iris"),
        answer_of(client, "ListTags", ResourceArn=arn),
        answer_of(client, "DescribeTrial", TrialName="first"),
        answer_of(client, "DescribeTrialComponent", TrialComponentName="run-1"),
        answer_of(client, "ListTrialComponents", TrialName="first"),
        answer_of(client, "ListAssociations", SourceArn=arn),
        answer_of(client, "Search", Resource="Experiment"),
        answer_of(
            client,
            "Search",
            Resource="ExperimentTrialComponent",
            SearchExpression={
                "Filters": [
                    {"Name": "Metrics.loss.Last", "Operator": "LessThan", "Value": "0.5"},
                    {"Name": "Parameters.lr", "Operator": "Equals", "Value": "0.5"},
                ]
            },
        ),
    ]


def test_keys(start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with keys restores to one with those keys: they work, and nothing is open."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    data = tmp_path / "data"
    created = stepwell("keys", "create", "--data", data, "--json")
    key = json.loads(created.stdout)
    file, folder = tmp_path / "backup.tar", tmp_path / "restored"
    # No server has had the folder yet.
    assert stepwell("backup", file, "--data", data).returncode == 0
    assert key["SecretAccessKey"].encode() not in file.read_bytes()
    assert stepwell("restore", file, "--data", folder).returncode == 0
    server = start_server(folder)
    with Client(server.address) as client:
        answer = client.put("run", [Item("loss", 1, 1.0)])
        assert (answer.status, answer.code) == (403, "MissingAuthenticationTokenException")
    put = {
        "TrialComponentName": "run",
        "MetricData": [{"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 1.0}],
    }
    assert metrics(server, key, key["SecretAccessKey"]).batch_put_metrics(**put)["Errors"] == []
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        metrics(server, key, "another").batch_put_metrics(**put)


def metrics(server: Server, key: dict[str, str], secret: str) -> boto3.client:
    """Make a client that signs by a key."""
    return boto3.client(
        "sagemaker-metrics",
        endpoint_url=server.address,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=secret,
        config=_ONCE,
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_while_clients_create(
    start_server: StartServer, tmp_path: Path, workers: int, report: Callable[[str], None]
) -> None:
    """A backup of a busy server has all that was created before it, and catalog and store agree."""
    server = start_server(workers=workers)
    backups = []
    with CatalogLoad(server.address) as load:
        for number in range(_BACKUPS):
            load.wait_for(components=40)
            made, deleted = list(load.made), list(load.deleted)
            file = tmp_path / f"backup-{number}.tar"
            done = stepwell("backup", file, "--data", server.data)
            assert done.returncode == 0, done.stderr
            backups.append((file, made, deleted))
    assert not load.surprises
    server.kill()
    for number, (file, made, deleted) in enumerate(backups):
        folder = tmp_path / f"restored-{number}"
        assert stepwell("restore", file, "--data", folder).returncode == 0
        assert_sound(folder)
        restored = start_server(folder)
        with Client(restored.address) as client:
            found = assert_agreement(client, folder, made)
        assert not found & set(deleted)
        restored.kill()
        report(f"backup {number}: {len(made)} answered before it, {len(found)} in it")


def assert_agreement(client: Client, folder: Path, made: list[Made]) -> set[str]:
    """Assert that a restored folder has what was made, and tells one story; give all names."""
    with sqlite3.connect(folder / "registry.db") as registry:
        in_store = {row[0] for row in registry.execute("SELECT name FROM component")}
    registry.close()
    names = names_of(client)
    assert names == in_store
    assert {each.name for each in made} <= names
    for each in made:
        found = answer_of(client, "DescribeTrialComponent", TrialComponentName=each.name)
        (summary,) = found["Metrics"]
        assert (summary["Last"], summary["Count"]) == (each.number, 5)
        if each.number % 3:
            assert found["Parameters"] == {"number": {"NumberValue": each.number}}
            tags = answer_of(client, "ListTags", ResourceArn=found["TrialComponentArn"])["Tags"]
            assert tags == [{"Key": "number", "Value": str(each.number)}]
    # What the search compares is what the store has, also where it had summed up newer points.
    for name in names:
        by_table = answer_of(
            client,
            "Search",
            Resource="ExperimentTrialComponent",
            SearchExpression={
                "Filters": [
                    {"Name": "TrialComponentName", "Operator": "Equals", "Value": name},
                    {"Name": "Metrics.number.Last", "Operator": "Exists"},
                ]
            },
        )["Results"]
        found = answer_of(client, "DescribeTrialComponent", TrialComponentName=name)
        assert len(by_table) == len(found["Metrics"])
    return names


def test_summaries_are_never_ahead(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points that come, and are summed up, while files are copied are in neither of the copies."""
    server = start_server()
    copy = backing_up._copy
    search = {
        "Resource": "ExperimentTrialComponent",
        "SearchExpression": {"Filters": [{"Name": "Metrics.loss.Last", "Operator": "Exists"}]},
    }
    with Client(server.address) as client:
        assert client.put("early", [Item("loss", 1, 1.0)]).status == 200
        late: list[object] = []

        def copy_and_put(*arguments: object) -> None:
            copy(*arguments)  # type: ignore[arg-type]
            if not late:
                assert client.put("late", [Item("loss", 1, 1.0)]).status == 200
                late.extend(answer_of(client, "Search", **search)["Results"])

        monkeypatch.setattr(backing_up, "_copy", copy_and_put)
        backing_up.backup_folder(server.data, tmp_path / "backup.tar")
    assert len(late) == 2
    backing_up.restore_folder(tmp_path / "backup.tar", tmp_path / "restored")
    restored = start_server(tmp_path / "restored")
    with Client(restored.address) as client:
        assert names_of(client) == {"early"}
        assert len(answer_of(client, "Search", **search)["Results"]) == 1
        assert client.put("late", [Item("accuracy", 1, 1.0)]).status == 200
        assert names_of(client) == {"early", "late"}
        assert len(answer_of(client, "Search", **search)["Results"]) == 1


def test_a_folder_without_a_catalog(start_server: StartServer, tmp_path: Path) -> None:
    """A folder that only the embedded store has used is backed up and restored as it is."""
    server = start_server()
    with Client(server.address) as client:
        assert client.put("run", [Item("loss", 1, 1.0)]).status == 200
    assert server.stop() == 0
    (server.data / "catalog.db").unlink()
    file = tmp_path / "backup.tar"
    backing_up.backup_folder(server.data, file)
    with tarfile.open(file) as archive:
        assert "catalog.db" not in archive.getnames()
    backing_up.restore_folder(file, tmp_path / "restored")
    assert check_folder(tmp_path / "restored").problems == []
    with Client(start_server(tmp_path / "restored").address) as client:
        assert names_of(client) == {"run"}


def test_check_looks_at_the_catalog(start_server: StartServer) -> None:
    """`check` reports references that lead nowhere, and pages that cannot be read."""
    server = start_server()
    with Client(server.address) as client:
        answer_of(
            client,
            "CreateTrialComponent",
            TrialComponentName="run",
            Parameters={f"p{number}": {"StringValue": "x" * 2000} for number in range(50)},
            Tags=[{"Key": "team", "Value": "botany"}],
        )
    assert server.stop() == 0
    assert_sound(server.data)
    catalog = server.data / "catalog.db"
    with sqlite3.connect(catalog) as connection:
        connection.execute("DELETE FROM component")
    connection.close()
    checked = stepwell("check", "--data", server.data)
    assert checked.returncode == 1
    assert "catalog: parameter: 50 rows of no component\n" in checked.stdout
    assert "catalog: tag: 1 rows of no experiment-trial-component" in checked.stdout
    whole = catalog.read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    catalog.write_bytes(whole[:middle] + b"\xff" * 4096 + whole[middle + 4096 :])
    checked = stepwell("check", "--data", server.data)
    assert (checked.returncode, checked.stderr) == (1, "")
    assert "catalog" in checked.stdout
    catalog.write_bytes(b"\xff" * len(whole))
    for command in (["check"], ["keys", "list"], ["serve", "--port", "0"]):
        done = stepwell(*command, "--data", server.data)
        assert done.returncode == 1
        assert "the catalog is damaged: file is not a database" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
