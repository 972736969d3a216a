"""The service without the prefix `Echo: ` on `/ws/echo`, because Autobahn expects exact echoes."""

from app.main import app as service
from starlette.types import Message, Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    async def send_exactly(message: Message) -> None:
        if text := message.get("text"):
            message["text"] = text.removeprefix("Echo: ")
        await send(message)

    await service(scope, receive, send_exactly)
