"""T: events that come again, late, early or out of order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import isclose

from tests.faults import ledger
from tests.faults.catalogue import Outcome, fault
from tests.faults.cluster import Cluster, Clusters
from tests.faults.events import ATTACK, answers, deliver, outcomes_of, request
from tests.faults.journal import Journal, Line, traffic
from tests.faults.states import features_of, key_of, state_of

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LONGEST = DAY
"""The pack's longest window: what is further behind its client's newest event is late."""
SKEW = timedelta(minutes=5)
KEPT_S = (LONGEST + timedelta(days=7)).total_seconds()
"""Time to live of a client's windows: the longest of them, and the topics' retention."""
ORDERS = ("in order", "shuffled", "reversed")


@fault(
    "T1",
    "a tenth of all events come again, near and far",
    passes="each id is decided once, each repeat is a duplicate",
    times=5,
    quick=1,
)
def repeats(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="the ring of ids by itself: tests/unit/feature_store/test_seen.py")
    journal, sent = Journal(), Counter[str]()
    with clusters() as cluster:
        for _ in range(times):
            seed = chance.randrange(10**6)
            made = list(traffic(seed, repeats=0.05, broken=0.0, events=4_000))
            far = chance.sample(made[:1_000], 200)
            journal.acked += deliver(cluster, *_shares(made, chance), far).acked
            sent.update(event_id for event_id, _, _ in [*made, *far])
        outcome.add(ledger.check(cluster, journal))
        ended = outcomes_of(cluster)
        due = {key: Counter(decided=1, duplicate=n - 1) for key, n in sent.items()}
        wrong = [key for key in due if +due[key] != ended.get(key)]
        outcome.require(not wrong, f"{len(wrong)} ids ended otherwise, such as {wrong[:3]}")
        outcome.times = sum(sent.values()) - len(sent)
    return outcome


@fault(
    "T2",
    "events come shuffled or from the last to the first",
    passes="the features end equal in every order, gaps aside, and equal a count by hand",
    times=10,
)
def out_of_order(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="every feature by brute force: tests/unit/feature_store/")
    journal, stories = Journal(), []
    with clusters() as cluster:
        for number in range(times):
            story = _story(chance, datetime.now(UTC) - 2 * HOUR)
            shares: list[Line] = []
            for order in ORDERS:
                shares += _told(story, f"t2-{number}-{order.replace(' ', '-')}", order, chance)
            journal.acked += deliver(cluster, *_shares(shares, chance)).acked
            stories.append(story)
        outcome.add(ledger.check(cluster, journal))
        for number, story in enumerate(stories):
            _require_alike(outcome, cluster, story, f"t2-{number}")
            outcome.times += 1
    return outcome


@fault(
    "T3",
    "events come an hour to thirty days late",
    passes="late is told beyond a day, counted, and moves neither features nor blocks",
    times=10,
)
def late(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome()
    behind = {
        "hour": (HOUR, "decided"),
        "day": (LONGEST, "decided"),
        "day-and": (LONGEST + timedelta(microseconds=1), "late"),
        "month": (30 * DAY, "late"),
    }
    journal = Journal()
    with clusters() as cluster:
        for number in range(times):
            client, now = f"late-{number}", datetime.now(UTC) - timedelta(seconds=1)
            on_time = [request(f"{client}-now", client, now)]
            within = [
                request(f"{client}-{name}", client, now - by, path=ATTACK)
                for name, (by, ends) in behind.items()
                if ends == "decided"
            ]
            beyond = [
                request(f"{client}-{name}", client, now - by, path=ATTACK)
                for name, (by, ends) in behind.items()
                if ends == "late"
            ]
            journal.acked += deliver(cluster, on_time, within).acked
            cluster.await_settled()
            before = state_of(cluster, client)
            journal.acked += deliver(cluster, beyond).acked
            cluster.await_settled()
            outcome.require(state_of(cluster, client) == before, f"{client}: features moved")
            outcome.times += len(behind)
        outcome.add(ledger.check(cluster, journal))
        due = {name: ends for name, (_, ends) in behind.items()} | {"now": "decided"}
        for answer in answers(cluster):
            ends = due[answer.event_id.split("-", 2)[2]]
            outcome.require(answer.outcome == ends, f"{answer.told}")
            outcome.require(ends != "late" or "action" not in answer.told, f"{answer.told}")
        counted = sum(fence.late for fence in cluster.fences("ingestion").values())
        outcome.require(counted == 2 * times, f"{counted} late are counted, not {2 * times}")
    return outcome


@fault(
    "T4",
    "events are dated ahead, by a minute to a thousand years",
    passes="beyond 5 minutes dead with its reason; the client's windows and their expiry unmoved",
    times=10,
)
def future(clusters: Clusters, chance: random.Random, times: int) -> Outcome:
    outcome = Outcome(note="edges to the microsecond: tests/unit/stream_agents/test_engine.py")
    ahead = {
        "minute": (timedelta(minutes=1), "decided"),
        "allowed": (SKEW - timedelta(seconds=20), "decided"),
        "refused": (SKEW + timedelta(minutes=5), "dead"),
        "year": (400 * DAY, "dead"),
    }
    due = {name: ends for name, (_, ends) in ahead.items()}
    due |= {"2999": "dead", "9999": "dead", "after": "decided"}
    journal = Journal()
    with clusters() as cluster:
        for number in range(times):
            client, now = f"ahead-{number}", datetime.now(UTC)
            lines = [request(f"{client}-{n}", client, now + by) for n, (by, _) in ahead.items()]
            for year in (2999, 9999):
                lines.append(request(f"{client}-{year}", client, f"{year}-12-31T23:59:59Z"))
            chance.shuffle(lines)
            lines.append(request(f"{client}-after", client, now))
            journal.acked += deliver(cluster, *([line] for line in lines)).acked
            outcome.times += len(ahead) + 2
        outcome.add(ledger.check(cluster, journal))
        for answer in answers(cluster):
            ends = due[answer.event_id.rpartition("-")[2]]
            fits = answer.outcome == ends and (ends != "dead" or "ahead" in answer.told["error"])
            outcome.require(fits, f"{answer.told}")
        for client in (f"ahead-{number}" for number in range(times)):
            lives_s = cluster.redis.call("TTL", key_of(cluster, client))
            outcome.require(0 < lives_s <= KEPT_S, f"{client} expires in {lives_s} s")
            outcome.require(
                features_of(cluster, client)["client_requests_count_24h"] == 3,
                f"{client}: {features_of(cluster, client)}",
            )
    return outcome


def _shares(lines: Sequence[Line], chance: random.Random) -> Iterator[list[Line]]:
    """The lines in their order, in shares of any size."""
    cuts = sorted(chance.sample(range(1, len(lines)), min(12, len(lines) - 1)))
    return (list(lines[a:b]) for a, b in pairwise([0, *cuts, len(lines)]))


def _story(chance: random.Random, since: datetime) -> list[tuple[datetime, dict[str, object]]]:
    """What a client asks for in an hour, in order: few enough events to be kept one by one."""
    times = sorted(chance.sample(range(3600), 40))
    return [
        (
            since + timedelta(seconds=at),
            {
                "path": f"/page/{chance.randrange(9)}",
                "status": chance.choice((200, 200, 302, 404, 500)),
                "method": chance.choice(("GET", "POST")),
                "bytes": chance.randrange(10_000),
            },
        )
        for at in times
    ]


def _told(
    story: Sequence[tuple[datetime, dict[str, object]]],
    client: str,
    order: str,
    chance: random.Random,
) -> list[Line]:
    lines = [
        request(f"{client}-{number}", client, at, **fields)
        for number, (at, fields) in enumerate(story)
    ]
    if order == "shuffled":
        chance.shuffle(lines)
    return lines[::-1] if order == "reversed" else lines


def _require_alike(
    outcome: Outcome,
    cluster: Cluster,
    story: Sequence[tuple[datetime, dict[str, object]]],
    prefix: str,
) -> None:
    ordered, *others = (
        features_of(cluster, f"{prefix}-{order.replace(' ', '-')}") for order in ORDERS
    )
    for order, found in zip(ORDERS[1:], others, strict=True):
        differ = [
            name
            for name, value in ordered.items()
            if "gap" not in name and found[name] != value and (found[name] == found[name])
        ]
        outcome.require(not differ, f"{prefix} {order}: {differ}")
    newest = story[-1][0]
    last = [fields for at, fields in story if at > newest - timedelta(minutes=10)]
    by_hand = {
        "client_requests_count_24h": len(story),
        "client_requests_count_10m": len(last),
        "client_bytes_sum_10m": sum(int(str(fields["bytes"])) for fields in last),
        "client_paths_distinct_10m": len({fields["path"] for fields in last}),
    }
    wrong = {n: ordered[n] for n, due in by_hand.items() if not isclose(ordered[n], due)}
    outcome.require(not wrong, f"{prefix}: {wrong} and by hand {by_hand}")
