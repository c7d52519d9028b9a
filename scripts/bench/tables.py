"""The tables and lists of docs/benchmarks.md, each from the figures of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.bench.charts import Bar
from scripts.bench.engines import (
    contenders,
    crash,
    messy,
    timing,
    who,
    workers,
    workloads,
)
from scripts.bench.markdown import NOT_RUN, Found, table


def machine(found: Found) -> str:
    told = found["machine"]
    load = ", ".join(f"{when} {figure}" for when, figure in told["load"].items())
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    changed = ", with changes not committed" if told["uncommitted"] else ""
    rows = [
        ("when", told["at"]),
        ("command", f"`{told['command']}`, {told['took_s']} s"),
        ("commit", f"`{told['commit']}`{changed}"),
        ("processor", f"{told['processor']}, {told['cores']} cores"),
        ("memory", f"{told['memory_gib']} GiB"),
        ("software", versions),
        ("niceness", told["nice"]),
        ("load average", load),
    ]
    rows += [
        (f"data, {name}", f"{one['events']:,} events, SHA-256 `{one['sha256']}`")
        for part in ("throughput", "workloads")
        for name, one in found.get(part, {}).get("data", {}).items()
    ]
    return table(("", ""), rows)


def busy(found: Found) -> str:
    """A warning, where others were working on the machine."""
    told = found["machine"]
    before = told["load"].get("before", 0.0)
    if before <= told["cores"] / 2:
        return "Nobody else was working there.\n"
    return (
        f"**Others were working there** in the minute before: the load average was {before:g} on "
        f"{told['cores']} cores. If they went on, rates, latencies and recovery times are too bad, "
        "most for what needs several processes to take turns; CPU per event suffers less.\n"
    )


def latency(found: Found) -> str:
    if "latency" not in found:
        return NOT_RUN
    size = found["latency"]["batch_of"]
    loops = [(size, one) for one in found["latency"]["loops"]]
    loops += [(int(events), one) for events, one in found["latency"]["sizes"].items()]
    rows = [
        (
            f"{one['rate_per_s']:g} of {events}",
            f"{one['rate_per_s'] * events:,.0f}",
            f"{one['requests']:,}",
            *(f"{one[f'{p}_ms']:,.1f}" for p in ("p50", "p99", "p999", "max")),
            f"{one['timed_out']:,}",
            f"{one['not_200'] - one['timed_out']:,}",
        )
        for events, one in loops
    ]
    titles = (
        "batches/s",
        "events/s",
        "sent",
        "p50 ms",
        "p99",
        "p99.9",
        "max",
        "time-outs",
        "not 200",
    )
    return table(titles, rows)


def shapes(found: Found) -> str:
    told = found.get("latency", {}).get("shapes")
    if not told:
        return NOT_RUN
    rows = [
        (
            f"{one['partitions']}",
            f"{one['lanes']}",
            f"{one['chunks_a_batch']:.2f}",
            *(f"{one[f'{p}_ms']:,.1f}" for p in ("p50", "p99", "max")),
        )
        for one in told
    ]
    return table(("partitions", "lanes", "chunks a batch", "p50 ms", "p99", "max"), rows)


def floors(found: Found) -> str:
    if "latency" not in found:
        return NOT_RUN
    told, over = found["latency"]["floors_ms"], found["latency"]["p50_over_floor"]
    names = {
        "http": "the same HTTP server, body decoded, fixed answer (p50, open loop)",
        "kafka_rtt_1_slices": "Kafka, one message there and back, acknowledged by all",
        "kafka_rtt_8_slices": "the same, the batch in 8 slices on 8 partitions",
        "redis_real": "Redis, the script: the batch's clients committed and read",
        "redis_empty": "Redis, a script that does nothing, with as many keys and bytes",
        "model": "the shipped forest on 100 rows",
        "plain": "100 events decoded, folded into a dict and encoded, in one process",
        "sum": "**sum**: HTTP + 2 × Kafka + Redis + forest",
    }
    rows = [(what, f"{told[name]:.3f}") for name, what in names.items()]
    said = f"\nThe median at 100 batches/s is **{over:g} times** that sum.\n"
    return table(("floor", "ms"), rows) + said


def breakdown(found: Found) -> str:
    told = found.get("latency", {}).get("breakdown_ms")
    if not told:
        return NOT_RUN
    rows = [(what, f"{ms:.2f}") for what, ms in told["spans"].items()]
    steps = [
        (agent, *(f"{told['steps'][agent].get(step, 0):.2f}" for step in STEPS))
        for agent in ("ingestion", "decision")
    ]
    spans = table(("span", "mean ms"), rows)
    return f"{spans}\n{table(('agent', *(f'{step} ms' for step in STEPS)), steps)}"


STEPS = ("decode", "store", "fold", "emit", "answer")


def recovery(found: Found) -> str:
    told = found.get("recovery")
    if not told:
        return NOT_RUN
    rows = [
        (agent, one["recovered_s"] or "not within 60", f"{one['worst_lag_s']:.1f}")
        for agent, one in told["seconds_until_lag_below_1_s"].items()
    ]
    said = (
        f"\n{told['sent']:,} events were sent, {told['answered']:,} were answered, "
        f"{told['lost']:,} lost; {told['repeated_records_to_drop']:,} records were written twice, "
        f"which readers drop. The fences say: "
        + ", ".join(f"{outcome} {count:,}" for outcome, count in told["ledger"].items())
        + ".\n"
    )
    return table(("killed", "s until lag < 1 s", "worst lag s"), rows) + said


def growth(found: Found) -> str:
    told = found.get("growth")
    if not told:
        return NOT_RUN
    rows = [
        (
            f"{told['clients'][which]:,}",
            f"{told[which]['p50_ms']:.1f}",
            f"{told[which]['p99_ms']:.1f}",
            f"{told['rss_mb'][which]['ingestion']:.0f}",
            f"{told['rss_mb'][which]['decision']:.0f}",
            f"{told['rss_mb'][which]['redis']:.0f}",
        )
        for which in ("few", "many")
    ]
    titles = ("clients", "p50 ms", "p99 ms", "ingestion MB", "decision MB", "Redis MB")
    window = told["window"]
    folds = [(name, f"{us:.3f}") for name, us in window["us_an_event"].items()]
    said = (
        f"\nThe median grows {told['p50_growth']:g} times. Redis holds "
        f"{told['redis_bytes_a_client']:.0f} bytes a client, its own overhead included.\n\n"
    )
    grown = f"\nA day costs {window['growth']:g} times a minute.\n"
    return table(titles, rows) + said + table(("window", "us of CPU an event"), folds) + grown


def trips(found: Found) -> str:
    told = found.get("trips")
    if not told:
        return NOT_RUN
    rows = [
        (
            name,
            f"{one['events']:,}",
            f"{one['chunks']:,}",
            f"{one['exchanges']:,}",
            f"{one['exchanges_a_chunk']:g}",
            f"{one['script_calls']:,}",
        )
        for name, one in told.items()
    ]
    titles = ("backlog", "events", "chunks", "round trips", "a chunk", "script calls")
    return table(titles, rows)


def model(found: Found) -> str:
    told = found.get("model")
    if not told:
        return NOT_RUN
    ways = tuple(told["us_a_call"]["1"]["median"])
    rows = []
    for count, one in told["us_a_call"].items():
        cells = [f"{one['median'][way]:,.1f} ({one['times_fused'][way]:g})" for way in ways]
        rows.append((f"{int(count):,}", *cells))
    said = "\nThe greatest difference from scikit-learn's score over 5,000 rows is "
    nodes = told.get("skl2onnx_nodes")
    graph = f" skl2onnx makes a graph of {nodes:,} nodes." if nodes else ""
    return table(("rows", *ways), rows) + f"{said}{told['greatest_difference']:.1g}.{graph}\n"


def reads(found: Found) -> str:
    told = found.get("reads")
    if not told:
        return NOT_RUN
    rows = [
        (
            name,
            f"{told[name]['reads']:,}",
            f"{told[name]['p50_ms']:.2f}",
            f"{told[name]['p99_ms']:.2f}",
        )
        for name in ("centinela", "feast")
        if name in told
    ]
    text = table(("store", "reads", "p50 ms", "p99 ms"), rows)
    return text + (f"\n{told['skipped']}\n" if "skipped" in told else "")


def latency_bars(found: Found) -> list[Bar]:
    told = found["latency"]
    floor = told["floors_ms"]["sum"]
    shown = [Bar("sum of the floors", floor, floor, floor, f"{floor:.1f}")]
    for one in told["loops"]:
        p50, p99 = one["p50_ms"], one["p99_ms"]
        label = f"{one['rate_per_s'] * told['batch_of']:,.0f} events/s"
        shown.append(Bar(label, p50, p50, p99, f"{p50:.1f}, p99 {p99:.1f}", ours=True))
    return shown


TABLES: Mapping[str, Callable[[Found], str]] = {
    "machine": machine,
    "busy": busy,
    "timing": timing,
    "contenders": contenders,
    "who": who,
    "workloads": workloads,
    "messy": messy,
    "workers": workers,
    "latency": latency,
    "floors": floors,
    "shapes": shapes,
    "breakdown": breakdown,
    "crash": crash,
    "recovery": recovery,
    "growth": growth,
    "trips": trips,
    "model": model,
    "reads": reads,
}
