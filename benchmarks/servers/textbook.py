"""The textbook: FastAPI and SQLAlchemy's async session as their documentation shows them."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[str]


class Post(Base):
    __tablename__ = "posts"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    slug: Mapped[str]
    title: Mapped[str]
    body: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class UserRead(BaseModel):
    id: int
    email: str
    role: str


class PostCreate(BaseModel):
    title: str
    body: str | None = None
    slug: str


class PostRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    author_id: int
    slug: str
    title: str
    body: str | None
    created_at: datetime


class PostPage(BaseModel):
    items: list[PostRead]
    next: int | None


engine = create_async_engine(os.environ["DATABASE_URL"])
async_session = async_sessionmaker(engine, expire_on_commit=False)
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with async_session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


async def get_current_user(
    token: Annotated[str, Depends(oauth2_scheme)], session: SessionDep
) -> User:
    credentials_exception = HTTPException(
        status_code=status.HTTP_401_UNAUTHORIZED,
        detail="Could not validate credentials",
        headers={"WWW-Authenticate": "Bearer"},
    )
    try:
        payload = jwt.decode(
            token,
            os.environ["SECRET_KEY"],
            algorithms=["HS256"],
            options={"verify_aud": False},
        )
        user_id = int(payload["sub"])
    except jwt.InvalidTokenError:
        raise credentials_exception from None
    user = await session.get(User, user_id)
    if user is None:
        raise credentials_exception
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


@app.get("/health/live")
@app.get("/health/ready")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/auth/me", response_model=UserRead)
async def read_me(current_user: CurrentUser) -> User:
    return current_user


@app.get("/posts/", response_model=PostPage)
async def list_posts(session: SessionDep, _: CurrentUser, limit: int = 20) -> dict[str, object]:
    result = await session.execute(select(Post).order_by(Post.id.desc()).limit(limit + 1))
    posts = result.scalars().all()
    has_more = len(posts) > limit
    return {"items": posts[:limit], "next": posts[limit - 1].id if has_more else None}


@app.post("/posts/", response_model=PostRead, status_code=status.HTTP_201_CREATED)
async def create_post(session: SessionDep, user: CurrentUser, new: PostCreate) -> Post:
    post = Post(author_id=user.id, created_at=datetime.now(UTC), **new.model_dump())
    session.add(post)
    await session.commit()
    await session.refresh(post)
    return post
