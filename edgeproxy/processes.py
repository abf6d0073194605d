"""Several processes that do the same work: started together, watched over, ended together.

The parent does no work of its own and has neither threads nor an event loop, so that it may fork
at any time. Signals and signs of life reach it through pipes, which one `select` waits for.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

CONFIG_STATUS = 78
"""A child that ends so could never start; neither could the next one."""

TICK_S = 1.0
RESTART_S = (0.5, 30.0)
STEADY_S = 10.0
"""A child that lived this long did not die of its start: the next one follows at once."""

Log = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How patient the parent is.

    Attributes:
        hung_ticks: Seconds without a sign of life after which a child is killed.
        stop_ticks: Seconds that children may take to end; then they are killed.
        tick_s: How long such a second is.
    """

    hung_ticks: int = 60
    stop_ticks: int = 35
    tick_s: float = TICK_S


class Worker:
    """What a child knows of the group.

    Attributes:
        number: From 1; a child that replaces another has its number.
        parent: A descriptor that becomes readable when the parent is gone.
    """

    def __init__(self, number: int, parent: int, signs: int) -> None:
        self.number = number
        self.parent = parent
        self._signs = signs

    def beat(self) -> None:
        """A sign of life. The first one says that the child is ready for work."""
        with contextlib.suppress(OSError):  # the parent is gone, or has not looked for long
            os.write(self._signs, b".")


@dataclass(kw_only=True)
class _Child:
    number: int
    signs: int
    began_s: float = field(default_factory=time.monotonic)
    silent_ticks: int = 0
    up: bool = False


def supervise(
    work: Callable[[Worker], int],
    count: int,
    *,
    log: Log,
    on_stop: Callable[[], None] = lambda: None,
    pace: Pace = Pace(),
) -> int:
    """Do `work` in `count` children, and start each anew that dies, until SIGTERM or SIGINT.

    The first child is alone until it is ready: what a first start makes is then there for all.
    Call it before any thread is started. It returns in the parent and in each child.

    Args:
        work: Done in a child; must call `Worker.beat` again and again, and end on SIGTERM.
        count: Children.
        log: Writes a line.
        on_stop: Called in the parent when the end begins.
        pace: How patient to be.

    Returns:
        In a child what `work` gave; in the parent 0 after SIGTERM, 130 after SIGINT, 78 when a
        child could not use the configuration, 1 when one had to be killed at the end.
    """
    parent = _Parent(count, log, on_stop, pace)
    worker = parent.run()
    return parent.status if worker is None else work(worker)


