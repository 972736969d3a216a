"""Use a service through generated models of responses and frames: typed.py ADDRESS TOKEN."""

import sys

from frames import Ping, Pong, PostCreatedFrame
from my_service_client import AuthenticatedClient
from my_service_client.api.posts import create_post, list_posts
from my_service_client.models import PostCreate, PostPage, PostRead, Problem
from websockets.sync.client import connect

address, token = sys.argv[1:]
url = f"{address.replace('http', 'ws')}/ws/notifications"
with (
    AuthenticatedClient(address, token) as client,
    connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket,
):
    socket.send(Ping(type="ping").model_dump_json())
    Pong.model_validate_json(socket.recv())
    post = PostCreate(title="Typed", slug="python")
    created = create_post.sync(client=client, body=post)
    assert isinstance(created, PostRead)
    event = PostCreatedFrame.model_validate_json(socket.recv())
    assert event.data.id == created.id
    page = list_posts.sync(client=client, limit=1)
    assert isinstance(page, PostPage)
    assert page.items[0].id == created.id
    repeated = create_post.sync(client=client, body=post)
    assert isinstance(repeated, Problem)
    assert repeated.detail == "A post with this slug already exists"
print("openapi-python-client and datamodel-code-generator: passed")
