"""What every action of the collection has in common: where it runs, and how it fails."""

from __future__ import annotations

import multiprocessing
import os
import signal
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ansible.plugins.action import ActionBase

from rootfs_ansible.errors import RootfsError, of_system


class RootfsAction(ActionBase):
    """An action that runs on the controller, whatever the host's connection is.

    The one place that turns an error, ours or the system's, into Ansible's result of a failed task.
    """

    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the action; its result says ``failed`` with the whole message of the error."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            with _unwinding():
                result.update(self.perform(task_vars or {}))
        except RootfsError as error:
            _fail(result, error)
        except OSError as error:
            _fail(result, of_system(error))
        return result

    @abstractmethod
    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Do the work and return the task's result; raise ``RootfsError`` where it cannot."""


def _fail(result: dict[str, Any], error: RootfsError) -> None:
    result.update(failed=True, msg=str(error), error=error.to_json())


class _EndedError(BaseException):
    """The worker was told to end; no handler of errors may take it for one."""


@contextmanager
def _unwinding() -> Iterator[None]:
    """On a signal leave as on an error, so that what is being written aside is removed.

    By itself a worker of Ansible dies where it stands, with the processes that it started.
    """
    if multiprocessing.parent_process() is None:
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def leave(number: int, _frame: FrameType | None) -> None:
        for other in handlers:
            signal.signal(other, signal.SIG_IGN)
        # A worker leads a group of its own: these are the programs that it waits for.
        os.killpg(os.getpid(), number)
        raise _EndedError(number)

    for number in handlers:
        signal.signal(number, leave)
    try:
        yield
    except _EndedError as ended:
        signal.signal(ended.args[0], signal.SIG_DFL)
        os.kill(os.getpid(), ended.args[0])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
