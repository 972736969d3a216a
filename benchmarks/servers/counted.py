"""The service as it is."""

from app.main import app

__all__ = ["app"]
