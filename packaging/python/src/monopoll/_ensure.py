"""Makes the running program the only poller: it starts again under `monopoll run`."""

from __future__ import annotations

import builtins
import os
import signal
import stat
import subprocess
import sys
import threading
import warnings
from types import FrameType
from typing import NoReturn, Optional, get_args

from monopoll._program import (
    EnsureError,
    OnConflict,
    PathLike,
    options,
    own_command,
    program,
)

# The variable by which a guard marks the processes that it starts.
HELD = "MONOPOLL_HELD"
ENSURE = "MONOPOLL_ENSURE"
# The file of the program that returned from `ensure()` under a guard, for what it starts.
ENSURED = "MONOPOLL_ENSURED"

ACTIONS: tuple[str, ...] = get_args(OnConflict)

# The exit statuses of `monopoll held`.
NO_GUARD = 3
ANOTHER_BOT = 5


def _working_directory() -> Optional[str]:
    try:
        return os.getcwd()
    except OSError:
        return None


# As the program was started, provided that it imports this package first.
_DIRECTORY_AT_IMPORT = _working_directory()
_MASK_AT_IMPORT = (
    signal.pthread_sigmask(signal.SIG_BLOCK, ()) if hasattr(signal, "pthread_sigmask") else None
)


def ensure(
    *,
    config: Optional[PathLike] = None,
    profile: Optional[str] = None,
    instance: Optional[str] = None,
    on_conflict: Optional[OnConflict] = None,
) -> None:
    """Make this process the only poller, or end it with the reason.

    Call it in the first lines of the program's main file, at module level. It runs the program
    again under `monopoll run`: the process becomes the guard, which starts the program as its
    child. There, `ensure()` returns at once. If the start is refused, the process ends with
    monopoll's message and exit status.

    With `MONOPOLL_ENSURE=off` in the environment, it only warns and returns.

    Args:
        config: the configuration file, as `--config`.
        profile: the profile, as `--profile`.
        instance: the instance, as `--instance`.
        on_conflict: the action on a conflict, as `--on-conflict`.

    Raises:
        ValueError: there is no such action.
        EnsureError: the program cannot be started again here; the message says what to do.
        ProgramNotFoundError: the package is installed without its program.
    """
    if on_conflict is not None and on_conflict not in ACTIONS:
        known = ", ".join(ACTIONS)
        raise ValueError(f"on_conflict={on_conflict!r} is unknown; the actions are {known}")
    given = options(config, profile, instance, on_conflict)
    entry = _entry()
    if HELD in os.environ and _is_guarded(given, instance) and _is_part_of_bot(entry):
        if entry is not None:
            os.environ.setdefault(ENSURED, entry)
        return
    if os.environ.get(ENSURE, "").lower() == "off":
        warnings.warn(
            f"{ENSURE}=off: another copy of this bot may poll at the same time",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    _require_fresh_program(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
    argv = [program(), "run", "--from-ensure", *given, "--", *_own_command()]
    os.environ.pop(ENSURED, None)
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None and not getattr(stream, "closed", False):
            try:
                stream.flush()
            except OSError as error:
                raise EnsureError(f"cannot write the output so far: {error.strerror}") from error
    if os.name == "nt":
        _run_as_child(argv)
    _exec(argv)


def _entry() -> Optional[str]:
    """Return the absolute path of the program's file; `None` if it has none."""
    file: Optional[str] = getattr(sys.modules.get("__main__"), "__file__", None)
    return None if file is None else os.path.abspath(file)


def _is_part_of_bot(entry: Optional[str]) -> bool:
    """Return whether this is the guarded program, or what it runs of itself, such as a worker.

    A guarded bot may also start another bot, which inherits its marker.
    """
    return entry is None or os.environ.get(ENSURED, entry) == entry


def _own_command() -> list[str]:
    command = own_command()
    if command is None:
        raise EnsureError("the command line of this program is unknown; use Python 3.10 or newer")
    return command


def _is_guarded(given: list[str], instance: Optional[str]) -> bool:
    """Return whether the guard that the marker names is above this process, and is this bot's."""
    result = subprocess.run(
        [program(), "held", *given],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    if result.returncode == ANOTHER_BOT:
        return False
    if result.returncode == NO_GUARD:
        raise EnsureError(
            f"{HELD} is set, but its guard is not above this process: the guard was killed, or the "
            f"variable was inherited from another bot; end that bot, or unset {HELD}"
        )
    if result.returncode != 0:
        raise EnsureError(result.stderr.decode("utf-8", "replace").strip())
    held = result.stdout.decode("utf-8", "replace").strip()
    # With SIGCHLD ignored, the exit status is not known, and 0 here.
    if held != os.environ[HELD].split(":", 1)[0]:
        raise EnsureError(f"the guard that {HELD} names cannot be confirmed; unset {HELD}")
    if instance is not None and instance != held:
        raise EnsureError(
            f"this process runs under the guard of {held!r}, not {instance!r}; start it outside of "
            "that guard, or leave out `instance`"
        )
    return True


def _require_fresh_program(caller: FrameType) -> None:
    """Require that this program can be replaced by another run of itself."""
    main = sys.modules.get("__main__")
    entry: Optional[str] = getattr(main, "__file__", None)
    where = "the program" if entry is None else entry
    place = f"call `monopoll.ensure()` in the first lines of {where}, outside of any function"
    into_a_file = "put the bot into a file, such as main.py, and start it with `python3 main.py`"
    if getattr(sys, "frozen", False) or "__compiled__" in caller.f_globals:
        raise EnsureError(
            "a frozen program cannot start itself again; start it with `monopoll run -- PROGRAM`"
        )
    if hasattr(builtins, "get_ipython"):
        raise EnsureError(f"IPython and notebooks cannot start themselves again; {into_a_file}")
    if hasattr(sys, "ps1") or "idlelib.run" in sys.modules:
        raise EnsureError(f"an interactive interpreter cannot start itself again; {into_a_file}")
    if not _can_be_read_again(entry):
        raise EnsureError(f"a script on standard input cannot be read again; {into_a_file}")
    if caller.f_globals.get("__name__") == "__mp_main__":
        raise EnsureError(
            f"{where} is imported by a child of `multiprocessing`, whose parent has no guard; "
            f"{place}"
        )
    if main is None or caller.f_globals is not main.__dict__:
        module = caller.f_globals.get("__name__")
        if module == "__main__":
            raise EnsureError(
                f"{caller.f_code.co_filename} is run by {where}, which would be lost; start it "
                "with python itself, or with `monopoll run -- COMMAND`"
            )
        raise EnsureError(
            f"{module!r} is imported by another program; put `monopoll.ensure()` below "
            f'`if __name__ == "__main__":` in {caller.f_code.co_filename}; or, if '
            f"{'that program' if entry is None else entry} starts the bot, call it there in the "
            "first lines, or start that program with `monopoll run -- COMMAND`"
        )
    if _is_traced(caller):
        raise EnsureError(
            "a debugger or a tracer is attached, and would be lost; set "
            f"{ENSURE}=off while you debug, or start it with `monopoll run -- COMMAND`"
        )
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
    if threading.current_thread() is not threading.main_thread() or len(frames) > 1:
        raise EnsureError(
            f"another thread runs, and would be lost; {place}, before any thread starts"
        )
    if _is_in_event_loop():
        raise EnsureError(f"an event loop runs, and would be lost; {place}, before `asyncio.run`")
    if caller.f_code.co_name != "<module>":
        raise EnsureError(
            f"`monopoll.ensure()` is called in the function `{caller.f_code.co_name}`, after other "
            f'code has run; {place}, or directly below `if __name__ == "__main__":`'
        )
    if _working_directory() != _DIRECTORY_AT_IMPORT:
        raise EnsureError(
            f"the working directory has changed since the start; {place}, before `os.chdir`"
        )


def _can_be_read_again(entry: Optional[str]) -> bool:
    """Return whether the program is in a file, or on the command line after `-c`."""
    if entry is None:
        return "-c" in _own_command()
    try:
        return stat.S_ISREG(os.stat(entry).st_mode)
    except NotADirectoryError:
        # `app.pyz/__main__.py`
        return os.path.isfile(os.path.dirname(entry))
    except OSError:
        return False


def _is_traced(caller: FrameType) -> bool:
    if sys.gettrace() is not None or "pydevd" in sys.modules:
        return True
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None:
        return True
    # A debugger that waits for its first breakpoint traces nothing, but runs the program.
    frame = caller.f_back
    while frame is not None:
        if frame.f_globals.get("__name__") == "bdb":
            return True
        frame = frame.f_back
    return False


def _is_in_event_loop() -> bool:
    # A loop can only run if its module is imported. Importing it takes longer than all the rest.
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


def _exec(argv: list[str]) -> NoReturn:
    """Replace this process by `argv`, with the signals as they were when the process began."""
    # CPython ignores these two, and an ignored signal stays ignored.
    ignored = [
        number
        for number in (getattr(signal, "SIGPIPE", None), getattr(signal, "SIGXFSZ", None))
        if number is not None and signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if _MASK_AT_IMPORT is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _MASK_AT_IMPORT)
    try:
        os.execv(argv[0], argv)
    except OSError as error:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise EnsureError(f"cannot run {argv[0]}: {error.strerror}") from error


def _run_as_child(argv: list[str]) -> NoReturn:
    """Run `argv` and exit with its status, where a process cannot become another program."""
    child = subprocess.Popen(argv)
    while True:
        try:
            sys.exit(child.wait())
        except KeyboardInterrupt:
            # The child has received it, too.
            continue
