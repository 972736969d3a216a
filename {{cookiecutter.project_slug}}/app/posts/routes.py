from http import HTTPStatus
from typing import Annotated

from fastapi import BackgroundTasks, Depends, Query
from sqlalchemy import bindparam, select

from app.auth.models import Role
from app.database.statements import HotStatement
from app.dependencies import CurrentUser, DbSession, get_current_user
from app.errors import ConflictError, ForbiddenError, NotFoundError, conflict, raises
from app.http.routing import FeatureRouter
from app.posts.models import Post
from app.posts.schemas import PostCreate, PostId, PostPage, PostRead, PostUpdate
from app.realtime.dependencies import CurrentHub
from app.realtime.event_types import EventType

router = FeatureRouter(prefix="/posts", tags=["posts"], dependencies=[Depends(get_current_user)])


class PostNotFoundError(NotFoundError):
    detail = "Post not found"


class NotTheAuthorError(ForbiddenError):
    detail = "Only the author or an admin may change this post"


class SlugTakenError(ConflictError):
    detail = "A post with this slug already exists"


POST_CREATED = EventType("post.created", PostRead)

_PAGE = HotStatement(
    select(*(getattr(Post, field) for field in PostRead.model_fields))
    .where(Post.id < bindparam("before"))
    .order_by(Post.id.desc())
    .limit(bindparam("limit"))
)


@raises(PostNotFoundError)
async def get_post(post_id: PostId, session: DbSession) -> Post:
    post = await session.get(Post, post_id)
    if post is None:
        raise PostNotFoundError
    return post


ExistingPost = Annotated[Post, Depends(get_post)]


@raises(NotTheAuthorError)
async def get_own_post(post: ExistingPost, user: CurrentUser) -> Post:
    if user.id != post.author_id and user.role != Role.ADMIN:
        raise NotTheAuthorError
    return post


OwnPost = Annotated[Post, Depends(get_own_post)]


@router.get("/", response_model=PostPage)
async def list_posts(
    session: DbSession,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[PostId | None, Query(description="`next` of the previous page")] = None,
) -> dict[str, object]:
    """Return a page of posts, newest first."""
    posts = await _PAGE.all(session, before=after or 2**63 - 1, limit=limit + 1)
    more = len(posts) > limit
    return {"items": posts[:limit], "next": posts[limit - 1].id if more else None}


@router.post("/", status_code=HTTPStatus.CREATED)
@raises(SlugTakenError)
async def create_post(
    session: DbSession,
    author: CurrentUser,
    new: PostCreate,
    hub: CurrentHub,
    after_commit: BackgroundTasks,
) -> PostRead:
    post = Post(author_id=author.id, **new.model_dump())
    session.add(post)
    with conflict(SlugTakenError):
        await session.flush()
    created = PostRead.model_validate(post)
    # Background tasks run after the response, which is sent after the commit.
    after_commit.add_task(POST_CREATED.publish, hub, created)
    return created


@router.get("/{post_id}", response_model=PostRead)
async def read_post(post: ExistingPost) -> Post:
    return post


@router.patch("/{post_id}", response_model=PostRead)
@raises(SlugTakenError)
async def update_post(session: DbSession, post: OwnPost, changes: PostUpdate) -> Post:
    for field, value in changes.model_dump().items():
        setattr(post, field, value)
    with conflict(SlugTakenError):
        await session.flush()
    return post


@router.delete("/{post_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_post(session: DbSession, post: OwnPost) -> None:
    await session.delete(post)
