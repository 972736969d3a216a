"""The routes of posts: copy this file as a start for the tests of your feature.

Each test stores what it needs, sends one or two requests, and checks the response and the database.
docs/testing.md explains the fixtures.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import User
from app.database import Database
from app.posts.models import Post
from tests import clients, users
from tests.clients import bearer
from tests.conftest import MakeToken, MakeUser

NEW = {"title": "Hello", "body": "World", "slug": "hello"}


@pytest_asyncio.fixture
async def post(async_db: AsyncSession, user: User) -> Post:
    """A post by `user`."""
    post = Post(author_id=user.id, title="Mine", body="All mine", slug="mine")
    async_db.add(post)
    await async_db.commit()
    return post


@pytest_asyncio.fixture
async def foreign_post(async_db: AsyncSession, make_user: MakeUser) -> Post:
    """A post by another user."""
    author = await make_user()
    post = Post(author_id=author.id, title="Theirs", body="Hands off", slug="theirs")
    async_db.add(post)
    await async_db.commit()
    return post


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/posts/"),
        ("POST", "/posts/"),
        ("GET", "/posts/1"),
        ("PATCH", "/posts/1"),
        ("DELETE", "/posts/1"),
    ],
)
async def test_posts_require_a_token(
    method: str, path: str, anonymous_client: httpx.AsyncClient
) -> None:
    response = await anonymous_client.request(method, path, json={})

    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert response.headers["www-authenticate"] == "Bearer"


async def test_post_is_created_with_its_author(
    async_client: httpx.AsyncClient, make_user: MakeUser, make_token: MakeToken
) -> None:
    author = await make_user()  # not the only user
    headers = bearer(make_token(author))
    created = await async_client.post("/posts/", json=NEW, headers=headers)
    read = await async_client.get(f"/posts/{created.json()['id']}")

    assert created.status_code == HTTPStatus.CREATED
    assert created.json() == read.json()
    assert created.json() == NEW | {
        "id": created.json()["id"],
        "author_id": author.id,
        "created_at": created.json()["created_at"],
    }
    assert created.json()["created_at"].endswith("Z")


async def test_duplicate_slug_is_a_conflict_and_changes_nothing(
    async_client: httpx.AsyncClient, post: Post
) -> None:
    response = await async_client.post("/posts/", json=NEW | {"slug": post.slug})

    assert response.status_code == HTTPStatus.CONFLICT
    assert response.json()["detail"] == "A post with this slug already exists"
    assert (await async_client.get(f"/posts/{post.id}")).json()["title"] == "Mine"
    assert post.title == "Mine"  # objects of the test survive the rollback of a request


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"title": " \n"},
        {"title": "\0"},
        {"body": "a\0b"},
        {"title": None},
        {"title": "x" * 201},
        {"slug": "x" * 101},
        {"body": "x" * 20_001},
        {"slug": "Not a slug"},
        {"slug": "hello\n"},
        {"body": 1},
        {"author_id": 1},
    ],
)
async def test_invalid_post_is_refused(
    changes: dict[str, Any], async_client: httpx.AsyncClient
) -> None:
    response = await async_client.post("/posts/", json=NEW | changes)

    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert response.headers["content-type"] == "application/problem+json"


async def test_posts_are_listed_in_pages_newest_first(
    async_client: httpx.AsyncClient,
) -> None:
    for number in range(5):
        await async_client.post("/posts/", json=NEW | {"slug": f"post-{number}"})

    pages = []
    query: dict[str, int] = {"limit": 2}
    while query.get("after", 0) is not None:
        page = (await async_client.get("/posts/", params=query)).json()
        pages.append([item["slug"] for item in page["items"]])
        query["after"] = page["next"]

    assert pages == [["post-4", "post-3"], ["post-2", "post-1"], ["post-0"]]


async def test_page_takes_one_query_besides_authentication(
    anonymous_client: httpx.AsyncClient, auth_headers: dict[str, str], queries: list[str]
) -> None:
    page = await anonymous_client.get("/posts/", headers=auth_headers)

    assert page.is_success
    assert len(queries) == 2


async def test_pages_do_not_shift_when_newer_posts_arrive(
    async_client: httpx.AsyncClient,
) -> None:
    for number in range(3):
        await async_client.post("/posts/", json=NEW | {"slug": f"post-{number}"})
    first = (await async_client.get("/posts/", params={"limit": 1})).json()
    await async_client.post("/posts/", json=NEW | {"slug": "newest"})

    second = (await async_client.get("/posts/", params={"limit": 1, "after": first["next"]})).json()

    assert [item["slug"] for item in second["items"]] == ["post-1"]


async def test_full_last_page_has_no_next_page(async_client: httpx.AsyncClient, post: Post) -> None:
    page = (await async_client.get("/posts/", params={"limit": 1})).json()

    assert [item["slug"] for item in page["items"]] == [post.slug]
    assert page["next"] is None


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"after": "x"}, {"after": 2**53}])
async def test_invalid_page_parameters_are_refused(
    query: dict[str, Any], async_client: httpx.AsyncClient
) -> None:
    response = await async_client.get("/posts/", params=query)

    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_unknown_post_is_not_found(method: str, async_client: httpx.AsyncClient) -> None:
    response = await async_client.request(method, f"/posts/{2**53 - 1}", json={})

    assert response.status_code == HTTPStatus.NOT_FOUND
    assert response.json()["detail"] == "Post not found"


async def test_missing_fields_keep_their_value(async_client: httpx.AsyncClient, post: Post) -> None:
    response = await async_client.patch(f"/posts/{post.id}", json={"title": "Changed"})

    changed = response.json()
    assert (changed["title"], changed["body"], changed["slug"]) == ("Changed", "All mine", "mine")


async def test_null_clears_the_body_but_no_other_field(
    async_client: httpx.AsyncClient, post: Post
) -> None:
    cleared = await async_client.patch(f"/posts/{post.id}", json={"body": None})
    refused = await async_client.patch(f"/posts/{post.id}", json={"title": None})

    assert cleared.json()["body"] is None
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_change_to_a_duplicate_slug_is_a_conflict(
    async_client: httpx.AsyncClient, post: Post, foreign_post: Post
) -> None:
    response = await async_client.patch(f"/posts/{post.id}", json={"slug": foreign_post.slug})

    assert response.status_code == HTTPStatus.CONFLICT


async def test_queries_of_the_test_show_the_changes_of_requests(
    async_client: httpx.AsyncClient, async_db: AsyncSession, post: Post
) -> None:
    await async_client.patch(f"/posts/{post.id}", json={"title": "Changed"})
    assert await async_db.scalar(select(Post)) is post
    assert post.title == "Changed"

    await async_client.delete(f"/posts/{post.id}")
    assert await async_db.scalar(select(Post)) is None


async def test_author_can_delete_a_post(async_client: httpx.AsyncClient, post: Post) -> None:
    deleted = await async_client.delete(f"/posts/{post.id}")
    read = await async_client.get(f"/posts/{post.id}")

    assert deleted.status_code == HTTPStatus.NO_CONTENT
    assert read.status_code == HTTPStatus.NOT_FOUND


async def test_id_of_a_deleted_post_is_not_used_again(
    async_client: httpx.AsyncClient, post: Post
) -> None:
    await async_client.delete(f"/posts/{post.id}")

    created = await async_client.post("/posts/", json=NEW)

    assert created.json()["id"] > post.id


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_other_users_can_read_but_not_change_a_post(
    method: str, async_client: httpx.AsyncClient, foreign_post: Post
) -> None:
    read = await async_client.get(f"/posts/{foreign_post.id}")
    refused = await async_client.request(
        method, f"/posts/{foreign_post.id}", json={"title": "Mine now"}
    )

    assert read.status_code == HTTPStatus.OK
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert foreign_post.title == "Theirs"


@pytest.mark.parametrize(
    ("method", "status"), [("PATCH", HTTPStatus.OK), ("DELETE", HTTPStatus.NO_CONTENT)]
)
async def test_admin_can_change_and_delete_a_post(
    method: str,
    status: int,
    anonymous_client: httpx.AsyncClient,
    foreign_post: Post,
    make_user: MakeUser,
    make_token: MakeToken,
) -> None:
    admin = await make_user(role="admin")

    response = await anonymous_client.request(
        method,
        f"/posts/{foreign_post.id}",
        json={"title": "Moderated"},
        headers=bearer(make_token(admin)),
    )

    assert response.status_code == status


async def test_one_of_two_concurrent_posts_with_the_same_slug_is_stored(
    app: FastAPI, clean_database: Database
) -> None:
    app.state.database = clean_database
    author = await users.new_user("ada@example.com")
    async with clean_database.session() as session:
        session.add(author)
        await session.commit()

    async with clients.http_client(app, bearer(users.mint(author))) as client:
        responses = await asyncio.gather(*(client.post("/posts/", json=NEW) for _ in range(2)))

    statuses = sorted(response.status_code for response in responses)
    assert statuses == [HTTPStatus.CREATED, HTTPStatus.CONFLICT]


async def test_fields_may_have_their_maximum_length(async_client: httpx.AsyncClient) -> None:
    longest = {"title": "x" * 200, "slug": "x" * 100, "body": "x" * 20_000}

    created = await async_client.post("/posts/", json=longest)

    assert created.status_code == HTTPStatus.CREATED
    assert longest.items() <= created.json().items()


async def test_page_has_20_posts_by_default_and_100_at_most(
    async_client: httpx.AsyncClient, async_db: AsyncSession, user: User
) -> None:
    async_db.add_all(
        Post(author_id=user.id, title="Mine", slug=f"post-{number}") for number in range(101)
    )
    await async_db.commit()

    default = (await async_client.get("/posts/")).json()
    largest = (await async_client.get("/posts/", params={"limit": 100})).json()

    assert (len(default["items"]), len(largest["items"])) == (20, 100)
