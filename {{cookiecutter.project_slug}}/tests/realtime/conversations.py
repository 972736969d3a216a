"""Random steps of clients and of the service, and what AsyncAPI lets the service send."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jsonschema_rs
from fastapi import FastAPI
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

from app.auth.models import User
from app.realtime import asyncapi
from app.realtime.hub import Hub
from app.settings import Settings, get_settings
from tests import users

DOCUMENT = asyncapi.document()
CHANNELS = asyncapi.channels()

# These texts stand for values that are known only when the conversation takes place.
TOKENS = ("<token>", "<token of another user>", "<expired token>")
LAST_ID = "<id of the last event>"
RECIPIENTS = ("the user", "another user", "all users")


@dataclass(frozen=True)
class Publish:
    recipient: str
    data: JsonValue
    event: str = "test"


EVENT = Publish(RECIPIENTS[0], {"any": "data"})


@dataclass(frozen=True)
class Revoke:
    """Revoke all tokens of the user."""


Step = str | bytes | Publish | Revoke


@dataclass(frozen=True)
class Conversation:
    channel: str
    token: str = TOKENS[0]
    settings: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""
    steps: tuple[Step, ...] = ()


variables = st.sampled_from([*TOKENS, LAST_ID])
texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
json_texts = values.map(json.dumps)


def frames(kind: Any) -> st.SearchStrategy[str]:
    """Return a strategy for valid frames of a type, and for those with one changed member."""
    if kind in {str, JsonValue}:
        return texts if kind is str else json_texts
    strings = {name for name, member in kind.model_fields.items() if member.annotation is str}
    valid = st.builds(kind, **dict.fromkeys(strings, variables | texts)).map(BaseModel.model_dump)
    names = st.sampled_from([*kind.model_fields]) | texts
    changed = st.builds(lambda frame, *change: frame | dict([change]), valid, names, values)
    return (valid | changed).map(json.dumps)


def conversations(*channels: str) -> st.SearchStrategy[Conversation]:
    return st.one_of([*map(_conversations, channels)])


def _conversations(channel: str) -> st.SearchStrategy[Conversation]:
    from_client = [frames(kind) for kind in CHANNELS[channel].from_client.values()]
    published = st.builds(Publish, st.sampled_from(RECIPIENTS), values)
    sent = [*from_client, texts, json_texts, st.binary(max_size=3)] if from_client else []
    return st.builds(
        Conversation,
        st.just(channel),
        st.sampled_from([TOKENS[0], *TOKENS]) | st.text(min_size=1, max_size=20),
        st.sampled_from([{}, {"ws_frames_per_second": 3}, {"ws_queue_messages": 1}]),
        variables | texts,
        st.lists(st.one_of(*sent, published, st.just(Revoke())), max_size=12).map(tuple),
    )


class Participants:
    """A user, another one, and the service, which publishes events and revokes tokens."""

    def __init__(self, hub: Hub, user: User, other: User) -> None:
        self.hub = hub
        self.user = user
        self.ids = dict(zip(RECIPIENTS, [user.id, other.id, None], strict=True))
        tokens = [users.mint(user), users.mint(other), users.mint(user, exp=1)]
        self._tokens = dict(zip(TOKENS, tokens, strict=True))

    def fill(self, text: str) -> str:
        """Replace the variables."""
        for variable, value in {**self._tokens, LAST_ID: self.hub.history.newest_id}.items():
            text = text.replace(variable, value)
        return text

    async def act(self, step: Step) -> None:
        """Publish or revoke."""
        if isinstance(step, Publish):
            await self.hub.publish(step.event, step.data, user_id=self.ids[step.recipient])
        else:
            await self.hub.disconnect(self.user.id)


async def participants_of(app: FastAPI, settings: Mapping[str, Any]) -> Participants:
    """Store two users; a second connection would be refused, so those that stay open are found."""
    service_settings = Settings(ws_max_sockets=1, **settings)
    app.dependency_overrides[get_settings] = lambda: service_settings
    stored = [await users.new_user(f"{uuid4()}@example.com") for _ in range(2)]
    async with app.state.database.session() as session:
        session.add_all(stored)
        await session.commit()
    return Participants(app.state.hub, *stored)


class Contract:
    """The payloads that AsyncAPI lets the service send on a channel."""

    def __init__(self, channel: str) -> None:
        messages = DOCUMENT["channels"][channel]["messages"]
        payloads = {name: messages[name]["payload"] for name in CHANNELS[channel].from_service}
        components = {"components": DOCUMENT["components"]}
        self._named = {
            name: jsonschema_rs.validator_for(payload | components)
            for name, payload in payloads.items()
        }
        self._any = jsonschema_rs.validator_for({"anyOf": [*payloads.values()]} | components)

    def check(self, payload: object, event: str = "") -> None:
        """Raise `jsonschema_rs.ValidationError`; an event that is declared has its own payload."""
        self._named.get(event, self._any).validate(payload)
