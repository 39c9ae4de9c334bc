"""Keeps programs running: starts them, restarts what dies, takes over what a killed supervisor left running.

A process of its own, kept tiny: no asyncio, no imports beyond the standard library's basics, asleep until a program
ends. Programs do not die with it, so killing it disturbs nobody; the next one finds them by their pid files.

usage: python -m umiak.cli.machine.supervisor PROGRAMS.json     (see `Program` for the format)
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0
STEADY_SECONDS = 10.0
"""A program that ran this long is restarted without waiting."""
LOG_LIMIT = 20 * 1024 * 1024
LOOK_AT_LOGS_SECONDS = 60.0


def start_time(pid: int) -> str:
    """When a process began, in clock ticks since boot: tells it from a later one with the same number. "" when gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("latin-1")
    except OSError:
        return ""
    fields = text[text.rindex(")") + 2 :].split()
    return "" if fields[0] in "ZX" else fields[19]


class Program:
    """One program: name, argv, where its log goes, seconds it may take to stop. Its pid file holds pid and birth."""

    def __init__(self, spec: dict[str, Any], folder: str) -> None:
        self.name: str = spec["name"]
        self.argv: list[str] = spec["argv"]
        self.log: str = spec["log"]
        self.grace: float = spec.get("grace", 10.0)
        self.environment: dict[str, str] = {**os.environ, **spec.get("environment", {})}
        self.pid_file = os.path.join(folder, self.name + ".pid")
        self.pid = 0
        self.handle = -1
        self.started = 0.0
        self.failures = 0
        self.start_at = 0.0

    def adopt(self) -> bool:
        """Takes over the running process that the pid file names, if it is still that one."""
        try:
            with open(self.pid_file) as file:
                pid, birth = file.read().split()
            if not birth or start_time(int(pid)) != birth:
                return False
            self.handle = os.pidfd_open(int(pid))
        except (OSError, ValueError):
            return False
        self.pid, self.started = int(pid), time.monotonic()
        return True

    def start(self) -> None:
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ]
        try:
            self.pid = os.posix_spawnp(
                self.argv[0], self.argv, self.environment, file_actions=actions, setsid=True, setsigmask=[]
            )
        finally:
            os.close(log)
        self.handle = os.pidfd_open(self.pid)
        self.started = time.monotonic()
        with open(self.pid_file + ".new", "w") as file:
            file.write(f"{self.pid} {start_time(self.pid)}\n")
        os.rename(self.pid_file + ".new", self.pid_file)

    def ended(self, now: float) -> None:
        """Notes that the process is gone and when to start it again."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        os.close(self.handle)
        self.handle, self.pid = -1, 0
        steady = now - self.started > STEADY_SECONDS
        self.failures = 0 if steady else self.failures + 1
        wait = 0.0 if self.failures <= 1 else min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (self.failures - 1))
        self.start_at = now + wait

    def signal(self, number: int) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, number)

    def trim_log(self) -> None:
        """Keeps the newer half of a log that grew too long, in place: the writer appends on."""
        with contextlib.suppress(OSError), open(self.log, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size > LOG_LIMIT:
                file.seek(size - LOG_LIMIT // 2)
                kept = file.read()
                file.seek(0)
                file.write(kept[kept.find(b"\n") + 1 :])
                file.truncate()


class Supervisor:
    """The loop. `stopping` is set by SIGTERM."""

    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs
        self.stopping = False
        self.poll = select.poll()
        self.by_handle: dict[int, Program] = {}
        # Python retries an interrupted poll, so a signal makes itself felt through a pipe.
        self.wake_reader, self.wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.poll.register(self.wake_reader, select.POLLIN)

    def run(self) -> None:
        for program in self.programs:
            if program.adopt():
                self._watch(program)
                say(f"{program.name}: found running as process {program.pid}")
        logs_at = time.monotonic() + LOOK_AT_LOGS_SECONDS
        while not self.stopping:
            self._start_due()
            self._wait(logs_at)
            if time.monotonic() >= logs_at:
                for program in self.programs:
                    program.trim_log()
                logs_at = time.monotonic() + LOOK_AT_LOGS_SECONDS
        self._stop_all()

    def _watch(self, program: Program) -> None:
        self.by_handle[program.handle] = program
        self.poll.register(program.handle, select.POLLIN)

    def _start_due(self) -> None:
        now = time.monotonic()
        for program in self.programs:
            if not program.pid and program.start_at <= now:
                try:
                    program.start()
                except OSError as error:
                    say(f"{program.name}: cannot start {program.argv[0]}: {error.strerror}")
                    program.failures += 1
                    program.start_at = now + LONGEST_WAIT
                else:
                    self._watch(program)
                    say(f"{program.name}: started as process {program.pid}")

    def _wait(self, until: float) -> None:
        due = [p.start_at for p in self.programs if not p.pid]
        wait = max(0.0, min([until, *due]) - time.monotonic())
        for handle, _ in self.poll.poll(wait * 1000 + 1):
            program = self.by_handle.pop(handle, None)
            if program is None:  # a signal; `stopping` says the rest
                os.read(self.wake_reader, 64)
                continue
            self.poll.unregister(handle)
            pid = program.pid
            program.ended(time.monotonic())
            say(f"{program.name}: process {pid} ended")

    def _stop_all(self) -> None:
        """In reverse order, each given its time to end by itself."""
        for program in reversed(self.programs):
            if program.pid:
                program.signal(signal.SIGTERM)
                if not select.select([program.handle], [], [], program.grace)[0]:
                    say(f"{program.name}: did not stop in {program.grace:g} s, killed")
                    program.signal(signal.SIGKILL)
                    select.select([program.handle], [], [], 5)
            with contextlib.suppress(OSError):
                os.unlink(program.pid_file)


def say(text: str) -> None:
    sys.stderr.write(time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) + text + "\n")
    sys.stderr.flush()


def main(path: str) -> None:
    with open(path) as file:
        specs = json.load(file)
    folder = os.path.dirname(path)
    supervisor = Supervisor([Program(spec, folder) for spec in specs])

    def stop(*_: object) -> None:
        supervisor.stopping = True

    signal.set_wakeup_fd(supervisor.wake_writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    supervisor.run()


if __name__ == "__main__":
    main(sys.argv[1])
