"""Where Kafka and Redis are looked for."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from producer.settings import Connections

VARIABLES = ("KAFKA", "REDIS", "KAFKA_PORT", "REDIS_PORT")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(f"CENTINELA_{variable}", raising=False)


def test_a_stack_on_other_ports_is_found_by_its_ports_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CENTINELA_KAFKA_PORT", "29092")
    monkeypatch.setenv("CENTINELA_REDIS_PORT", "26379")

    found = Connections()

    assert (found.kafka, found.redis) == ("127.0.0.1:29092", "redis://127.0.0.1:26379/0")


def test_an_address_counts_more_than_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTINELA_KAFKA_PORT", "29092")
    monkeypatch.setenv("CENTINELA_KAFKA", "kafka:9092")

    assert Connections().kafka == "kafka:9092"


def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTINELA_KAFKA_PORT", "door")

    with pytest.raises(ValidationError, match="kafka_port"):
        Connections()
