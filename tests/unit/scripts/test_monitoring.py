"""Alerts, dashboard and configuration speak of metrics that there are, and of runbooks too."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import ApiMetrics
from feature_store.fence import Fence
from models.contracts import Outcome
from producer.records import OutRecord, Record
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Folded, Tally

ROOT = Path(__file__).resolve().parents[3]
MONITORING = ROOT / "scripts" / "monitoring"
ALERTS, TESTS = MONITORING / "alerts.yml", MONITORING / "alerts_test.yml"
CONFIGS = (MONITORING / "prometheus.yml", MONITORING / "prometheus-native.yml")
DASHBOARD = MONITORING / "grafana" / "dashboards" / "centinela.json"
PRODUCTION = ROOT / "docs" / "production.md"

PROMETHEUS_OWN = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate"}}
"""Series that Prometheus makes itself."""

WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"}
WORDS |= {"group_left", "group_right"}

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="no promtool on PATH: it comes with Debian's package prometheus",
)


def exposition() -> str:
    """What an agent and the API tell when something of everything has happened."""
    stage = StageMetrics("access", "ingestion", 1, clock=lambda: 9.0)
    stage.taken_over(0, Fence("epoch"))
    answer = OutRecord("out", 0, b"", (("source-offset", b"0"),))
    tallies = [Tally(0, Outcome.DECIDED, "allow", 1)]
    stage.folded([Record(0, 0, 8_000, b"{}")], Folded([answer], {}, tallies))
    stage.lag({0: 0})
    with stage.step("fold"):
        pass
    api = ApiMetrics(lambda: 0.0)
    api.answered("/analyze", "POST", 200, 0.1)
    api.batch("access", "pending")
    api._events.labels("access", "decided", "allow").inc()
    return generate_latest(stage.registry).decode() + generate_latest(api.registry).decode()


def told() -> dict[str, set[str]]:
    """Each series' name and its labels, with those that Prometheus adds."""
    known: dict[str, set[str]] = {name: set(labels) for name, labels in PROMETHEUS_OWN.items()}
    for family in text_string_to_metric_families(exposition()):
        for sample in family.samples:
            known.setdefault(sample.name, {"job", "instance"}).update(sample.labels)
    return known


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def dashboard_queries() -> dict[str, str]:
    """By panel and query, its expression with Grafana's variables filled in."""
    filled = {"$__rate_interval": "1m", "$pack": "access"}
    queries = {}
    for panel in panels():
        for target in panel["targets"]:
            expr = target["expr"]
            for variable, value in filled.items():
                expr = expr.replace(variable, value)
            queries[f"{panel['title']} {target['refId']}"] = expr
    return queries


def selectors(expr: str) -> Iterator[tuple[str, set[str]]]:
    """Each series that a PromQL expression names, with the labels that it selects by."""
    text = re.sub(r'"[^"]*"', '""', expr)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", text)
    text = re.sub(r"\[[^]]*\]|\boffset\s+\w+", "", text)
    for name, braces in re.findall(r"([a-zA-Z_:][\w:]*)(?!\s*\(|\w)\s*(\{[^}]*\})?", text):
        inside = re.findall(r"(\w+)\s*[!=]", braces)
        before = text.split(name + braces)[0]
        if name not in WORDS and before.count("{") == before.count("}"):
            yield name, set(inside)


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


def test_each_job_is_watched_for_being_away() -> None:
    jobs = {
        job["job_name"] for config in CONFIGS for job in yaml.safe_load(config.read_text())[SCRAPED]
    }
    watched = set(
        re.findall(r'absent\(up\{job="([^"]+)"\}\)', rules()["CentinelaStageDown"]["expr"])
    )

    assert jobs == watched


SCRAPED = "scrape_configs"


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
