"""Random requests get only responses that the OpenAPI document describes."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from app.auth.models import Role
from app.main import create_app
from tests.clients import BASE_URL, bearer
from tests.conftest import MakeToken, MakeUser
from tests.fuzzing import fuzzed
from tests.waiting import limited


def without_large_limits(schema: dict[str, Any]) -> dict[str, Any]:
    # Schemathesis repeats the `pattern` up to `maxLength` times, which takes most of a second.
    return {name: value for name, value in schema.items() if name != "maxLength" or value < 1000}


DOCUMENT = json.loads(json.dumps(create_app().openapi()), object_hook=without_large_limits)
# tests/realtime/test_random_streams.py reads event streams, which may be endless.
SCHEMA: Any = schemathesis.openapi.from_dict(DOCUMENT).exclude(
    path=["/events/heartbeat", "/events/notifications"]
)
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]
CREATIONS = {operation.path: operation for operation in OPERATIONS if operation.method == "post"}
# Schemathesis also checks that valid requests are accepted, but JSON Schema cannot tell which
# domains of email addresses are reserved.
CHECKS = [
    not_a_server_error,
    checks.content_type_conformance,
    checks.negative_data_rejection,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.status_code_conformance,
]


def sequences(operation: Any) -> st.SearchStrategy[tuple[Case[Any], ...]]:
    """Return a strategy for a request; if its path has an id, a request first creates a row."""
    cases = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
    creation = CREATIONS.get(operation.path.partition("{")[0])
    before = [creation.as_strategy()] if creation else []
    return st.tuples(*before, st.one_of(cases))


@fuzzed
@given(
    cases=st.one_of([*map(sequences, OPERATIONS)]),
    existing=st.booleans(),
    role=st.sampled_from([None, *Role]),
)
async def test_responses_are_described(
    cases: Sequence[Case[Any]],
    existing: bool,
    role: Role | None,
    anonymous_client: httpx.AsyncClient,
    make_token: MakeToken,
    make_user: MakeUser,
) -> None:
    user = await make_user(role=role or Role.USER)
    headers = bearer(make_token(user)) if role else {}
    row_id = user.id
    for case in cases:
        known = dict.fromkeys(case.path_parameters, row_id) if existing else {}
        case.path_parameters.update(known)
        options = case.as_transport_kwargs(BASE_URL, headers=headers)
        request: Any = requests.Request(**options).prepare()
        async with limited():
            response = await anonymous_client.request(
                request.method, request.url, content=request.body, headers=dict(request.headers)
            )
        case.validate_response(response, CHECKS)
        created = response.json() if response.status_code == 201 else {}
        row_id = created.get("id", row_id)
