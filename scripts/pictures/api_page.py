"""The API's own page at /docs: a request made on it, and its answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripts.pictures.browser import Page, browser
from scripts.stack.settings import CannotStart

WIDTH, HEIGHT = 1100, 1400
MARGIN = 8
ANSWERED = ".live-responses-table tbody"
OPERATION = "document.querySelector('[data-path=\"/analyze\"]').closest('.opblock')"

STYLE = """document.createElement('style'),
    {textContent: '.live-responses-table .highlight-code > .microlight {max-height: 720px}'}"""
"""The page shows 400 pixels of an answer, and the rest of it when it is scrolled."""

REQUEST, ANSWER = "api-request.png", "api-answer.png"


def take(api: str, folder: Path) -> None:
    """Fill the form of `POST /analyze`, send it, and keep both halves."""
    with browser() as page:
        page.open(f"{api}/docs", WIDTH, HEIGHT)
        page.wait_for("document.querySelector('[data-path=\"/analyze\"]')")
        page.run(f"{OPERATION}.querySelector('.opblock-summary-control').click()")
        page.wait_for(f"{OPERATION}.querySelector('.try-out__btn')")
        page.run(f"{OPERATION}.querySelector('.try-out__btn').click()")
        page.wait_for(f"{OPERATION}.querySelector('textarea')")
        _fill(page, "textarea", json.dumps(body(datetime.now(UTC)), indent=2))
        _fill(page, "[data-param-name='Idempotency-Key'] input", "")  # the page's own was used once
        request = _part(page, "", ".execute-wrapper")
        page.run(f"{OPERATION}.querySelector('.execute').click()")
        page.wait_for(f"{OPERATION}.querySelector('.live-responses-table .response')")
        (folder / REQUEST).write_bytes(request)
        _require_ok(page)
        page.run(f"document.head.append(Object.assign({STYLE}))")
        (folder / ANSWER).write_bytes(_part(page, ".live-responses-table", ".live-responses-table"))


def body(now: datetime) -> dict[str, object]:
    """A visitor, and someone who tries to read passwords; ids of their own every time."""

    def event(number: int, client: str, path: str, status: int) -> dict[str, object]:
        at = now + timedelta(milliseconds=number)
        return {
            "event_id": f"web-1-{int(now.timestamp())}-{number}",
            "occurred_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "client_ip": client,
            "method": "GET",
            "path": path,
            "status": status,
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        }

    attack = "/item?id=1%27%20UNION%20SELECT%20login,password%20FROM%20users--"
    return {
        "events": [
            event(1, "198.51.100.77", attack, 500),
            event(2, "203.0.113.40", "/products/42", 200),
        ]
    }


def _fill(page: Page, selector: str, text: str) -> None:
    """As if typed: the page learns of it from the events alone, of some when they are left."""
    page.run(
        f"""(() => {{
            const field = {OPERATION}.querySelector({json.dumps(selector)});
            const kind = Object.getPrototypeOf(field);
            Object.getOwnPropertyDescriptor(kind, 'value').set.call(field, {json.dumps(text)});
            field.dispatchEvent(new Event('input', {{bubbles: true}}));
            field.dispatchEvent(new FocusEvent('focusout', {{bubbles: true}}));
            if (field.tagName === 'TEXTAREA') field.style.height = field.scrollHeight + 8 + 'px';
        }})()"""
    )


def _require_ok(page: Page) -> None:
    status = page.run(f"{OPERATION}.querySelector('{ANSWERED} .response-col_status').innerText")
    if status.strip() != "200":
        raise CannotStart(f"the request on the page was answered with {status}")


def _part(page: Page, first: str, last: str) -> bytes:
    """From one element of the operation to another, over its whole width."""
    box = page.run(
        f"""(() => {{
            const whole = {OPERATION}, box = whole.getBoundingClientRect();
            const from = {json.dumps(first)} ? whole.querySelector({json.dumps(first)}) : whole;
            const to = whole.querySelector({json.dumps(last)});
            const top = from.getBoundingClientRect().top + scrollY;
            return {{x: box.left, y: top, width: box.width,
                     height: to.getBoundingClientRect().bottom + scrollY - top}};
        }})()"""
    )
    clip = {"x": box["x"] - MARGIN, "y": box["y"] - MARGIN}
    sizes = {"width": box["width"] + 2 * MARGIN, "height": box["height"] + 2 * MARGIN}
    return page.picture({**clip, **sizes})
