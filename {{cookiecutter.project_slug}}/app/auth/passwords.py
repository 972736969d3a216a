import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

# Argon2id as in OWASP's Password Storage Cheat Sheet; the memory is in KiB. In the event loop
# each hash would stop every socket for its time, so threads compute it, as many as there are cores.
_hasher = PasswordHash([Argon2Hasher(memory_cost=19456, time_cost=2, parallelism=1)])
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
