"""The examples of docs/testing.md, and changes of the service that each of them must detect."""

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path("docs", "testing.md")
PART = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^Write `(?P<path>[^`]+)`:$"
    r"|^```(?P<language>python|console)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Guide(NamedTuple):
    headings: list[str]
    examples: dict[str, str]  # contents by path
    commands: list[str]


def read_guide(project: Path) -> Guide:
    guide, path = Guide([], {}, []), None
    for part in PART.finditer((project / PAGE).read_text("utf-8")):
        if part["heading"]:
            guide.headings.append(part["heading"])
        elif part["path"]:
            path = part["path"]
        elif part["language"] == "console":
            guide.commands.extend(part["code"].splitlines())
        else:
            topic = re.sub(r"\W+", "_", guide.headings[-1].lower())
            number = len(guide.examples) + 1
            guide.examples[path or f"tests/guide/test_{topic}_{number}.py"] = part["code"]
            path = None
    return guide


def write_examples(project: Path) -> Guide:
    """Copy each example into the service, as the page tells its readers to do."""
    guide = read_guide(project)
    for path, code in guide.examples.items():
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).with_name("__init__.py").touch()
        (project / path).write_text(code, "utf-8")
    return guide


class Break(NamedTuple):
    """A change that must fail these tests, and no others of the guide if run alone."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BREAKS = [
    Break(
        "app/posts/routes.py",
        "status_code=HTTPStatus.CREATED",
        "status_code=HTTPStatus.OK",
        ("test_new_post_can_be_read", "test_invalid_field_is_named"),
    ),
    Break(
        "app/posts/routes.py",
        "raise NotTheAuthorError",
        "pass",
        ("test_post_can_be_deleted_by_its_author_only",),
    ),
    Break(
        "app/auth/tokens.py",
        "LEEWAY = timedelta(seconds=30)",
        "LEEWAY = timedelta(seconds=90)",
        ("test_expired_token_is_refused",),
    ),
    Break("app/errors.py", '"loc": location', '"loc": []', ("test_invalid_field_is_named",)),
    Break(
        "app/errors.py",
        "SERVICE_UNAVAILABLE\n",
        "BAD_GATEWAY\n",
        (
            "test_outage_of_the_database_is_reported_as_503",
            "test_outage_of_the_weather_service_is_reported_as_503",
        ),
    ),
    Break(
        "app/posts/routes.py",
        "await session.delete(post)",
        "await session.flush()",
        ("test_deleted_post_is_gone",),
    ),
    Break(
        "migrations/versions/0002_posts.py",
        'sa.UniqueConstraint("slug", name="uq_posts_slug"),',
        "",
        ("test_one_of_two_simultaneous_posts_with_the_same_slug_is_stored",),
    ),
    Break(
        "app/posts/routes.py",
        "    more = len(posts) > limit\n",
        "    more = len(posts) > limit\n    [await session.get(Post, post.id) for post in posts]\n",
        ("test_page_takes_as_many_queries_for_ten_posts_as_for_one",),
    ),
    Break(
        "app/posts/routes.py",
        '"post.created"',
        '"post.changed"',
        ("test_new_post_is_announced",),
    ),
    Break(
        "app/realtime/notifications.py",
        "hub.publish(new.event,",
        'hub.publish("event",',
        ("test_user_is_notified",),
    ),
    Break(
        "app/server/process.py",
        "ws_max_size=settings.ws_max_frame_bytes",
        "ws_max_size=2 * settings.ws_max_frame_bytes",
        ("test_frame_above_the_maximum_size_is_refused",),
    ),
    Break(
        "app/errors.py",
        "close_code: ClassVar[int] = 1008",
        "close_code: ClassVar[int] = 1011",
        ("test_socket_without_a_token_is_closed_with_1008",),
    ),
    Break(
        "app/realtime/websocket_handshake.py",
        "return origin.lower() in",
        "return True or origin.lower() in",
        (
            "test_foreign_origin_is_refused_in_the_event_loop",
            "test_foreign_origin_is_refused_in_a_synchronous_test",
            "test_foreign_origin_is_refused_by_a_real_server",
        ),
    ),
    Break(
        "app/realtime/sse_routes.py",
        "id=str(number)",
        'id="1"',
        ("test_heartbeats_are_numbered", "test_heartbeat_follows_after_the_interval"),
    ),
    Break(
        "app/realtime/sse_routes.py",
        'event="heartbeat"',
        'event="beat"',
        (
            "test_heartbeat_starts_at_once",
            "test_heartbeat_starts_at_once_in_a_synchronous_test",
        ),
    ),
    Break(
        "app/realtime/subscription.py",
        "[*reversed(missed)]",
        "[*missed]",
        ("test_missed_events_are_sent_after_reconnecting",),
    ),
    Break(
        "tests/guide/test_background_tasks_16.py",
        "values(title=title))\n        await session.commit()",
        "values(title=title))",
        ("test_posts_are_retitled_after_the_response",),
    ),
    Break(
        "app/realtime/subscription.py",
        "self.close(CLOSE_TOKEN_EXPIRED)",
        "self.close(1000)",
        ("test_socket_is_closed_when_its_token_expires",),
    ),
    Break(
        "app/realtime/sse_routes.py",
        "timeout=interval_seconds",
        "timeout=2 * interval_seconds",
        ("test_heartbeat_follows_after_the_interval",),
    ),
    Break(
        "app/realtime/limits.py",
        "* self._rate\n",
        "* 0\n",
        ("test_frames_are_limited_per_second",),
    ),
    Break(
        "tests/external_services.py",
        "transports.get(request.url.host)",
        "None",
        ("test_temperature_comes_from_the_weather_service",),
    ),
    Break(
        "tests/guide/test_files_19.py",
        "await file.read()",
        'b""',
        ("test_uploaded_avatar_can_be_downloaded",),
    ),
    Break(
        "app/realtime/websocket_handshake.py",
        ' if settings.ws_query_token else ""',
        "",
        ("test_token_in_the_query_string_depends_on_a_setting",),
    ),
    Break(
        "app/playground/routes.py",
        "if not settings.playground",
        "if settings.playground",
        (
            "test_playground_is_served_if_the_setting_is_true",
            "test_playground_is_not_served_by_default",
        ),
    ),
    Break(
        "migrations/versions/0002_posts.py",
        "def upgrade() -> None:\n",
        'def upgrade() -> None:\n    op.execute("UPDATE users SET active = false")\n',
        ("test_users_are_still_active_after_the_second_migration",),
    ),
    Break(
        "app/errors.py",
        "errors=errors)",
        "errors=1 / 0)",
        ("test_no_body_causes_a_server_error",),
    ),
    Break(
        "app/posts/schemas.py",
        r"[^\s\x00][^\x00]*$",
        "",
        ("test_accepted_title_is_short_and_visible",),
    ),
    Break(
        "app/database/sessions.py",
        "await asyncio.shield(session.close())",
        "await session.flush()",
        ("test_simultaneous_requests_succeed_and_return_their_connections",),
    ),
]
