"""Tables and bars of the contenders' rounds."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.bench.charts import Bar
from scripts.bench.markdown import NOT_RUN, Found, table
from scripts.bench.rounds import USUAL_WARM_UP_S

OURS = "centinela"
FIGURES = ("contender", "events/s", "CPU-s/M", "checked / wrong")


def contenders(found: Found) -> str:
    if "throughput" not in found:
        return NOT_RUN
    rounds = found["throughput"]["rounds"]
    base = statistics.median(cpu_each(rounds, OURS)) if cpu_each(rounds, OURS) else None
    rows = []
    for name in by_cpu(rounds):
        cpu, rates = cpu_each(rounds, name), each(rounds, name, "events_per_s")
        times = f"{statistics.median(cpu) / base:.2f}" if base else ""
        rss = statistics.median(each(rounds, name, "peak_rss_mb"))
        compared = sum(each(rounds, name, "compared"))
        wrong = sum(each(rounds, name, "differing"))
        rows.append(
            (
                f"**{name}**" if name.startswith(OURS) else name,
                f"{statistics.median(rates):,.0f}",
                f"{min(rates):,.0f} to {max(rates):,.0f}",
                f"{statistics.median(cpu):,.1f}",
                f"{min(cpu):,.1f} to {max(cpu):,.1f}",
                times,
                f"{rss:,.0f}",
                f"{compared:,} / {wrong:,}" if compared else "",
            )
        )
    titles = (
        "contender",
        "events/s",
        "range",
        "CPU-s/M",
        "range",
        "times ours",
        "MB",
        "checked / wrong",
    )
    return table(titles, rows) + skipped(found["throughput"]["skipped"])


def timing(found: Found) -> str:
    if "throughput" not in found:
        return NOT_RUN
    plan = found["throughput"]["plan"]
    rounds = f"{plan['rounds']} {'round' if plan['rounds'] == 1 else 'rounds'}"
    runs = Counter(one["contender"] for one in found["throughput"]["rounds"])
    once = [name for name, count in runs.items() if count == 1 < plan["rounds"]]
    dear = f" The dearest run once: {', '.join(once)}." if once else ""
    return f"{_timing(plan)}; the table gives the median and the range of {rounds}.{dear}\n"


def _timing(plan: Mapping[str, Any]) -> str:
    usual = USUAL_WARM_UP_S * plan["warm_up_share"]
    return (
        f"Each warms up for {usual:g} s after its first answer ({usual + 5:g} s on a JVM) and "
        f"is then measured for {plan['measured_s']:g} s"
    )


def who(found: Found) -> str:
    if "throughput" not in found:
        return NOT_RUN
    rows = [
        (
            name,
            one["does"],
            one["lacks"],
            ", ".join(f"{package} {version}" for package, version in one["versions"].items()),
        )
        for name, one in found["throughput"]["contenders"].items()
    ]
    return table(("contender", "how it is written", "what it does not do", "versions"), rows)


def workloads(found: Found) -> str:
    if "workloads" not in found:
        return NOT_RUN
    plan = found["workloads"]["plan"]
    said = f"{plan['events']:,} events of each, one round. {_timing(plan)}.\n\n"
    rows = [
        (one["workload"], *_figures(one))
        for one in found["workloads"]["rounds"]
        if one["workload"] != "messy"
    ]
    return said + table(("workload", *FIGURES), rows) + skipped(found["workloads"]["skipped"])


def messy(found: Found) -> str:
    if "workloads" not in found:
        return NOT_RUN
    rows = [
        (
            *_figures(one),
            f"{one['counted_again']:,} of {one['repeats']:,}",
            f"{one['said']:,} of {one['malformed']:,}",
        )
        for one in found["workloads"]["rounds"]
        if one["workload"] == "messy"
    ]
    return table((*FIGURES, "repeats counted again", "malformed lines told"), rows)


def _figures(one: Mapping[str, Any]) -> tuple[str, ...]:
    name, spent = one["contender"], one["cpu_s_per_million"]
    return (
        f"**{name}**" if name.startswith(OURS) else name,
        f"{one['events_per_s']:,.0f}",
        f"{spent['contender'] + spent['redis']:,.1f}",
        f"{one['compared']:,} / {one['differing']:,}",
    )


def workers(found: Found) -> str:
    rounds = found.get("workers", ())
    rows = []
    for name in dict.fromkeys(one["contender"] for one in rounds):
        rates, cpu = each(rounds, name, "events_per_s"), cpu_each(rounds, name)
        count = name.split("-")[1]
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        rows.append(
            (count, f"{statistics.median(rates):,.0f}", spread, f"{statistics.median(cpu):,.1f}")
        )
    return table(("ingestion workers", "events/s", "range", "CPU-s/M"), rows) if rows else NOT_RUN


def crash(found: Found) -> str:
    told = found.get("crash")
    if not told:
        return f"{NOT_RUN} `make bench` leaves it out; `python -m scripts.bench --all` does not."
    rows = [
        (
            f"**{one['contender']}**" if one["contender"].startswith(OURS) else one["contender"],
            f"{one['back_s']:.1f}",
            *(f"{one[field]:,}" for field in ("lost", "repeated", "compared", "wrong")),
        )
        for one in told["contenders"]
    ]
    titles = ("contender", "s until it answers again", "lost", "repeated", "compared", "wrong")
    said = f"\nOf {told['events']:,} events each.\n"
    return table(titles, rows) + said + skipped(told["skipped"])


def skipped(why: Mapping[str, str]) -> str:
    return "".join(f"\nNot run: {name}: {reason}\n" for name, reason in why.items())


def each(
    rounds: Sequence[Mapping[str, Any]], name: str, field: str, workload: str = "zipf"
) -> list[float]:
    chosen = (one for one in rounds if one["contender"] == name and one["workload"] == workload)
    return [one[field] for one in chosen]


def cpu_each(rounds: Sequence[Mapping[str, Any]], name: str, workload: str = "zipf") -> list[float]:
    """CPU seconds per million events of a contender and of Redis for it, in each round."""
    spent = each(rounds, name, "cpu_s_per_million", workload)
    return [one["contender"] + one["redis"] for one in spent]  # type: ignore[index]


def by_cpu(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    names = {one["contender"] for one in rounds if one["workload"] == "zipf"}
    return sorted(names, key=lambda name: statistics.median(cpu_each(rounds, name)))


def cpu_bars(found: Found) -> list[Bar]:
    rounds = found["throughput"]["rounds"]
    return [_bar(name, cpu_each(rounds, name), ",.1f") for name in by_cpu(rounds)]


def rate_bars(found: Found) -> list[Bar]:
    rounds = found["throughput"]["rounds"]
    shown = [_bar(name, each(rounds, name, "events_per_s"), ",.0f") for name in by_cpu(rounds)]
    return sorted(shown, key=lambda bar: -bar.value)


def _bar(name: str, figures: Sequence[float], shape: str) -> Bar:
    middle = statistics.median(figures)
    return Bar(
        name, middle, min(figures), max(figures), format(middle, shape), name.startswith(OURS)
    )
