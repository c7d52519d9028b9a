"""Which processes of ours a local stack has."""

from __future__ import annotations

import pytest

from scripts.stack.processes import agents_and_api, environment
from scripts.stack.settings import LocalStack

URL = "postgresql://postgres@127.0.0.1:5432/postgres"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["ingestion", "decision", "api"]),
        ({"postgres": URL}, ["ingestion", "decision", "recorder", "api"]),
        ({"auditor": "1"}, ["ingestion", "decision", "auditor", "api"]),
    ],
)
def test_a_recorder_and_an_auditor_are_started_where_they_are_wanted(
    given: dict[str, str], names: list[str]
) -> None:
    settings = LocalStack.model_validate({"recorder_port": 4711, **given})

    assert [child.name for child in agents_and_api(settings)] == names
    assert environment(settings)["CENTINELA_POSTGRES"] == given.get("postgres", "")
    assert environment(settings)["CENTINELA_RECORDER_PORT"] == "4711"


@pytest.mark.parametrize("stack", ["docker", "embedded"])
def test_no_process_of_this_machine_records_for_another_kind_of_stack(stack: str) -> None:
    settings = LocalStack.model_validate({"STACK": stack, "postgres": URL, "auditor": True})

    assert not {"recorder", "auditor"} & set(settings.agent_ports)
