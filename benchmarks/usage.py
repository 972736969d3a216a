"""What a server uses, with the processes that it has started."""

import psutil


def processes(pid: int) -> list[psutil.Process]:
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


TICK = 0.01  # seconds: what systems count in


def cpu_seconds(pid: int) -> float:
    """Return the time of processors used so far, in user and in system mode."""
    times = [process.cpu_times() for process in processes(pid)]
    return sum(time.user + time.system for time in times)


def resident_kib(pid: int) -> float:
    return sum(process.memory_info().rss for process in processes(pid)) / 1024
