from app.main import create_app

PUBLIC = {
    "GET /.well-known/jwks.json",
    "GET /auth/openid-configuration",
    "POST /auth/refresh",
    "POST /auth/register",
    "POST /auth/token",
    "GET /events/heartbeat",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}


def test_operation_that_needs_no_token_is_listed_as_public() -> None:
    public = {
        f"{method.upper()} {path}"
        for path, operations in create_app().openapi()["paths"].items()
        for method, operation in operations.items()
        if "security" not in operation
    }

    assert public
    assert public <= PUBLIC, (
        f"{public - PUBLIC} can be called without a token: give the router"
        " `dependencies=[Depends(get_current_user)]`, or list the operations in PUBLIC"
    )
