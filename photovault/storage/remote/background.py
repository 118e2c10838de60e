"""One event loop in a thread of its own, for libraries that know no other way.

Callers in any thread hand over a coroutine and wait for its result.  A caller that is interrupted (Ctrl-C) cancels it.
The loop is made at the first use, serves all connections of the process, and ends with the process.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")

_END_SECONDS = 2.0


def wait_for(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on the loop and wait for what it returns or raises."""
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def soon(call: Callable[[], object]) -> None:
    """Let the loop call something, without waiting for it; after the loop's end nothing is called any more."""
    _loop().call_soon_threadsafe(call)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="network", daemon=True)
    thread.start()
    atexit.register(_end, loop, thread)
    return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """End what is still open, but do not wait long: nothing that matters is left."""
    ending = asyncio.run_coroutine_threadsafe(_cancel_all(), loop)
    with suppress(TimeoutError):
        ending.result(_END_SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(_END_SECONDS)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
