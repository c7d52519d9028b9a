"""Every example of the description: requests are sent, answers held against their schemas."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import pytest

from api.openapi import EVERYWHERE, HEADERS
from tests.unit.api.loopback import Api, api
from tests.unit.api.whole import whole

DESCRIBED = api().client._transport.app.openapi()  # type: ignore[attr-defined]  # httpx hides it
FEW = {"livez", "health", "livez_alias", "version", "metrics", "problem", "readyz"}
"""Operations whose answer is always the same, or no JSON."""


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    docs: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.docs["operationId"])

    def parameters(self, where: str) -> dict[str, str]:
        given = self.docs.get("parameters", [])
        shown = [each for each in given if each["in"] == where and "example" in each]
        return {each["name"]: str(each["example"]) for each in shown}

    def address(self) -> str:
        return self.path.format(**self.parameters("path"))

    def answers(self) -> Iterator[tuple[str, str, Any, Any]]:
        """Status, name, schema and value of every example of an answer."""
        for status, answer in self.docs["responses"].items():
            for content in answer.get("content", {}).values():
                for name, example in content.get("examples", {}).items():
                    yield status, name, content["schema"], example["value"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as an example shows it, with all of the operation's other parameters or none."""

    operation: Operation
    content_type: str | None = None
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    async def to(self, to: Api) -> Any:
        body = self.body if isinstance(self.body, str | None) else json.dumps(self.body)
        type_of = {} if self.content_type is None else {"Content-Type": self.content_type}
        return await to.client.request(
            self.operation.method,
            self.operation.address(),
            params=self.query,
            content=body,
            headers=self.headers | type_of,
        )


OPERATIONS = [
    Operation(method.upper(), path, docs)
    for path, methods in DESCRIBED["paths"].items()
    for method, docs in methods.items()
]


def bodies(operation: Operation) -> Iterator[tuple[str, str | None, Any]]:
    contents = operation.docs.get("requestBody", {}).get("content", {})
    if not contents:
        yield "", None, None
    for content_type, content in contents.items():
        for name, example in content["examples"].items():
            yield f"{content_type} {name}", content_type, example["value"]


def requests() -> Iterator[Any]:
    for operation in OPERATIONS:
        for name, content_type, body in bodies(operation):
            yield pytest.param(Sent(operation, content_type, body), id=f"{operation.name} {name}")
            query, headers = operation.parameters("query"), operation.parameters("header")
            if query or headers:
                sent = Sent(operation, content_type, body, query, headers)
                yield pytest.param(sent, id=f"{operation.name} {name} with all parameters")


def complaints(schema: Any, value: Any) -> list[str]:
    whole = {**schema, "components": DESCRIBED["components"]}
    return [str(error) for error in jsonschema_rs.validator_for(whole).iter_errors(value)]


def told(headers: Collection[str]) -> set[str]:
    """Those of some headers that the description has words for."""
    given = {name.lower() for name in headers}
    return {name for name in HEADERS if name.lower() in given}


@pytest.mark.parametrize("sent", list(requests()))
async def test_an_example_is_answered_as_described(sent: Sent) -> None:
    answer = await sent.to(await whole())

    described = sent.operation.docs["responses"][str(answer.status_code)]
    assert answer.status_code < 300, answer.text
    assert told(answer.headers) <= {*described.get("headers", {}), *EVERYWHERE}
    [(content_type, content)] = described["content"].items()
    assert answer.headers["content-type"].startswith(content_type)
    if "schema" in content:
        assert complaints(content["schema"], answer.json()) == []


@pytest.mark.parametrize(
    ("operation", "status", "name", "schema", "value"),
    [
        pytest.param(operation, *answer, id=f"{operation.name} {answer[0]} {answer[1]}")
        for operation in OPERATIONS
        for answer in operation.answers()
    ],
)
def test_an_example_answer_is_what_its_schema_says(
    operation: Operation, status: str, name: str, schema: Any, value: Any
) -> None:
    assert complaints(schema, value) == []
    if value.get("type", "").startswith("/problems/"):
        assert (value["type"], str(value["status"])) == (f"/problems/{name}", status)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_has_two_examples_of_what_it_answers(operation: Operation) -> None:
    good = [name for status, name, *_ in operation.answers() if status < "300"]
    for content in operation.docs.get("requestBody", {}).get("content", {}).values():
        assert content["examples"]

    assert len(good) >= 2 or operation.name.removesuffix("_alias") in FEW


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_part_of_an_address_is_explained(operation: Operation) -> None:
    given = operation.docs.get("parameters", [])

    assert all(each["description"] for each in given)
    # A page that fills in a key would send the next body under it, too.
    assert {each["name"] for each in given if "example" not in each} <= {"Idempotency-Key"}
    assert {each["name"] for each in given if each["in"] == "path"} == {
        part.partition("}")[0] for part in operation.path.split("{")[1:]
    }
