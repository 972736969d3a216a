import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

# Argon2id as in OWASP's Password Storage Cheat Sheet; the memory is in KiB.
_hasher = PasswordHash([Argon2Hasher(memory_cost=19456, time_cost=2, parallelism=1)])
# A hash in the event loop would stop every socket for its time. One thread for each core: with
# more of them the hashes would only take memory, and cores, from one another.
_workers = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="argon2")


async def hash_password(password: SecretStr) -> str:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_workers, _hasher.hash, password.get_secret_value())


async def verify_password(password: SecretStr, password_hash: str | None) -> str | None:
    """Return the hash to keep where the password fits: the same, or a better one.

    Without a hash nothing fits, which takes just as long.
    """
    loop = asyncio.get_running_loop()
    secret = password.get_secret_value()
    return await loop.run_in_executor(_workers, _verify, secret, password_hash)


def _verify(password: str, password_hash: str | None) -> str | None:
    fits, better = _hasher.verify_and_update(password, password_hash or _unknown_user_hash())
    return (better or password_hash) if fits else None


@cache
def _unknown_user_hash() -> str:
    return _hasher.hash("")
