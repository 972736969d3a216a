from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from app import about
from app.auth.models import User
from app.auth.tokens import CLAIMS, InvalidTokenError, create_access_token, decode_access_token
from app.settings import get_settings
from tests.conftest import MakeToken

USER = User(id=7, role="user")


def claims() -> dict[str, Any]:
    token = create_access_token(7, "user")
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def sign(
    claims: dict[str, Any], algorithm: str = "HS256", key: str | None = None, typ: str = "at+jwt"
) -> str:
    key = get_settings().secret_key.get_secret_value() if key is None else key
    return jwt.encode(claims, key, algorithm, headers={"typ": typ})


def test_a_token_says_who_for_whom_by_whom_and_until_when() -> None:
    token = create_access_token(7, "admin")

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt"}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert sorted(claims) == CLAIMS
    assert claims["sub"] == "7"
    assert claims["role"] == "admin"
    assert claims["iss"] == claims["aud"] == about.NAME
    assert claims["exp"] - claims["iat"] == get_settings().access_token_minutes * 60


def test_the_subject_is_text_whatever_the_id() -> None:
    id_ = UUID("00000000-0000-4000-8000-000000000007")

    token = create_access_token(id_, "user")

    assert jwt.decode(token, options={"verify_signature": False})["sub"] == str(id_)


def test_every_token_has_an_id_of_its_own() -> None:
    assert claims()["jti"] != claims()["jti"]


def test_a_token_is_read_back() -> None:
    token = decode_access_token(create_access_token(7, "admin"))

    assert (token.user_id, token.role) == (7, "admin")
    lifetime = timedelta(minutes=get_settings().access_token_minutes)
    assert timedelta(0) < token.expires_at - datetime.now(UTC) <= lifetime


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_token_without_one_of_its_claims_is_refused(claim: str, make_token: MakeToken) -> None:
    with pytest.raises(InvalidTokenError):
        decode_access_token(make_token(USER, **{claim: None}))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "another-service"}, id="audience"),
        pytest.param({"iss": "another-service"}, id="issuer"),
        pytest.param({"sub": "not a number"}, id="subject"),
        pytest.param({"sub": "0"}, id="subject-too-small"),
        pytest.param({"sub": " 1"}, id="subject-with-a-blank"),
        pytest.param({"sub": "+1"}, id="subject-with-a-sign"),
        pytest.param({"sub": "\uff11"}, id="subject-of-another-script"),
        pytest.param({"role": ["admin"]}, id="role-is-a-list"),
        pytest.param({"role": "x" * 21}, id="role-too-long"),
        pytest.param({"sid": "garbage"}, id="session"),
        pytest.param({"sid": 1}, id="session-is-a-number"),
        pytest.param({"exp": "9999999999"}, id="expiry-is-text"),
        pytest.param({"exp": [9999999999]}, id="expiry-is-a-list"),
        pytest.param({"sub": str(2**63)}, id="subject-too-large"),
        pytest.param({"exp": 1e308}, id="endless"),
        pytest.param({"exp": datetime.now(UTC) - timedelta(seconds=31)}, id="expired"),
        pytest.param({"iat": datetime.now(UTC) + timedelta(minutes=5)}, id="from-the-future"),
        pytest.param({"nbf": datetime.now(UTC) + timedelta(minutes=5)}, id="not-yet-valid"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(
    changes: dict[str, Any], make_token: MakeToken
) -> None:
    with pytest.raises(InvalidTokenError):
        decode_access_token(make_token(USER, **changes))


def test_clocks_may_differ_by_some_seconds(make_token: MakeToken) -> None:
    ago = datetime.now(UTC) - timedelta(seconds=10)
    ahead = datetime.now(UTC) + timedelta(seconds=10)

    assert decode_access_token(make_token(USER, exp=ago)).user_id == 7
    assert decode_access_token(make_token(USER, iat=ahead)).user_id == 7


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda: "", id="nothing"),
        pytest.param(lambda: "garbage", id="garbage"),
        pytest.param(lambda: "a.b.c", id="three-parts-of-garbage"),
        pytest.param(lambda: "é" * 100, id="not-ascii"),
        pytest.param(lambda: sign(claims(), "none", ""), id="unsigned"),
        pytest.param(lambda: sign(claims(), "HS512"), id="another-algorithm"),
        pytest.param(lambda: sign(claims(), key="x" * 32), id="another-key"),
        pytest.param(lambda: sign(claims(), typ="JWT"), id="another-type"),
        pytest.param(lambda: create_access_token(7, "user")[:-2], id="cut-off"),
    ],
)
def test_a_forged_token_is_refused(forge: Any) -> None:
    with pytest.raises(InvalidTokenError):
        decode_access_token(forge())
