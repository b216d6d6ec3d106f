"""The service over HTTP: paths, and what of `jobs`, `results` and `streams` answers them. FastAPI is imported
here alone.

Every refusal is problem details (`problems`). Functions that wait (for the store's writer, a helper, a disk)
are plain ones, which FastAPI runs in threads. What many ask for again and again is made once for each version
of it (`answers`), without a thread, as a reader of the store never waits, and the same words are taken apart
once.
"""

import base64
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from evo import api
from evo.service.answers import Answers, Asked, nothing
from evo.service.guard import COOKIE, Guard, is_page
from evo.service.helpers import Helpers
from evo.service.jobs import Jobs, described, nameless, require
from evo.service.measures import Measures
from evo.service.problems import TITLES, ProblemError, ProblemObject, problem
from evo.service.request import ChangesRequest, CheckRequest, JobRequest, SessionRequest, SpecRequest
from evo.service.results import Results, suffix
from evo.service.settings import Settings
from evo.service.states import ACTIVE, State
from evo.service.store import Store
from evo.service.streams import Streams
from evo.service.tokens import Access, find
from evo.service.watcher import Watcher

LOG = logging.getLogger("evonum.service")
PAGE = Path(__file__).parent / "page"
EXPORT_S = 120.0
"""Patience with an export: every float32 may be asked [s]."""
Name = Annotated[str, InPath(max_length=64, description="Of a job.")]
Text = Annotated[str | None, Query(max_length=2000)]
Interval = Annotated[list[str] | None, Query(min_length=2, max_length=2, description="Given twice: ends.")]
Target = Annotated[str, Query(min_length=1, max_length=1000)]
Ops = Annotated[int | None, Query(ge=0, le=9999)]
PROBLEM = {
    "description": "Problem details.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    s: PROBLEM for s in (400, 401, 403, 404, 413, 421, 422, 429, 503)
}


@dataclass(frozen=True)
class Parts:
    """What a service is made of."""

    store: Store
    settings: Settings
    watcher: Watcher
    helpers: Helpers
    jobs: Jobs
    answers: Answers
    results: Results
    streams: Streams
    measures: Measures


def make_app(parts: Parts) -> Callable[..., Any]:
    """The service as an ASGI application."""
    app = FastAPI(
        title="evonum", version=version("evonumerics"), docs_url=None, redoc_url=None,
        description="Searches for fast, provably accurate approximations of functions.",
    )  # fmt: skip
    _add_refusals(app)
    _add_health(app, parts)
    _add_jobs(app, parts)
    _add_results(app, parts)
    _add_knowledge(app, parts)
    _add_session(app, parts)
    _describe(app)
    page = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    _add_refusals(page)
    page.mount("/", StaticFiles(directory=PAGE, html=True))
    answered = parts.answers.before(app)
    measured = parts.measures.around(lambda path: page if is_page(path) else answered)
    return Guard(measured, parts.store, parts.settings)


def _describe(app: FastAPI) -> None:
    """Adds what refusals look like to the interface's description."""
    schema = app.openapi()
    schema["components"]["schemas"]["Problem"] = ProblemObject.model_json_schema()


async def _access(request: Request) -> Access:
    access: Access | None = request.state.access
    if access is None:
        raise ProblemError(401, "A token is needed.", headers={"WWW-Authenticate": "Bearer"})
    return access


Caller = Annotated[Access, Depends(_access)]


async def _reader(access: Caller) -> None:
    require(access, "read")


READS = [Depends(_reader)]


def held(
    parts: Parts, request: Request, make: Callable[[], Any], mark: Callable[[], Hashable] = nothing
) -> Response:
    """An answer of `parts.answers`; what waiting jobs wait for is of the watcher, not of the store."""
    made = parts.answers.of(Asked.of(request.scope), make, lambda: (mark(), parts.watcher.trouble))
    return Response(made, media_type="application/json")


