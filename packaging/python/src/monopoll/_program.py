"""The `monopoll` program of this package, and the options that it is called with."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Literal, Optional, Union

# Not `X | Y`: these are evaluated, also by Python 3.9.
OnConflict = Literal["refuse", "graceful", "force", "wait"]
PathLike = Union[str, "os.PathLike[str]"]

# Not resolved: uv can install links into its cache.
PACKAGE = Path(os.path.abspath(__file__)).parent
NAME = "monopoll.exe" if os.name == "nt" else "monopoll"


class EnsureError(RuntimeError):
    """This program cannot become the only poller here. Nothing was started or ended."""

    __module__ = "monopoll"


class ProgramNotFoundError(EnsureError):
    """The package is installed without its program."""

    __module__ = "monopoll"


def program() -> str:
    """Return the absolute path of the program that was installed with this package.

    `PATH` is not searched: a program there may have another version, or belong to somebody else.

    Raises:
        ProgramNotFoundError: the program is in none of the places where installers put it.
    """
    folders = _program_folders()
    for folder in folders:
        path = folder / NAME
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    searched = ", ".join(map(str, folders))
    raise ProgramNotFoundError(
        f"the program `{NAME}` is missing beside the package in {PACKAGE} (searched {searched}); "
        "install the wheel again"
    )


def _program_folders() -> list[Path]:
    """Return the folders in which an installer puts the programs of this package."""
    above = PACKAGE.parent
    # `pip install --target FOLDER`.
    roots = [above]
    # .../lib/python3.12/site-packages/monopoll; Lib on Windows, dist-packages on Debian: the
    # programs are beside `lib`.
    roots += [it.parent for it in above.parents if it.name.lower() in ("lib", "lib64")][:1]
    # `pip install --user` on Windows: .../Python312/site-packages/monopoll.
    roots.append(above.parent)
    return [root / folder for root in roots for folder in ("bin", "Scripts")]


def options(
    config: Optional[PathLike],
    profile: Optional[str],
    instance: Optional[str],
    on_conflict: Optional[OnConflict] = None,
) -> list[str]:
    """Return the command-line options for these arguments; `None` leaves the option out."""
    given = {
        "--config": None if config is None else os.fspath(config),
        "--profile": profile,
        "--instance": instance,
        "--on-conflict": on_conflict,
    }
    return [f"{name}={value}" for name, value in given.items() if value is not None]


def own_command() -> Optional[list[str]]:
    """Return the command line of this program, as its interpreter was started.

    `None` if the system does not tell: CPython does since 3.10, and Linux always.
    """
    words = list(getattr(sys, "orig_argv", ())) or _words_in_proc()
    return [_interpreter(words[0]), *words[1:]] if words else None


def _words_in_proc() -> list[str]:
    try:
        line = Path("/proc/self/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(word) for word in line.split(b"\0")[:-1]]


def _interpreter(typed: str) -> str:
    """Return the interpreter as it was typed, if that leads to it, else its path."""
    if not sys.executable or shutil.which(typed) == sys.executable:
        return typed
    return sys.executable