class _Parent:
    def __init__(self, count: int, log: Log, on_stop: Callable[[], None], pace: Pace) -> None:
        self.status = 0
        self._count = count
        self._log = log
        self._on_stop = on_stop
        self._pace = pace
        self._children: dict[int, _Child] = {}
        self._due_s = {1: 0.0}
        self._waits_s: dict[int, float] = {}
        self._stopping: int | None = None
        self._stop_ticks = 0
        self._ticked_s = time.monotonic()
        self._signals = _Signals()
        self._gone, self._alive = os.pipe()

    def run(self) -> Worker | None:
        """The parent's life; in a child its `Worker` comes back at once."""
        try:
            while self._children or self._stopping is None:
                for number in self._now_due():
                    if (worker := self._start(number)) is not None:
                        return worker
                self._wait()
            return None
        finally:
            self._signals.close()

    def _now_due(self) -> list[int]:
        if self._stopping is not None:
            return []
        now_s = time.monotonic()
        return [number for number, due_s in self._due_s.items() if due_s <= now_s]

    def _start(self, number: int) -> Worker | None:
        del self._due_s[number]
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        with _held():  # a signal now would find the parent's handlers in the child
            pid = os.fork()
            if pid == 0:
                self._signals.close()
                os.close(self._alive)
                for end in (reading, *(child.signs for child in self._children.values())):
                    os.close(end)
                return Worker(number, self._gone, writing)
        os.close(writing)
        self._children[pid] = _Child(number=number, signs=reading)
        return None

    def _wait(self) -> None:
        """Sleep until something happens, or a tick is over; then see to it."""
        by_signs = {child.signs: child for child in self._children.values()}
        timeout_s = self._pace.tick_s
        if self._due_s and self._stopping is None:
            timeout_s = min(timeout_s, max(0.0, min(self._due_s.values()) - time.monotonic()))
        ready, _, _ = select.select([self._signals.pipe, *by_signs], [], [], timeout_s)
        for end in ready:
            if end in by_signs:
                self._hear(by_signs[end])
        for number in self._signals.taken() if self._signals.pipe in ready else ():
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop(number)
        self._bury()
        if time.monotonic() - self._ticked_s >= self._pace.tick_s:
            self._ticked_s = time.monotonic()
            self._tick()

    def _hear(self, child: _Child) -> None:
        if not os.read(child.signs, 4096):
            return  # it is about to die
        child.silent_ticks = 0
        if not child.up:
            child.up = True
            running = {one.number for one in self._children.values()} | self._due_s.keys()
            self._due_s.update(
                {number: 0.0 for number in range(1, self._count + 1) if number not in running}
            )

    def _stop(self, number: int, status: int | None = None) -> None:
        """Ask all children to end; the first reason counts."""
        if self._stopping is None:
            self._stopping = number
            self.status = (130 if number == signal.SIGINT else 0) if status is None else status
            self._on_stop()
        for pid in self._children:
            os.kill(pid, number)

    def _bury(self) -> None:
        """Take note of the dead. Only our own: somebody else may wait for other children."""
        for pid in list(self._children):
            dead, status = os.waitpid(pid, os.WNOHANG)
            if dead:
                child = self._children.pop(pid)
                os.close(child.signs)
                self._replace(child, pid, os.waitstatus_to_exitcode(status))

    def _replace(self, child: _Child, pid: int, status: int) -> None:
        if self._stopping is not None:
            return
        if status == CONFIG_STATUS:
            self._stop(signal.SIGTERM, CONFIG_STATUS)
            return
        steady = time.monotonic() - child.began_s >= STEADY_S
        first_s, most_s = RESTART_S
        wait_s = 0.0 if steady else min(2 * self._waits_s.get(child.number, first_s / 2), most_s)
        self._waits_s[child.number] = first_s / 2 if steady else wait_s
        self._due_s[child.number] = time.monotonic() + wait_s
        self._log(
            "warning",
            "worker_died",
            worker=child.number,
            pid=pid,
            status=status,
            restart_in_s=wait_s,
        )

    def _tick(self) -> None:
        """A second is over, or more: a pause of the whole group is no silence of a child."""
        if self._stopping is not None:
            self._stop_ticks += 1
        for pid, child in self._children.items():
            child.silent_ticks += child.up
            late = self._stop_ticks > self._pace.stop_ticks
            if late or child.silent_ticks > self._pace.hung_ticks:
                self._log("error", "worker_killed", worker=child.number, pid=pid, at_end=late)
                self.status = 1 if late else self.status
                os.kill(pid, signal.SIGKILL)


class _Signals:
    """The signals of the parent as bytes in a pipe."""

    NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

    def __init__(self) -> None:
        self.pipe, self._writing = os.pipe()
        os.set_blocking(self.pipe, False)
        os.set_blocking(self._writing, False)
        self._before = {number: signal.signal(number, _noted) for number in self.NUMBERS}
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)

    def taken(self) -> set[int]:
        """The numbers of those that came."""
        return set(os.read(self.pipe, 4096))

    def close(self) -> None:
        """Everything as it was before. Idempotent, for a child does it too."""
        if self._before:
            signal.set_wakeup_fd(-1)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before = {}
            os.close(self.pipe)
            os.close(self._writing)


def _noted(number: int, frame: object) -> None:
    """The pipe has it already."""


@contextlib.contextmanager
def _held() -> Iterator[None]:
    """No signal is delivered in the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _Signals.NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
