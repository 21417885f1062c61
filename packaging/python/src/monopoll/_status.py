"""The status of an instance, as typed values."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Optional

from monopoll._ensure import HELD
from monopoll._program import PathLike, options, own_command, program

# The exit statuses with which `monopoll status` prints a document.
ANSWERED = (0, 3, 4, 5)


class StatusError(RuntimeError):
    """`monopoll status` failed; the message is its own, with secrets masked."""

    __module__ = "monopoll"


@dataclass(frozen=True)
class Guard:
    """The holder of an instance. A value that cannot be read is `None`."""

    pid: Optional[int]
    ticket: Optional[int]
    command: Optional[str]
    user: Optional[str]
    host: str
    since: Optional[str]
    """RFC 3339."""
    child_pid: Optional[int]
    profile: Optional[str]
    monopoll: Optional[str]
    """The guard's version; `None` if the holder is not a guard."""


@dataclass(frozen=True)
class Takeover:
    """A start that ended a conflict."""

    at: Optional[str]
    """RFC 3339."""
    from_pid: Optional[int]
    to_pid: Optional[int]
    action: Literal["refuse", "graceful", "force", "wait", "ignore"]
    took_ms: int


@dataclass(frozen=True)
class Alert:
    """What the guard has reported while the bot runs, such as a possible second poller."""

    at: Optional[str]
    """RFC 3339."""
    why: str
    """A sentence, with secrets masked."""
    times: int
    """How often it was reported in a row."""


@dataclass(frozen=True)
class Step:
    """One step of ending a conflict or waiting for it."""

    do: Literal["ask", "signal", "wait"]
    timeout_ms: Optional[int]
    signal: Optional[str]


@dataclass(frozen=True)
class Conflict:
    """A process that a start would have to end or to wait for. An unreadable value is `None`."""

    pid: Optional[int]
    name: Optional[str]
    command: Optional[str]
    user: Optional[str]
    state: Optional[str]
    started_at: Optional[str]
    age_ms: Optional[int]
    holds_lock: bool
    same_token: Optional[bool]
    connected: Optional[bool]
    found_by: Literal["lock", "match", "command", "token"]
    orphaned: Optional[bool]
    managed_by: Optional[str]
    container: Optional[str]
    host: str
    tree: tuple[int, ...]
    matched_by: tuple[str, ...]
    rule: Optional[str]
    action: Literal["refuse", "graceful", "force", "wait", "ignore"]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class NearMiss:
    """A process that is almost the same command, which a start does not touch."""

    pid: int
    command: Optional[str]
    reason: str
    match: Optional[str]


@dataclass(frozen=True)
class Status:
    """The status of an instance. The fields are those of `monopoll status --json`."""

    instance: str
    state: Literal["starting", "running", "stopping", "stopped", "unguarded", "unknown"]
    holder: Optional[Guard]
    takeovers: tuple[Takeover, ...]
    alerts: tuple[Alert, ...]
    """Oldest first."""
    conflicts: tuple[Conflict, ...]
    near_misses: tuple[NearMiss, ...]

    @property
    def is_guarded(self) -> bool:
        """Whether a guard holds the instance."""
        return self.state in ("starting", "running", "stopping")


def status(
    command: Optional[Sequence[str]] = None,
    *,
    config: Optional[PathLike] = None,
    profile: Optional[str] = None,
    instance: Optional[str] = None,
) -> Status:
    """Return the status of a bot. Changes nothing and takes no lock.

    Args:
        command: the bot's program and its arguments, such as `["python3", "main.py"]`. Left out, it
            is this program.
        config: the configuration file, as `--config`.
        profile: the profile, as `--profile`.
        instance: the instance, as `--instance`. Left out, it is that of the command or, under a
            guard and without a command, the guard's, with the guard's lock.

    Raises:
        StatusError: the status cannot be determined, for example because of the configuration.
        ProgramNotFoundError: the package is installed without its program.
    """
    lock: list[str] = []
    if command is None and instance is None and HELD in os.environ:
        held = os.environ[HELD].split(":", 4)
        instance = held[0]
        # Another user than the guard's would look for the lock in its own folder.
        if len(held) == 5:
            lock = ["--set", f"lock.paths=[{json.dumps(held[4])}]"]
    words = own_command() if command is None else list(command)
    if words is None:
        raise StatusError("the command line of this program is unknown; give `command`")
    asked = subprocess.run(
        [program(), "status", "--json", *options(config, profile, instance), *lock, "--", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    if asked.returncode not in ANSWERED:
        raise StatusError(asked.stderr.decode("utf-8", "replace").strip())
    try:
        return _parse(json.loads(asked.stdout))
    except (ValueError, KeyError, TypeError) as error:
        raise StatusError(f"`monopoll status --json` printed something else: {error!r}") from error


def _parse(document: Mapping[str, Any]) -> Status:
    holder = document["holder"]
    return Status(
        instance=document["instance"],
        state=document["state"],
        holder=None if holder is None else Guard(**_known(Guard, holder)),
        takeovers=tuple(Takeover(**_known(Takeover, it)) for it in document["takeovers"]),
        alerts=tuple(Alert(**_known(Alert, it)) for it in document["alerts"]),
        conflicts=tuple(map(_conflict, document["conflicts"])),
        near_misses=tuple(NearMiss(**_known(NearMiss, it)) for it in document["near_misses"]),
    )


def _conflict(document: Mapping[str, Any]) -> Conflict:
    values = _known(Conflict, document)
    values["tree"] = tuple(values["tree"])
    values["matched_by"] = tuple(values["matched_by"])
    values["steps"] = tuple(
        Step(do=it["do"], timeout_ms=it.get("timeout_ms"), signal=it.get("signal"))
        for it in values["steps"]
    )
    return Conflict(**values)


def _known(kind: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that this version knows: a newer program may print more."""
    return {field.name: document[field.name] for field in fields(kind)}
