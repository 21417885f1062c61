"""One Telegram bot token, one poller.

>>> import monopoll
>>> monopoll.ensure()  # the first line of main.py
"""

from monopoll._ensure import ensure
from monopoll._program import EnsureError, OnConflict, ProgramNotFoundError
from monopoll._status import (
    Alert,
    Conflict,
    Guard,
    NearMiss,
    Status,
    StatusError,
    Step,
    Takeover,
    status,
)

__all__ = [
    "Alert",
    "Conflict",
    "EnsureError",
    "Guard",
    "NearMiss",
    "OnConflict",
    "ProgramNotFoundError",
    "Status",
    "StatusError",
    "Step",
    "Takeover",
    "ensure",
    "status",
]
