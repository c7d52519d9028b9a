"""Every operation of the API, asked what its own description allows and much that it does not.

Schemathesis makes the requests up from the description: its examples, the edges of every schema,
random data that is valid and that is not, and sequences that follow one answer into the next
request. They go through the real server.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from structlog.testing import capture_logs

from tests.unit.api.whole import whole

HERE = Path(__file__).parent / "fuzzing"
OF_EACH_OPERATION = 260
AT_LEAST = 5_000


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The application with something in each part of it, behind its server."""
    app = (await whole()).client._transport.app  # type: ignore[attr-defined]  # httpx hides it
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, http="httptools", ws="none", log_config=None)
    )
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def fuzzed(url: str, folder: Path) -> tuple[int, str]:
    """Its exit code, and what it says."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml"), "run", f"{url}/openapi.json"),
        *("--no-color", "--continue-on-failure", "--seed", "1", "--mode", "all"),
        *("--max-examples", str(OF_EACH_OPERATION)),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "COLUMNS": "120",
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = await process.stdout.read()
    return await process.wait(), said.decode()


async def answered(url: str) -> dict[str, int]:
    """How many requests the server has answered, by status."""
    async with httpx.AsyncClient() as client:
        told = (await client.get(f"{url}/metrics")).text
    counts: dict[str, int] = {}
    for status, count in re.findall(r'api_requests_total\{.*status="(\d+)"\} (\S+)', told):
        counts[status] = counts.get(status, 0) + int(float(count))
    return counts


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No line for each of thousands of requests."""
    with capture_logs():
        yield


@pytest.mark.timeout(600)
async def test_no_request_is_answered_against_the_description(tmp_path: Path) -> None:
    async with served() as url:
        code, said = await fuzzed(url, tmp_path)
        counts = await answered(url)

    assert code == 0, said
    assert sum(counts.values()) >= AT_LEAST, said
    assert [status for status, count in counts.items() if status >= "500" and count] == []
