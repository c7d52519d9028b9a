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
    ],
)
def test_a_recorder_is_started_where_it_is_said_where_to_record(
    given: dict[str, str], names: list[str]
) -> None:
    settings = LocalStack.model_validate({"recorder_port": 4711, **given})

    assert [child.name for child in agents_and_api(settings)] == names
    assert environment(settings)["CENTINELA_POSTGRES"] == given.get("postgres", "")
    assert environment(settings)["CENTINELA_RECORDER_PORT"] == "4711"


@pytest.mark.parametrize("stack", ["docker", "embedded"])
def test_no_process_of_this_machine_records_for_another_kind_of_stack(stack: str) -> None:
    settings = LocalStack.model_validate({"STACK": stack, "postgres": URL})

    assert "recorder" not in settings.agent_ports
