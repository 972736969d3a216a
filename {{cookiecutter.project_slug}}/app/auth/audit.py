"""The audit log: a line for each change of an account, who made it, and no secrets."""

import structlog

# It writes all lines: LOG_LEVEL must not silence the audit log.
logger = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger("notset"))


async def audit(action: str, *, user: int, by: int | str, **changes: object) -> None:
    """Log a change that is committed; `by` is the id of a user, or the name of a command.

    It is asynchronous because Starlette runs other background tasks in threads.
    """
    logger.info("account", action=action, user=user, by=by, **changes)
