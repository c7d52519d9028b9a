"""What docker-compose.yml promises of every service, read from the file itself."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from api.settings import ApiSettings
from producer.settings import Connections
from scripts.stack import docker
from scripts.stack.settings import ROOT
from stream_agents.settings import AgentSettings, AuditorSettings

FILE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]

OURS: dict[str, tuple[type[Any], ...]] = {
    "api": (ApiSettings, Connections),
    "ingestion": (AgentSettings,),
    "decision": (AgentSettings,),
    "recorder": (AgentSettings,),
    "auditor": (AuditorSettings,),
}
FOR_THE_RECORD = {"CENTINELA_POSTGRES", "CENTINELA_RECORD_DAYS"}
"""Not for the agents that judge: who does not need a password is not given it."""

NOT_PASSED = {
    "CENTINELA_API_HOST": "set by the image, and the address on which the API is published",
    "CENTINELA_API_PORT": "the port on which it is published; inside it is always the same",
    "CENTINELA_KAFKA_PORT": "likewise Kafka's",
    "CENTINELA_REDIS_PORT": "Redis is not published",
    "CENTINELA_INGESTION_PORT": "every container has its own",
    "CENTINELA_DECISION_PORT": "every container has its own",
    "CENTINELA_INSTANCE": "workers that are scaled would all have the same name",
    "CENTINELA_CHAMPION": "a folder of this machine says nothing in a container",
    "CENTINELA_RECORDER_PORT": "every container has its own",
    "CENTINELA_AUDITOR_PORT": "every container has its own",
}
"""Settings that are the same in every container, and why."""


def variables(settings: type[Any]) -> set[str]:
    """The environment variables that a class of settings reads."""
    prefix = settings.model_config["env_prefix"]
    return {
        str(field.validation_alias or f"{prefix}{name}").upper()
        for name, field in settings.model_fields.items()
    }


@pytest.mark.parametrize("service", sorted(OURS))
def test_every_setting_reaches_the_container(service: str) -> None:
    wanted = set().union(*map(variables, OURS[service])) - set(NOT_PASSED)
    given = set(SERVICES[service]["environment"])

    if service in ("ingestion", "decision", "auditor"):
        assert given.isdisjoint({*FOR_THE_RECORD, "PGPASSWORD"})
        wanted -= FOR_THE_RECORD
    assert wanted - given == set()


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_has_a_health_check_limits_and_no_rights(service: str) -> None:
    told = SERVICES[service]

    assert told["healthcheck"]["test"]
    assert {"mem_limit", "cpus", "pids_limit", "restart", "logging"} <= set(told)
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_can_be_scaled_and_is_understood_by_old_and_new_compose(service: str) -> None:
    assert set(FILE) - {name for name in FILE if name.startswith("x-")} == {"services", "volumes"}
    assert "container_name" not in SERVICES[service]
    assert "develop" not in SERVICES[service]
    assert "start_interval" not in SERVICES[service]["healthcheck"]


def test_up_builds_the_image_and_starts_the_services_that_the_file_names() -> None:
    assert SERVICES["api"]["image"] == f"${{CENTINELA_IMAGE:-{docker.IMAGE}}}"
    always = {name for name, told in SERVICES.items() if "profiles" not in told}
    assert always == {*docker.SERVERS, *docker.OURS}
