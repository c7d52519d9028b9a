from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from scripts.bench import engines, gates, report, usage
from scripts.bench.charts import Bar, bars
from scripts.bench.contenders.catalog import contenders
from scripts.bench.contenders.contender import NotHad, Processes, run_or_not_had
from scripts.bench.contenders.j1 import add, minute_of, new_state
from scripts.bench.open_loop import TIMEOUT_S, Answer, Latencies, open_loop
from scripts.bench.recovery import Books
from scripts.stack.settings import ROOT
from scripts.stack.waiting import held_in_time

FIGURES = ROOT / "docs" / "benchmarks.json"


def test_a_bucket_is_left_after_ten_minutes() -> None:
    state = new_state()
    add(state, 100, 10, 200)
    add(state, 105, 30, 404)

    assert add(state, 109, 20, 200) == (3, 20.0, 1 / 3)
    assert add(state, 110, 40, 200) == (3, 30.0, 1 / 3)
    assert add(state, 500, 7, 500) == (1, 7.0, 1.0)


def test_minutes_are_counted_in_utc() -> None:
    assert minute_of("1970-01-01T01:00:59.999Z") == 60
    assert minute_of("1970-01-01T01:01:00.000+01:00") == 1


def test_latency_counts_from_the_time_that_was_due() -> None:
    answer = Answer(due_s=10.0, sent_s=10.4, answered_s=10.5, status=200)

    assert answer.latency_ms == pytest.approx(500.0)


def test_a_time_out_counts_as_the_time_out() -> None:
    answers = [Answer(0.0, 0.0, 0.010, 200)] * 9 + [Answer(0.0, 0.0, 9.0, 0)]

    told = Latencies.of(10, answers)

    assert (told.max_ms, told.timed_out, told.not_200) == (1000 * TIMEOUT_S, 1, 1)
    assert told.p50_ms == 10.0


async def test_a_server_that_stalls_is_seen_by_all_that_were_due_meanwhile() -> None:
    stalled = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
                await stalled.wait()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n" + b'{"decided":1}')
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    asyncio.get_running_loop().call_later(0.5, stalled.set)

    answers = await open_loop(f"http://127.0.0.1:{port}", "/analyze", [b"{}"] * 20, 100)
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.1)

    assert [answer.status for answer in answers] == [200] * 20
    assert [answer.decided for answer in answers] == [1] * 20
    assert answers[0].latency_ms > 400
    assert answers[19].latency_ms > 200


def test_a_process_is_counted_with_its_children(tmp_path: Path) -> None:
    processes = Processes()
    sleeping = "import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeping!r}])"
    pid = processes.launch([sys.executable, "-c", code], {}, tmp_path / "log")
    try:
        assert held_in_time(lambda: len(usage.family([pid])) == 2, 20, lambda: None)
        assert pid in usage.family([os.getpid()])
        assert usage.rss_mb([pid]) > 1
    finally:
        processes.stop()

    assert usage.family([pid]) == (pid,)
    assert usage.rss_mb([pid]) == usage.cpu_s([pid]) == 0


def test_what_cannot_be_built_is_skipped_with_its_last_words() -> None:
    with pytest.raises(NotHad, match="x: .*no such module"):
        run_or_not_had("x", [sys.executable, "-c", "raise SystemExit('no such module')"])


def test_contenders_have_names_of_their_own_and_say_what_they_lack() -> None:
    found = contenders()

    assert len({one.name for one in found}) == len(found)
    for one in found:
        assert one.does
        assert one.lacks
        assert all(one.versions().values())


def test_a_record_that_was_written_twice_counts_once() -> None:
    books = Books()
    books.sent("1", 3)
    books.seen("1", (0, "epoch", "7"), 2)
    books.seen("1", (0, "epoch", "7"), 2)

    assert (books.answered, books.repeated_records, books.open) == (2, 1, {"1": 1})