def _add_refusals(app: FastAPI) -> None:
    def answer(request: Request, status: int, detail: str, entry: str | None = None, **more: Any) -> Response:
        body = problem(status, detail, request.url.path, entry)
        return JSONResponse(body, status, media_type="application/problem+json", **more)

    @app.exception_handler(ProblemError)
    def refused(request: Request, error: ProblemError) -> Response:
        return answer(request, error.status, str(error), error.entry, headers=error.headers)

    @app.exception_handler(api.EvonumError)
    def wrong(request: Request, error: api.EvonumError) -> Response:
        return answer(request, 422 if error.kind == "input" else 503, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            what = first.get("ctx", {}).get("error", "")
            return answer(request, 422, f"The body is no JSON: {what} at character {first['loc'][-1]}.")
        if first["loc"] == ("body",) and isinstance(first.get("input"), bytes):
            return answer(request, 422, "The body is not taken as JSON: send Content-Type: application/json.")
        entry = ".".join(str(part)[:60] for part in first["loc"][1:]) or None
        return answer(request, 422, f"{entry or 'request'}: {first['msg']}", entry)

    @app.exception_handler(StarletteHTTPException)
    def plain(request: Request, error: HTTPException) -> Response:
        known = str(error.detail) if error.detail != "Not Found" else f"There is no {request.url.path[:80]}."
        allowed = {"Allow": ", ".join(_methods(request))} if error.status_code == 405 else error.headers
        return answer(request, error.status_code, known or TITLES.get(error.status_code, ""), headers=allowed)

    @app.exception_handler(RecursionError)
    def deep(request: Request, error: RecursionError) -> Response:
        return answer(request, 422, "request: it is nested too deeply")

    @app.exception_handler(Exception)
    def fault(request: Request, error: Exception) -> Response:
        LOG.error("A request failed.", exc_info=error, extra={"path": request.url.path})
        return answer(request, 500, "The service's log says what went wrong.")


def _methods(request: Request) -> list[str]:
    """What can be done with the path of a request."""
    routes: Any = request.app.routes
    there = [route for route in routes if route.matches(request.scope)[0] != Match.NONE]
    return sorted(
        {method for route in there for method in getattr(route, "methods", None) or ("GET", "HEAD")}
    )


def _add_health(app: FastAPI, parts: Parts) -> None:
    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"], responses={503: PROBLEM})
    def readyz() -> dict[str, str]:
        """Whether jobs are taken and looked after."""
        if complaint := parts.measures.complaint():
            raise ProblemError(503, complaint)
        return {"status": "ready"}

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse, dependencies=READS)
    def metrics() -> str:
        """For Prometheus."""
        return parts.measures.text()


def _add_jobs(app: FastAPI, parts: Parts) -> None:
    jobs = parts.jobs
    more: dict[str, Any] = {"tags": ["jobs"], "responses": REFUSALS}

    @app.post("/api/v1/check", **more)
    def check(request: SpecRequest, access: Caller) -> dict[str, Any]:
        """A specification's entries as a job would have them; nothing is begun."""
        require(access, "read")
        return {"spec": jobs.check(request.spec)}

    @app.post("/api/v1/jobs", status_code=201, **more)
    def submit(
        request: JobRequest,
        response: Response,
        access: Caller,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    ) -> dict[str, Any]:
        """Submits a job. The same Idempotency-Key again gives the same job, with status 200."""
        job, new = jobs.submit(request, access, idempotency_key)
        response.status_code = 201 if new else 200
        response.headers["Location"] = f"/api/v1/jobs/{job.id}"
        return described(job, jobs.places().get(job.id))

    @app.get("/api/v1/jobs", dependencies=READS, response_model=dict[str, Any], **more)
    async def listed(
        request: Request,
        state: Annotated[list[State] | None, Query()] = None,
        owner: Text = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[int | None, Query(ge=0, lt=1 << 62)] = None,
    ) -> Response:
        """Jobs, the newest first; `next` is the `before` of the next page."""
        states = frozenset(state) if state else None

        def page() -> dict[str, Any]:
            found = parts.store.jobs(owner=owner, before=before, limit=limit + 1, newest=True, states=states)
            places = jobs.places()
            told = [described(job, places.get(job.id)) for job in found[:limit]]
            return {"jobs": told, "next": found[limit - 1].seq if len(found) > limit else None}

        return held(parts, request, page)

    @app.get("/api/v1/jobs/{id}", dependencies=READS, response_model=dict[str, Any], **more)
    async def shown(id: Name, request: Request, access: Caller) -> Response:
        """A job, with its run in MLflow: id and, where the store is a server, address."""

        def told() -> dict[str, Any]:
            job = jobs.find(id, access)
            return {**described(job, jobs.places().get(id)), "run": parts.results.run(job)}

        return held(parts, request, told, lambda: parts.results.mark(id, "mlflow.json"))

    @app.get("/api/v1/jobs/{id}/history", **more)
    def history(id: Name, access: Caller) -> list[dict[str, Any]]:
        """Every change of a job's state, with its cause."""
        return [vars(event) for event in parts.store.events(jobs.find(id, access).id)]

    @app.post("/api/v1/jobs/{id}/stop", status_code=202, **{**more, "responses": {**REFUSALS, 409: PROBLEM}})
    def stop(id: Name, access: Caller) -> dict[str, Any]:
        """Asks for a job's end at the next safe point; its front is proved and kept."""
        return described(jobs.stop(id, access))

    @app.post(
        "/api/v1/jobs/{id}/resume", status_code=202, **{**more, "responses": {**REFUSALS, 409: PROBLEM}}
    )
    def resume(id: Name, request: ChangesRequest, access: Caller) -> dict[str, Any]:
        """Goes on with a job that ended."""
        return described(jobs.resume(id, request.changes, access), jobs.places().get(id))

    @app.delete("/api/v1/jobs/{id}", status_code=204, **{**more, "responses": {**REFUSALS, 409: PROBLEM}})
    def delete(id: Name, access: Caller) -> None:
        """Deletes a job that ended, and all that it found."""
        jobs.delete(id, access)


