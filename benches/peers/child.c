/* The child of every measured start. Linked statically, so that its first timestamp follows the
 * exec and not the start of a runtime.
 *
 *     child FIFO MILLISECONDS
 *
 * Writes "start PID NANOSECONDS" to FIFO, waits for MILLISECONDS or SIGTERM, then writes
 * "end PID NANOSECONDS". */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void say(int to, const char *what, struct timespec at) {
    char line[64];
    long long nanoseconds = at.tv_sec * 1000000000LL + at.tv_nsec;
    int length = snprintf(line, sizeof line, "%s %d %lld\n", what, (int)getpid(), nanoseconds);
    if (write(to, line, (size_t)length) != length) _exit(3);
}

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (argc != 3) return 2;
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    int fifo = open(argv[1], O_WRONLY | O_CLOEXEC);
    if (fifo < 0) return 2;
    say(fifo, "start", now);
    long wait = atol(argv[2]);
    struct timespec limit = {wait / 1000, wait % 1000 * 1000000};
    if (wait > 0) sigtimedwait(&term, NULL, &limit);
    clock_gettime(CLOCK_MONOTONIC, &now);
    say(fifo, "end", now);
    _exit(0);
}
