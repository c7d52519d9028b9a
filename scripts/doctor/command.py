"""`centinela doctor`: what is wrong on this machine, and the command that repairs it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import typer
from rich.text import Text

from producer.exits import Exit
from scripts.doctor.finding import Finding, State
from scripts.doctor.machine import machine
from scripts.doctor.model import model
from scripts.doctor.ports import ports
from scripts.doctor.servers import servers
from scripts.doctor.store import store
from scripts.output import Output, OutputOption, QuietOption, console, plain, print_json, say
from scripts.stack.pids import UP, PidFolder
from scripts.stack.settings import LocalStack

STARTED = {
    "native": frozenset({"kafka", "redis", "ingestion", "decision", "api"}),
    "docker": frozenset({"kafka", "api"}),
    "embedded": frozenset({"api"}),
}
"""What `up` starts and this machine can ask; the containers keep the rest among themselves."""

STYLES = {State.OK: "green", State.OFF: "dim", State.WARNING: "yellow", State.FAILED: "bold red"}


def doctor(output: OutputOption = Output.TEXT, quiet: QuietOption = False) -> None:
    """Check this machine and what runs, and name what repairs it.

    A failed line ends with the command that repairs it. What is not running is `off`, and no fault
    unless it was started. Exit code 1 if a check failed.

    \b
    Examples:
      centinela doctor
      centinela doctor -o json | jq '.findings[] | select(.state == "failed")'
    """
    logging.getLogger("centinela.kafka").setLevel(logging.CRITICAL)  # its faults come as findings
    findings = []
    for finding in examine(LocalStack()):
        findings.append(finding)
        if output is Output.TEXT:
            show(finding)
    failed = [finding for finding in findings if finding.state is State.FAILED]
    if output is Output.JSON:
        print_json(told(findings))
    say(summary(len(findings), len(failed)), quiet)
    if failed:
        raise typer.Exit(Exit.NOT_RIGHT)


def examine(settings: LocalStack) -> Iterator[Finding]:
    """All findings, each as soon as it is there."""
    running = frozenset(entry.name for entry in PidFolder(settings.run).running())
    started = STARTED[settings.stack] if UP in running else running
    yield from machine(settings)
    yield from model()
    yield from ports(settings)
    yield from servers(settings, started)
    yield from store(settings, "redis" in started)


def show(finding: Finding) -> None:
    line = Text.assemble(
        (f"{finding.state:<9}", STYLES[finding.state]),
        (f"{finding.check:<16}", "bold"),
        plain(str(finding)),
    )
    console().print(line, soft_wrap=True)


def told(findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "ok": all(finding.state is not State.FAILED for finding in findings),
        "findings": [
            {
                "check": finding.check,
                "state": finding.state,
                "line": finding.line,
                "repair": finding.repair or None,
            }
            for finding in findings
        ],
    }


def summary(checks: int, failed: int) -> str:
    return f"{failed} of {checks} checks failed" if failed else f"none of {checks} checks failed"
