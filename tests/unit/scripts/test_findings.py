"""What is told of many answers: a finding a client, and the account."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from scripts.findings import MOST_REASONS, Finding, Found, findings_table, told_apart


def result(client: str, number: int, action: str | None = "allow", why: str = "") -> dict[str, Any]:
    return {
        "event_id": f"{client}-{number}",
        "outcome": "decided" if action else "duplicate",
        "action": action,
        "score": 0.5,
        "entity": client,
        "reasons": [{"code": "x", "text": why}] if why else [],
    }


def answer(*results: dict[str, Any], invalid: int = 0, dead: int = 0) -> dict[str, Any]:
    decided = sum(1 for each in results if each["action"])
    return {
        "results": results,
        "summary": {
            "decided": decided,
            "duplicate": len(results) - decided,
            "late": 0,
            "dead": dead,
            "invalid": invalid,
        },
    }


def shown(*findings: Finding) -> str:
    console = Console(width=140)
    with console.capture() as captured:
        console.print(findings_table(findings))
    return captured.get()


def finding(client: str, *reasons: str, action: str = "block") -> Finding:
    return Finding(client, 10, 4, action, 0.93, reasons, f"{client}-0")


def test_a_client_is_found_by_its_strictest_answer_with_the_reasons_of_its_first() -> None:
    found = Found()
    found.add(2, answer(result("a", 0), result("a", 1, "alert", "odd")))
    found.add(2, answer(result("a", 2, "block", "worse"), result("a", 3, "block", "in force")))

    assert found.findings() == [Finding("a", 4, 3, "block", 0.5, ("worse",), "a-2")]


def test_the_strictest_come_first_and_of_these_the_loudest() -> None:
    found = Found()
    loud = [result("loud", number, "block") for number in range(3)]
    found.add(6, answer(result("mild", 0, "alert"), result("block", 0, "block"), *loud))

    assert [each.client for each in found.findings()] == ["loud", "block", "mild"]


def test_the_account_holds_what_never_came_back() -> None:
    found = Found()
    found.add(5, answer(result("a", 0), result("a", 0, None), invalid=1))

    assert str(found.ledger) == (
        "sent 5 = decided 1 + duplicate 1 + late 0 + dead-lettered 1 + missing 2"
    )


def test_who_was_allowed_or_not_judged_is_no_finding() -> None:
    found = Found()
    found.add(2, answer(result("a", 0), result("b", 0, None)))

    assert found.findings() == []


def test_clients_found_alike_are_one_row_and_others_are_not() -> None:
    alike = [finding(f"10.0.0.{n}", "asks for secrets", f"errors: {n}") for n in range(3)]
    other = [finding("10.0.1.1", "SQL"), finding("10.0.1.2", "asks for secrets", action="alert")]

    rows = [line for line in shown(*alike, *other).splitlines() if line.startswith("│ 10.")]

    assert [row.split()[1] for row in rows] == ["10.0.0.0", "10.0.1.1", "10.0.1.2"]
    assert "12 of 30" in rows[0]
    assert "and 2 more" in shown(*alike)


def test_a_row_gives_the_first_reasons() -> None:
    table = shown(finding("a", *(f"reason {n}" for n in range(MOST_REASONS + 1))))

    assert f"reason {MOST_REASONS - 1}" in table
    assert f"reason {MOST_REASONS}" not in table


def test_what_a_client_writes_is_nobodys_markup_and_steers_no_terminal() -> None:
    table = shown(finding("[red]name[/red]", "[bold]why \x1b[2J"))

    assert "[red]name[/red]" in table
    assert "[bold]why \\x1b[2J" in table


def test_attackers_and_others_are_told_apart() -> None:
    assert told_apart([finding("a"), finding("x")], {"a", "b"}, {"x", "y", "z"}) == {
        "attackers": 2,
        "attackers_found": 1,
        "others": 3,
        "others_found": 1,
    }
