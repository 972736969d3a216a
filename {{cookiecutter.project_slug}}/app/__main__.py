"""`python -m app` serves the service as the settings say."""

import sys

import uvicorn

from app.logs import configure_logging
from app.settings import SettingsError, get_settings

DRAIN_SECONDS = 3  # what is still open when the service stops is cut off after that


def main() -> None:
    try:
        settings = get_settings()
    except SettingsError as error:
        sys.exit(str(error))
    configure_logging(settings)
    uvicorn.run(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # app/observer.py has it
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ws_max_size=settings.ws_max_frame_bytes,
        ws_per_message_deflate=False,  # costs 30 KiB and much time for each socket
    )


if __name__ == "__main__":
    main()
