"""Examples of the documentation do what their pages say."""

from __future__ import annotations

import asyncio
import io
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.response import addinfourl

import pytest
from structlog.testing import capture_logs

from producer.formats import parse_access_line
from scripts.stack.settings import ROOT
from tests.unit.api.loopback import api
from tests.unit.docs.markdown import blocks

README = ROOT / "README.md"
GUIDE = ROOT / "docs" / "how-to" / "analyze-a-batch.md"
KAGGLE = ROOT / "docs" / "how-to" / "replay-kaggle.md"


def asked(request: urllib.request.Request) -> addinfourl:
    """What the application answers, without a network."""

    async def ask() -> addinfourl:
        answer = await api().client.request(
            request.get_method(),
            request.selector,
            content=request.data,  # type: ignore[arg-type]  # urllib takes more kinds than are used
            headers=dict(request.header_items()),
        )
        headers = Message()
        for name, value in answer.headers.items():
            headers[name] = value
        return addinfourl(io.BytesIO(answer.content), headers, request.full_url, answer.status_code)

    return asyncio.run(ask())


@pytest.mark.parametrize("page", [README, GUIDE], ids=lambda page: page.name)
def test_the_python_example_is_answered(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", asked)
    (code,) = [block.text for block in blocks(page) if block.language == "python"]
    names: dict[str, Any] = {}

    with capture_logs():
        exec(compile(code, page.name, "exec"), names)

    told = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in told] == [
        [event["event_id"], "allow"] for event in names["events"]
    ]


def test_lines_like_those_of_the_kaggle_log_are_read() -> None:
    (log,) = [block.text for block in blocks(KAGGLE) if block.language == "log"]
    events = [parse_access_line(line) for line in log.splitlines()]

    assert [(event.client_ip, event.method, event.status) for event in events] == [
        ("192.0.2.41", "GET", 200),
        ("192.0.2.51", "GET", 200),
        ("192.0.2.51", "POST", 499),
        ("192.0.2.66", "GET", 302),
    ]
    assert events[0].occurred_at == "2019-01-22T00:26:14.000Z"
    assert events[0].path == "/filter/27|13%20%D9%85%DA%AF%D8%A7,p53"
    assert events[1].user_agent.endswith("Build/HuaweiALE-L21)")
    assert events[2].referrer == "https://www.shop.example/"
    assert events[3].user_agent == ""
