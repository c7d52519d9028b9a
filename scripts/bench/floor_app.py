"""The API's server without anything behind it: the body is decoded, the answer is fixed."""

from __future__ import annotations

import msgspec
from fastapi import FastAPI, Request, Response

from models.packs.access.events import AccessEvent

ANSWER = b'{"results":[' + b",".join([b'{"outcome":"decided","action":"allow"}'] * 100) + b"]}"

app = FastAPI()
_decoder = msgspec.json.Decoder(AccessEvent)


@app.post("/analyze")
async def analyze(request: Request) -> Response:
    _decoder.decode_lines(await request.body())
    return Response(ANSWER, media_type="application/json")
