"""What Prometheus and Grafana are told to ask for, and what our processes tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import ApiMetrics
from feature_store.fence import Fence
from models.contracts import Outcome
from producer.records import OutRecord, Record
from stream_agents.audit_metrics import AuditMetrics
from stream_agents.audited import Account, Compared
from stream_agents.auditing import Books
from stream_agents.metrics import StageMetrics
from stream_agents.stage import Folded, Tally

ROOT = Path(__file__).resolve().parents[3]
MONITORING = ROOT / "scripts" / "monitoring"
ALERTS, TESTS = MONITORING / "alerts.yml", MONITORING / "alerts_test.yml"
CONFIGS = (MONITORING / "prometheus.yml", MONITORING / "prometheus-native.yml")
DASHBOARD = MONITORING / "grafana" / "dashboards" / "centinela.json"
COMPOSE = ROOT / "docker-compose.yml"
PRODUCTION = ROOT / "docs" / "production.md"

PROMETHEUS_OWN = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate"}}
"""Series that Prometheus makes itself."""

WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"}
WORDS |= {"group_left", "group_right"}


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
    auditor = AuditMetrics("access", 1, clock=lambda: 9.0)
    auditor.canary_answered(0, 0.1)
    auditor.compared(Compared(1, (), {"degraded": 1}))
    books = Books(0, 1, 1, 0, 0, 0, 0, 0, 0)
    auditor.counted(Account("access", (books,), {}, (), (), is_right=True))
    registries = (stage.registry, api.registry, auditor.registry)
    return "".join(generate_latest(registry).decode() for registry in registries)


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
