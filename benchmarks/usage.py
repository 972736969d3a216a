"""CPU time and memory of a server, including its child processes."""

import psutil

CLOCK_TICK_SECONDS = 0.01  # resolution of CPU times


def processes(pid: int) -> list[psutil.Process]:
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time used so far, in user and system mode."""
    times = [process.cpu_times() for process in processes(pid)]
    return sum(time.user + time.system for time in times)


def resident_kib(pid: int) -> float:
    return sum(process.memory_info().rss for process in processes(pid)) / 1024
