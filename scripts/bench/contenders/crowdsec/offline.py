"""CrowdSec over a log file, with what Debian's package ships for web servers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from string import Template
from typing import Any

from scripts.bench.contenders.contender import (
    Job,
    NotHad,
    Processes,
    Shape,
    home_of,
    run_or_not_had,
)
from scripts.stack.ports import free_ports

VERSION = "1.4.6"
CONFIG = Path(__file__).with_name("config.yaml")
INSTALLED = (
    ("collections", "crowdsecurity/apache2"),
    ("parsers", "crowdsecurity/syslog-logs"),
    ("parsers", "crowdsecurity/dateparse-enrich"),
)
"""The first brings the parser of Apache's log and the scenarios base-http and http-cve."""

HANDLED = re.compile(rb"^cs_parser_hits_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
LIST = re.compile(r"source_url:\s*(\S+)\s+dest_file:\s*(\S+)")
KINDS = ("collections", "parsers", "scenarios", "postoverflows")


@dataclass(slots=True)
class CrowdSec:
    """Counts lines that were parsed and poured into the scenarios' buckets, one after another."""

    name: str = "crowdsec"
    does: str = (
        "offline over the same events as Apache's log: apache2 and base-http collections, "
        "32 scenarios by client, local API and SQLite in the same process"
    )
    lacks: str = (
        "no answer for an event (alerts alone), no Kafka, no learnt model, buckets lost with the "
        "process; places of addresses not looked up"
    )
    reads: Shape = "log"
    warm_up_s: float = 5.0
    _metrics_port: int = 0
    _handled: int = 0
    _running: Processes = field(default_factory=Processes)

    def versions(self) -> Mapping[str, str]:
        return {"crowdsec": f"{VERSION} (Debian)"}

    def prepare(self) -> None:
        home = home_of(self.name)
        if (home / "installed").exists():
            return
        shutil.rmtree(home, ignore_errors=True)
        package = _downloaded(home)
        run_or_not_had(self.name, ["dpkg-deb", "-x", str(package), str(home / "package")])
        install(home)
        (home / "installed").touch()

    def start(self, job: Job) -> Sequence[int]:
        home = home_of(self.name)
        self._metrics_port, api_port = free_ports(2)
        self._handled = 0
        config = job.folder / "config.yaml"
        ports = {"api_port": api_port, "metrics_port": self._metrics_port}
        config.write_text(
            Template(CONFIG.read_text()).substitute(home=home, folder=job.folder, **ports)
        )
        for data in (home / "data").iterdir():
            (job.folder / data.name).symlink_to(data)
        programs = home / "package" / "usr" / "bin"
        cscli = [str(programs / "cscli"), "-c", str(config)]
        run_or_not_had(self.name, [*cscli, "machines", "add", "--auto"])
        source = ("-dsn", f"file://{job.log}", "-type", "apache2", "-no-capi")
        command = (str(programs / "crowdsec"), "-c", str(config), *source)
        return [self._running.launch(command, {}, job.folder / "log")]

    def answered(self) -> int | None:
        connection = HTTPConnection("127.0.0.1", self._metrics_port, timeout=1)
        try:
            connection.request("GET", "/metrics")
            self._handled = lines_handled(connection.getresponse().read())
        except (OSError, HTTPException):  # not listening yet, or the log is at its end
            pass
        finally:
            connection.close()
        return self._handled

    def stop(self) -> None:
        self._running.stop()


def lines_handled(metrics: bytes) -> int:
    """Log lines parsed, successfully or not, as its metrics tell; 0 before the first."""
    return sum(int(float(count)) for count in HANDLED.findall(metrics))


def install(home: Path) -> None:
    """Enable what `INSTALLED` names, as `cscli` would if it could reach the online hub.

    Args:
        home: Has the unpacked package in `package`.
    """
    shared, etc = home / "package" / "usr" / "share" / "crowdsec", home / "etc"
    shutil.copytree(shared / "hub", home / "hub")
    shutil.copytree(home / "package" / "etc" / "crowdsec", etc)
    (etc / "acquis.yaml").write_text("")
    (etc / "plugins").mkdir()
    index = json.loads((home / "hub" / ".index.json").read_text())
    for kind, name in sorted(set(_needed(index, INSTALLED))):
        path = Path(index[kind][name]["path"])
        link = etc / path.parent.parent / path.name  # without the author's folder
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(home / "hub" / path)
    shutil.copytree(shared / "data", home / "data")
    _rename_lists(etc / "scenarios", home / "data")


def _needed(
    index: Mapping[str, Any], items: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    for kind, name in items:
        yield kind, name
        if kind == "collections":
            held = index[kind][name]
            parts = [(of, part) for of in KINDS for part in held.get(of) or ()]
            yield from _needed(index, parts)


def _rename_lists(scenarios: Path, data: Path) -> None:
    """The package keeps a list under its name in the hub; a scenario may ask for another."""
    for scenario in scenarios.iterdir():
        for url, wanted in LIST.findall(scenario.read_text()):
            shipped = data / url.rpartition("/")[2]
            with suppress(shutil.SameFileError):
                shutil.copy(shipped, data / wanted)


def _downloaded(home: Path) -> Path:
    home.mkdir(parents=True)
    run_or_not_had("crowdsec", ["apt-get", "download", "-q", f"crowdsec={VERSION}*"], home)
    found = sorted(home.glob("crowdsec_*.deb"))
    if not found:
        raise NotHad(f"crowdsec: apt-get knows no crowdsec {VERSION}")
    return found[-1]
