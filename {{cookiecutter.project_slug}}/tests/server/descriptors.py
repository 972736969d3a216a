import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def max_descriptors(number: int) -> Iterator[None]:
    """Limit the files that this process may open, until the block ends."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
