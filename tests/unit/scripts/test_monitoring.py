"""Alerts, dashboard and configuration speak of metrics that there are, and of runbooks too."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.scripts.watched import (
    CONFIGS,
    MONITORING,
    PRODUCTION,
    ROOT,
    TESTS,
    dashboard_queries,
    exposition,
    rules,
    selectors,
    told,
)

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="no promtool on PATH: it comes with Debian's package prometheus",
)


EXPRESSIONS = {name: rule["expr"] for name, rule in rules().items()} | dashboard_queries()


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_whatever_is_asked_for_is_told(where: str) -> None:
    known = told()
    named = list(selectors(EXPRESSIONS[where]))

    assert named
    assert [name for name, _ in named if name not in known] == []
    for name, labels in named:
        assert labels <= known[name], name


def test_a_name_that_nobody_tells_would_be_found() -> None:
    expr = 'sum by (le) (rate(gone_bucket{stage="a", b!~"c"}[5m])) > 2 and on (x) up == 1'

    assert list(selectors(expr)) == [("gone_bucket", {"stage", "b"}), ("up", set())]


def test_whatever_an_agent_or_the_api_tells_is_looked_at() -> None:
    """By an alert or on the dashboard; a figure that nobody looks at is not worth its scrape."""
    asked = {name for expr in EXPRESSIONS.values() for name, _ in selectors(expr)}
    families = {re.sub("_(bucket|sum|count|total|info)$", "", name) for name in asked}
    told_families = {
        family.name.removesuffix("_info")
        for family in text_string_to_metric_families(exposition())
        if family.name.startswith("centinela_")
    }

    assert told_families - families == set()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made by where it is shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", rules())
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(name: str) -> None:
    rule = rules()[name]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"].endswith(".")
    assert ROOT / page == PRODUCTION
    assert anchor in anchors(PRODUCTION)


@pytest.mark.parametrize("name", rules())
def test_an_alert_is_tested_at_its_threshold_and_short_of_it(name: str) -> None:
    cases = [
        case
        for test in yaml.safe_load(TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == name
    ]

    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


def ran(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=MONITORING)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@promtool
def test_the_alerts_fire_when_they_should_and_not_before() -> None:
    assert "SUCCESS" in ran("promtool", "test", "rules", TESTS.name)


@promtool
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_prometheus_takes_the_configuration_and_its_rules(config: Path) -> None:
    assert f"{len(rules())} rules found" in ran("promtool", "check", "config", config.name)


@promtool
def test_the_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    asked = [
        {"record": f"query_{number}", "expr": expr}
        for number, expr in enumerate(dashboard_queries().values())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": asked}]}))

    assert f"{len(asked)} rules found" in ran("promtool", "check", "rules", str(file))


@promtool
def test_prometheus_finds_no_fault_with_the_metrics() -> None:
    linted = subprocess.run(
        ["promtool", "check", "metrics"],
        input=exposition_of_one_process(),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (linted.returncode, linted.stderr) == (0, "")


def exposition_of_one_process() -> str:
    """Without what the API tells as each agent does: a scrape tells a thing once."""
    families: dict[str, str] = {}
    for part in exposition().split("# HELP ")[1:]:
        families.setdefault(part.split()[0], part)
    return "".join(f"# HELP {part}" for part in families.values())


ALWAYS = {"centinela-api", "centinela-ingestion", "centinela-decision"}
"""Jobs without which nothing gets on."""


def test_each_job_that_must_be_there_is_missed_when_it_is_not() -> None:
    missed = re.findall(r'absent\(up\{job="([^"]+)"\}\)', rules()["CentinelaStageDown"]["expr"])

    assert set(missed) == ALWAYS


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_each_job_is_scraped_under_a_name_that_the_alerts_know(config: Path) -> None:
    jobs = {job["job_name"] for job in yaml.safe_load(config.read_text())["scrape_configs"]}

    assert jobs >= ALWAYS
    assert all(job.startswith("centinela-") for job in jobs)
