"""What must hold of any run on any machine: nothing lost, nothing wrong, and loose ratios."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

MOST_TIMES_PLAIN = 6.0
"""CPU per event of the whole access pack over that of job J1 in a bare loop."""
LEAST_TIMES_SCRIPT = 30.0
LEAST_TIMES_SKLEARN = 100.0
MOST_DIFFERENCE = 1e-6


def broken(found: Mapping[str, Any]) -> list[str]:
    """In words, what does not hold; parts that were not run are passed over."""
    return [
        *(f"{name} failed: {why}" for name, why in found.get("failed", {}).items()),
        *_answers(found),
        *_throughput(found.get("throughput")),
        *_messy(found.get("workloads")),
        *_ledgers(found),
        *_model(found.get("model")),
        *_trips(found.get("trips")),
    ]


def cpu_of(rounds: list[Mapping[str, Any]], name: str, workload: str = "zipf") -> float | None:
    """Median CPU seconds per million events of a contender and of Redis for it."""
    spent = [
        one["cpu_s_per_million"]["contender"] + one["cpu_s_per_million"]["redis"]
        for one in rounds
        if one["contender"] == name and one["workload"] == workload
    ]
    return statistics.median(spent) if spent else None


def _answers(found: Mapping[str, Any]) -> Iterator[str]:
    for part in ("throughput", "workloads"):
        for one in found.get(part, {}).get("rounds", ()):
            if one["differing"]:
                who = f"{one['contender']}, {one['workload']}"
                yield f"{who}: {one['differing']} answers are wrong: {one['fault']}"


def _messy(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Centinela answers a repeat as one, and says of each line that is no event that it is none."""
    for one in found["rounds"] if found else ():
        if one["workload"] != "messy" or one["contender"] != "centinela":
            continue
        if one["counted_again"] or not one["repeats"]:
            yield f"messy: {one['counted_again']} of {one['repeats']} repeats are answered as new"
        if one["said"] < one["malformed"] or not one["malformed"]:
            yield f"messy: {one['said']} of {one['malformed']} malformed lines are told"


def _throughput(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        return
    ours, plain, script = (
        cpu_of(found["rounds"], name) for name in ("centinela", "plain-batched", "script")
    )
    if ours and plain and ours > MOST_TIMES_PLAIN * plain:
        yield f"CPU an event is {ours / plain:.1f} times the bare loop's, > {MOST_TIMES_PLAIN}"
    if ours and script and script < LEAST_TIMES_SCRIPT * ours:
        yield f"the usual script costs only {script / ours:.0f} times, < {LEAST_TIMES_SCRIPT}"


def _ledgers(found: Mapping[str, Any]) -> Iterator[str]:
    if latency := found.get("latency"):
        ledger = latency["ledger"]
        # A request that timed out may have been accepted or not.
        if not ledger["answered"] <= ledger["decided"] <= ledger["sent"]:
            yield f"latency: the books do not balance: {ledger}"
    recovery = found.get("recovery")
    if recovery and (recovery["lost"] or recovery["ledger"]["decided"] != recovery["sent"]):
        yield f"recovery: the books do not balance: {recovery['ledger']}, sent {recovery['sent']}"


def _model(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        return
    times = found["us_a_call"]["1"]["times_fused"]["scikit-learn"]
    if times < LEAST_TIMES_SKLEARN:
        yield f"one row is only {times} times faster than scikit-learn, < {LEAST_TIMES_SKLEARN}"
    if found["greatest_difference"] > MOST_DIFFERENCE:
        yield f"scores differ by {found['greatest_difference']}, > {MOST_DIFFERENCE}"


def _trips(found: Mapping[str, Any] | None) -> Iterator[str]:
    for name, one in (found or {}).items():
        # One for each chunk, one to take over, and a lone commit whenever the log ran dry.
        if one["exchanges_a_chunk"] > 1.5:
            yield f"{name}: {one['exchanges_a_chunk']} exchanges with Redis a chunk"
        if one["script_calls_an_exchange"] > one["partitions"]:
            yield f"{name}: {one['script_calls_an_exchange']} script calls an exchange"
