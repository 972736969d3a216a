import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pwdlib import PasswordHash

# Argon2id with the second recommended option of RFC 9106: 64 MiB of memory for each hash, and
# time enough to stop every socket if it ran in the event loop. The pool bounds both.
_hasher = PasswordHash.recommended()
_workers = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="argon2")


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_workers, _hasher.hash, password)


async def verify_password(password: str, password_hash: str | None) -> bool:
    """Say whether the password fits. Without a hash it does not, which takes just as long."""
    return await asyncio.get_running_loop().run_in_executor(
        _workers, _verify, password, password_hash
    )


def _verify(password: str, password_hash: str | None) -> bool:
    fits = _hasher.verify(password, password_hash or _unknown_user_hash())
    return fits and password_hash is not None


@cache
def _unknown_user_hash() -> str:
    return _hasher.hash("")
