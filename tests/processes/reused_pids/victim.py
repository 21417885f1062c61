"""A bot whose children end at once."""

import os
import signal


def churn():
    while True:
        child = os.fork()
        if child == 0:
            inner = os.fork()
            if inner != 0:
                os.waitpid(inner, 0)
            os._exit(0)
        os.waitpid(child, 0)


for _ in range(2):
    if os.fork() == 0:
        churn()
print("ready", flush=True)
signal.pause()
