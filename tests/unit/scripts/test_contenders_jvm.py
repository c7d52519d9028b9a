"""Contenders of the benches that are no Python: what can be said of them without running them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from scripts.bench.contenders.catalog import contenders
from scripts.bench.contenders.crowdsec import offline
from scripts.bench.contenders.jvm.programs import FOLDER, JvmProgram, jvm_programs

PROGRAMS = jvm_programs()
METRICS = b"""\
# HELP cs_parser_hits_total Total events entered the parser.
# TYPE cs_parser_hits_total counter
cs_parser_hits_ok_total{source="/a.log",type="file"} 2870
cs_parser_hits_total{source="/a.log",type="file"} 2876
cs_parser_hits_total{source="/b.log",type="file"} 1.2e+06
"""


def test_every_contender_has_a_name_of_its_own() -> None:
    names = [contender.name for contender in contenders()]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_of_the_jvm_has_its_source_and_pinned_versions(program: JvmProgram) -> None:
    source = f"{program.main.replace('.', '/')}.java"

    assert (FOLDER / program.module / "src" / "main" / "java" / source).exists()
    versions = program.versions()
    assert all(versions.values())
    assert not any("SNAPSHOT" in version for version in versions.values())


def test_lines_are_counted_whether_or_not_they_were_understood() -> None:
    assert offline.lines_handled(METRICS) == 2_876 + 1_200_000


def test_no_lines_are_counted_before_the_first() -> None:
    assert offline.lines_handled(b"# TYPE go_goroutines gauge\ngo_goroutines 12\n") == 0


def _package(home: Path, items: Mapping[str, Mapping[str, object]]) -> None:
    """What unpacking Debian's package leaves, with these items in its hub, by kind and name."""
    hub = home / "package" / "usr" / "share" / "crowdsec" / "hub"
    for kind in items.values():
        for item in kind.values():
            assert isinstance(item, dict)
            path = hub / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(item.get("content", ""))
    (hub / ".index.json").write_text(json.dumps(items))
    (home / "package" / "etc" / "crowdsec").mkdir(parents=True)
    data = hub.with_name("data")
    data.mkdir()
    (data / "path_traversal.txt").write_text("../\n")


def _items(parts: Sequence[str]) -> Mapping[str, Mapping[str, object]]:
    asks = "data:\n  - source_url: https://hub/path_traversal.txt\n    dest_file: http_paths.txt\n"
    parsers = {
        "crowdsecurity/syslog-logs": {"path": "parsers/s00-raw/crowdsecurity/syslog-logs.yaml"},
        "crowdsecurity/apache2-logs": {"path": "parsers/s01-parse/crowdsecurity/apache2-logs.yaml"},
        "crowdsecurity/dateparse-enrich": {"path": "parsers/s02-enrich/crowdsecurity/dates.yaml"},
        "crowdsecurity/nginx-logs": {"path": "parsers/s01-parse/crowdsecurity/nginx-logs.yaml"},
    }
    scenarios = {"us/paths": {"path": "scenarios/us/paths.yaml", "content": asks}}
    apache = {"path": "collections/crowdsecurity/apache2.yaml", "collections": ["us/base"]}
    base = {"path": "collections/us/base.yaml", "scenarios": list(parts)}
    collections = {
        "crowdsecurity/apache2": {**apache, "parsers": ["crowdsecurity/apache2-logs"]},
        "us/base": base,
    }
    return {"parsers": parsers, "scenarios": scenarios, "collections": collections}


def test_collections_are_enabled_with_all_that_they_need_and_nothing_else(tmp_path: Path) -> None:
    _package(tmp_path, _items(["us/paths"]))

    offline.install(tmp_path)

    links = {str(p.relative_to(tmp_path / "etc")) for p in (tmp_path / "etc").rglob("*.yaml")}
    assert links - {"acquis.yaml"} == {
        "collections/apache2.yaml",
        "collections/base.yaml",
        "parsers/s00-raw/syslog-logs.yaml",
        "parsers/s01-parse/apache2-logs.yaml",
        "parsers/s02-enrich/dates.yaml",
        "scenarios/paths.yaml",
    }


def test_a_list_is_there_under_the_name_by_which_its_scenario_asks(tmp_path: Path) -> None:
    _package(tmp_path, _items(["us/paths"]))

    offline.install(tmp_path)

    assert (tmp_path / "data" / "http_paths.txt").read_text() == "../\n"
