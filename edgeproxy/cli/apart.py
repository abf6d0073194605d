"""Doing something in a process of its own, so that what it loads does not stay in this one."""

import os
import pickle
from collections.abc import Callable
from typing import TypeVar

from edgeproxy.errors import EdgeproxyError, Failed

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """The result of `work`, done in a child process.

    The libraries that read settings take 20 MB, which a server would carry for ever. Call it before
    any thread is started. The result and errors of ours come back pickled through a pipe.

    Raises:
        EdgeproxyError: What `work` raised.
        Failed: The child ended without an answer.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(work, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if not answer:
        raise Failed(f"the settings could not be read (status {os.waitstatus_to_exitcode(status)})")
    result = pickle.loads(answer)  # noqa: S301 - from our own child, over our own pipe
    if isinstance(result, EdgeproxyError):
        raise result
    found: T = result
    return found


def _answer(work: Callable[[], object], writing: int) -> None:
    """In the child: do it, answer, and leave without running anything of the parent's."""
    try:
        try:
            result: object = work()
        except EdgeproxyError as error:
            result = error
        except Exception as error:
            result = Failed(f"the settings could not be read: {type(error).__name__}")
        with open(writing, "wb") as pipe:
            pipe.write(pickle.dumps(result))
        os._exit(0)
    finally:
        os._exit(1)