def _add_results(app: FastAPI, parts: Parts) -> None:
    jobs, results = parts.jobs, parts.results
    more: dict[str, Any] = {"tags": ["results"], "responses": REFUSALS}

    @app.get("/api/v1/jobs/{id}/events", response_class=StreamingResponse, **more)
    def events(
        id: Name, access: Caller, last_event_id: Annotated[str, Header(max_length=64)] = ""
    ) -> StreamingResponse:
        """Server-sent events `state`, `progress`, `front` and `end`; Last-Event-ID resumes."""
        text = parts.streams.of(jobs.find(id, access).id, last_event_id)
        return StreamingResponse(text, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    @app.get("/api/v1/jobs/{id}/log", response_class=PlainTextResponse, **more)
    def log(
        id: Name, access: Caller, offset: Annotated[int, Query(ge=0, lt=1 << 62)] = 0
    ) -> PlainTextResponse:
        """What the search said after a byte; the header Next-Offset says where to go on."""
        text, end = results.log(jobs.find(id, access), offset)
        return PlainTextResponse(text, headers={"Next-Offset": str(end)})

    @app.get("/api/v1/jobs/{id}/front", dependencies=READS, response_model=list[dict[str, Any]], **more)
    async def front(id: Name, request: Request, access: Caller) -> Response:
        """The members of the front, as front.json has them."""
        return held(parts, request, lambda: results.front(jobs.find(id, access)), lambda: results.mark(id))

    @app.get("/api/v1/jobs/{id}/pictures", **more)
    def pictures(id: Name, access: Caller) -> dict[str, Any]:
        """Error curves by operations, classical forms by family."""
        return dict(results.pictures(jobs.find(id, access)))

    @app.get("/api/v1/jobs/{id}/certificates/{ops}", **more)
    def certificate(id: Name, ops: Annotated[int, InPath(ge=0, le=9999)], access: Caller) -> Any:
        """The proof of a member."""
        return results.certificate(jobs.find(id, access), ops)

    @app.get("/api/v1/jobs/{id}/export/{to}", response_class=Response, **more)
    def export(
        id: Name,
        to: Annotated[str, InPath(max_length=40)],
        access: Caller,
        ops: Ops = None,
        every: Annotated[bool, Query(alias="all")] = False,
        dtype: Annotated[str | None, Query(max_length=20)] = None,
        full: bool = False,
        name: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        """A formula in a format, or all as a family."""
        job, ending = jobs.find(id, access), suffix(to)
        if not results.front(job):
            raise ProblemError(404, "The job has no front yet.")
        options = {"ops": ops, "every": every, "dtype": dtype, "full": full, "name": name}
        directory = str(parts.settings.search(job.id))
        with nameless(parts.settings):
            made = parts.helpers.ask("export", EXPORT_S, directory=directory, to=to, options=options)
        file = f"{job.id}{'' if ops is None else f'-{ops}'}.{ending}"
        held = {"Content-Disposition": f'attachment; filename="{file}"'}
        if "base64" in made:
            return Response(base64.b64decode(made["base64"]), 200, held, "application/octet-stream")
        return PlainTextResponse(made["text"], 200, held)

    @app.get("/api/v1/best", dependencies=READS, **more)
    def best(
        target: Target,
        interval: Interval = None,
        metric: Annotated[str | None, Query(max_length=20)] = None,
        dtype: Annotated[str, Query(max_length=20)] = "real",
        ops: Ops = None,
        error: Annotated[float | None, Query(gt=0, allow_inf_nan=False)] = None,
    ) -> dict[str, Any]:
        """The best formulas of all jobs: the front, or the one of so many operations or so small an error."""
        asked = parts.helpers.ask("check_target", target=target, interval=interval, metric=metric, points=2)
        found = {name: asked[name] for name in ("target", "interval", "metric")}
        return {**found, "members": results.best(found, dtype, ops, error)}


def _add_knowledge(app: FastAPI, parts: Parts) -> None:
    more: dict[str, Any] = {"tags": ["knowledge"], "responses": REFUSALS, "dependencies": READS}

    @app.get("/api/v1/targets", response_model=list[dict[str, Any]], **more)
    async def targets(request: Request) -> Response:
        """The catalogue."""
        return held(parts, request, lambda: [row._asdict() for row in api.targets()])

    @app.post("/api/v1/targets/check", **more)
    def check(request: CheckRequest) -> Any:
        """A target, checked, with points of its graph."""
        return parts.helpers.ask("check_target", **request.model_dump(mode="json"))

    @app.get("/api/v1/baselines", **more)
    def baselines(
        target: Target,
        interval: Interval = None,
        metric: Annotated[str | None, Query(max_length=20)] = None,
        max_ops: Annotated[int, Query(ge=2, le=api.MAX_CLASSICAL)] = 12,
        ops: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Any:
        """What the textbooks have at each number of operations."""
        return parts.helpers.ask(
            "baselines", EXPORT_S, target=target, interval=interval, metric=metric, max_ops=max_ops, ops=ops
        )

    @app.get("/api/v1/formats", **more)
    def formats() -> list[dict[str, Any]]:
        """What formulas are exported to."""
        return [
            {"name": row.name, "suffix": row.suffix, "many": row.many, "full": row.full, "binary": row.binary}
            for row in api.EXPORT_FORMATS.values()
        ]

    @app.get("/api/v1/queue", response_model=dict[str, Any], **more)
    async def queue(request: Request) -> Response:
        """Cores, who has them, who waits for what; where MLflow is."""
        return held(parts, request, lambda: _queue(parts))


def _queue(parts: Parts) -> dict[str, Any]:
    waiting = [
        {"job": p.job.id, "owner": p.job.owner, "cores": p.job.cores, "place": p.number, "reason": p.reason}
        for p in parts.watcher.places()
    ]
    active = [
        {"job": job.id, "owner": job.owner, "cores": job.cores, "state": job.state}
        for job in parts.store.jobs(ACTIVE)
    ]
    return {
        "cores": parts.settings.cores, "active": active, "waiting": waiting, "recent": parts.store.used(),
        "mlflow": parts.settings.mlflow,
    }  # fmt: skip


def _add_session(app: FastAPI, parts: Parts) -> None:
    @app.get("/api/v1/me", tags=["access"], responses=REFUSALS)
    def me(access: Caller) -> dict[str, Any]:
        """Who this request is of, and what it may do."""
        return {**vars(access), "scopes": sorted(access.scopes)}

    @app.post("/api/v1/session", status_code=204, tags=["access"], responses=REFUSALS)
    def begin(request: SessionRequest, http: Request, response: Response) -> None:
        """Gives the page a cookie for a token: EventSource sends no other."""
        if find(parts.store, request.token) is None:
            raise ProblemError(401, "The token is unknown, revoked or over.")
        response.set_cookie(
            COOKIE, request.token, httponly=True, samesite="strict", path="/",
            secure=http.headers.get("x-forwarded-proto") == "https",
        )  # fmt: skip

    @app.delete("/api/v1/session", status_code=204, tags=["access"], responses=REFUSALS)
    def end(response: Response) -> None:
        """Takes the cookie back."""
        response.delete_cookie(COOKIE, path="/")
