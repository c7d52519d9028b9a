"""What is raised on the way to a route, or in it, as a problem."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from api.problems import Problem, of_status


def answer_errors(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Make every error of the framework's a problem.

    Args:
        routers: Those of the application; they know which methods an address has.
    """

    async def http_answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            # The framework names the methods of the first route that has the address.
            routes = (route for router in routers for route in router.routes)
            headers["Allow"] = ", ".join(sorted(methods_of(request, routes))) or headers["Allow"]
        return of_status(error.status_code, headers).response()

    app.add_exception_handler(Problem, problem_answer)
    app.add_exception_handler(HTTPException, http_answer)
    app.add_exception_handler(RequestValidationError, parameter_answer)


def methods_of(request: Request, routes: Iterable[BaseRoute]) -> set[str]:
    """The methods of all routes that have a request's address."""
    found: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found


async def problem_answer(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response()


async def parameter_answer(_: Request, __: Exception) -> Response:
    return Problem(400, "invalid-parameter", "a parameter of the address is not valid").response()