def _round(name: str, cpu: float, **fields: Any) -> dict[str, Any]:
    spent = {"contender": cpu, "redis": 0.0, "kafka": 1.0}
    told = {"contender": name, "workload": "zipf", "cpu_s_per_million": spent}
    return told | {"differing": 0, "fault": ""} | fields


def test_gates_hold_wrong_answers_and_ratios_against_a_run() -> None:
    good = [_round("centinela", 12), _round("plain-batched", 8), _round("script", 5000)]
    wrong = [_round("centinela", 90, differing=2, fault="2 count"), *good[1:]]

    assert gates.broken({"throughput": {"rounds": good}}) == []
    assert [line.split(":")[0] for line in gates.broken({"throughput": {"rounds": wrong}})] == [
        "centinela, zipf",
        "CPU an event is 11.2 times the bare loop's, > 6.0",
    ]


def test_gates_hold_a_repeat_and_a_malformed_line_against_a_run() -> None:
    books = {"repeats": 9, "counted_again": 0, "malformed": 8, "said": 8, "workload": "messy"}
    good = [_round("centinela", 12, **books), _round("plain", 9, **books | {"said": 0})]
    bad = [_round("centinela", 12, **books | {"counted_again": 1, "said": 7})]

    assert gates.broken({"workloads": {"rounds": good}}) == []
    assert gates.broken({"workloads": {"rounds": bad}}) == [
        "messy: 1 of 9 repeats are answered as new",
        "messy: 7 of 8 malformed lines are told",
    ]


def test_a_table_tells_what_became_of_repeats_and_of_malformed_lines() -> None:
    books = {"repeats": 9, "counted_again": 7, "malformed": 8, "said": 1, "workload": "messy"}
    figures = {"events_per_s": 1234.5, "compared": 40, "peak_rss_mb": 1}
    rounds = [_round("plain", 9, **books, **figures), _round("plain", 8, **figures)]
    plan = {"events": 500, "warm_up_share": 0.4, "measured_s": 2.5}

    found = {"workloads": {"rounds": rounds, "plan": plan, "skipped": {"cards": "no file"}}}

    assert "| plain | 1,234 | 9.0 | 40 / 0 | 7 of 9 | 1 of 8 |" in engines.messy(found)
    assert "| zipf | plain | 1,234 | 8.0 | 40 / 0 |" in engines.workloads(found)
    assert "Not run: cards: no file" in engines.workloads(found)


def test_gates_hold_the_books_against_a_run() -> None:
    ledger = {"decided": 9, "duplicate": 0, "late": 0, "dead": 0}
    found = {"recovery": {"sent": 10, "lost": 1, "ledger": ledger}}

    assert [line[:9] for line in gates.broken(found)] == ["recovery:"]


def test_a_chart_is_xml_with_a_bar_for_each_figure() -> None:
    shown = [Bar("a & b", 10, 9, 12, "10"), Bar("c", 1000, 900, 1200, "1,000", ours=True)]

    drawn = ElementTree.fromstring(bars("title", "note", shown, logarithmic=True))

    assert len(drawn.findall("{http://www.w3.org/2000/svg}rect")) == 1 + len(shown)


def test_the_page_and_its_pictures_are_made_of_the_figures() -> None:
    found = json.loads(FIGURES.read_text())

    assert (ROOT / "docs" / "benchmarks.md").read_text() == report.page(found)
    for name, drawn in report.pictures(found).items():
        assert (ROOT / "docs" / "images" / name).read_text() == drawn


def test_a_page_of_no_figures_says_so() -> None:
    told = {"at": "", "command": "", "took_s": 0, "commit": "", "uncommitted": False, "nice": 0}
    told |= {"processor": "", "cores": 2, "memory_gib": 1, "versions": {}, "load": {}}

    page = report.page({"machine": told})

    assert page.count("Not measured in this run.") == 16
    assert "<!--" not in page
