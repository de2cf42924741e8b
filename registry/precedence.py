"""Who comes first where processes share processors: Linux's own weights and turns. Standard library only.

Linux may share processors between sessions first (`autogroup`): a process's niceness then counts within its session
alone, and the session has one of its own. In a container, where sessions do not count, the container's weight does
(`cpu_shares` of docker-compose.yml). Turns: man 2 sched_setattr, `sched_runtime`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
SHORT_TURN_NS = 100_000  # the least that Linux gives
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
SCHED_ATTR = struct.Struct("IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period


def give_way(niceness: int) -> None:
    """Let this process, and all that it starts from now on, come after others on the same processors; 0 changes nothing."""
    if niceness > 0:
        _weigh_session(os.nice(niceness))


def come_first(priority: int) -> bool:
    """Let this process, and all that it starts from now on, come before others on the same processors; 0 changes nothing.

    Anybody may ask for short turns (Linux 6.12 and later), which come the sooner. To weigh more, by a `priority` of up
    to 20, takes root or CAP_SYS_NICE; returns whether it does.
    """
    if priority <= 0:
        return False
    weighs_more = False
    with contextlib.suppress(PermissionError):
        _weigh_session(os.nice(-priority))
        weighs_more = True
    _take_short_turns()
    return weighs_more


def _weigh_session(niceness: int) -> None:
    """The session's own weight follows where this process leads it."""
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(niceness))


def _take_short_turns() -> None:
    """Whoever has a turn ends it for one who woke and wants a shorter one. Where the system knows no such thing: nothing."""
    call = SCHED_SETATTR.get(platform.machine())
    if platform.system() == "Linux" and call is not None:
        normal, niceness = os.SCHED_OTHER, os.getpriority(os.PRIO_PROCESS, 0)
        attributes = SCHED_ATTR.pack(SCHED_ATTR.size, normal, 0, niceness, 0, SHORT_TURN_NS, 0, 0)
        ctypes.CDLL(None).syscall(call, 0, attributes, 0)
