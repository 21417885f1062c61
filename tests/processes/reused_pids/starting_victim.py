"""A bot that starts another program at its end, which gets the pid in its argument."""

import os
import signal
import sys

other = int(sys.argv[1])


def end(*_):
    os.kill(other, signal.SIGKILL)
    while os.path.exists(f"/proc/{other}"):
        pass
    for _ in range(100):
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(other - 1))
        # It has left this program's command line when this returns.
        child = os.posix_spawnp("sleep", ["sleep", "60"], os.environ)
        if child == other:
            os._exit(0)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os._exit(1)


signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
