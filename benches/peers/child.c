/* The child that everybody starts: linked statically, it says what time it is with its first instruction, so that what is
 * measured ends with the exec and not with a runtime's start.
 *
 *     child FIFO MILLISECONDS
 *
 * writes "start PID NANOSECONDS" to FIFO, waits so long or for SIGTERM, and writes "end PID NANOSECONDS" as its last act. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void say(int to, const char *what, struct timespec at) {
    char line[64];
    int length = snprintf(line, sizeof line, "%s %d %lld\n", what, (int)getpid(), at.tv_sec * 1000000000LL + at.tv_nsec);
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
