"""Starts children and grandchildren all the time, and logs each signal that one of them gets."""

import os
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def log(text):
    with open("hits", "a") as hits:
        hits.write(f"{text}\n")


def wait_for(child):
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        log(f"{child} was killed")


def churn():
    while True:
        child = os.fork()
        if child == 0:
            inner = os.fork()
            if inner == 0:
                sent = signal.sigtimedwait({signal.SIGTERM}, 0.004)
                if sent:
                    log(f"{os.getpid()} got SIGTERM from {sent.si_pid}")
                os._exit(0)
            wait_for(inner)
            os._exit(0)
        wait_for(child)


for _ in range(5):
    if os.fork() == 0:
        churn()
signal.pause()
