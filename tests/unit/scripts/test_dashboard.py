"""Grafana's files, and how Compose runs it and Prometheus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.unit.scripts.watched import COMPOSE, CONFIGS, DASHBOARD, MONITORING, ROOT, panels

WATCHING = {"prometheus", "grafana"}


def composed() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return services


def test_compose_starts_what_watches_only_when_it_is_asked_to() -> None:
    profiles = {name: service.get("profiles") for name, service in composed().items()}

    assert {name for name, each in profiles.items() if each == ["monitoring"]} == WATCHING


@pytest.mark.parametrize("name", sorted(WATCHING))
def test_what_watches_is_published_on_loopback_and_reads_what_there_is(name: str) -> None:
    service = composed()[name]
    mounted = [mount.split(":") for mount in service["volumes"] if mount.startswith("./")]

    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert mounted
    for source, _, mode in mounted:
        assert (ROOT / source).is_dir()
        assert mode == "ro"


def test_the_names_that_prometheus_asks_for_are_those_of_compose() -> None:
    jobs = yaml.safe_load(CONFIGS[0].read_text())["scrape_configs"]
    asked = {name for job in jobs for place in job["dns_sd_configs"] for name in place["names"]}

    assert asked <= set(composed())


def provisioned(folder: str, file: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((MONITORING / "grafana" / folder / file).read_text())
    return loaded


def test_what_grafana_is_given_can_be_looked_at_and_not_changed() -> None:
    [source] = provisioned("datasources", "prometheus.yml")["datasources"]
    [provider] = provisioned("dashboards", "provider.yml")["providers"]

    assert source["editable"] is False
    assert (provider["allowUiUpdates"], provider["disableDeletion"]) == (False, True)
    assert json.loads(DASHBOARD.read_text())["editable"] is False


def test_every_panel_asks_the_source_that_there_is() -> None:
    [source] = provisioned("datasources", "prometheus.yml")["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}

    for panel in panels():
        assert panel["description"].endswith(".")
        assert panel["datasource"] == wanted
        assert [target["datasource"] for target in panel["targets"]] == [wanted] * len(
            panel["targets"]
        )


def test_no_panel_covers_another() -> None:
    shown = json.loads(DASHBOARD.read_text())["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in shown)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len(set(taken))
    assert len({panel["id"] for panel in shown}) == len(shown)
