/* The lower bound: only the necessary system calls, linked statically.
 *
 *     floor scan                   one pass over /proc that reads each command line
 *     floor scan-all               also reads each environment (to find a token), or the executable
 *                                  where there is no command line (to identify a kernel thread)
 *     floor scan-two               the same with two threads, each for half of the processes
 *     floor lock FILE COMMAND...   flock(2), fork, exec, wait
 *     floor start FILE COMMAND...  a whole start: flock(2) without waiting, two passes, write a
 *                                  record, fork, exec, wait, remove the record
 *     floor wait FILE COMMAND...   the same, but waits for the lock and makes the second pass only
 *
 * The second pass reads each command line and executable to find conflicts with COMMAND. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static _Thread_local char buffer[1 << 16];

static ssize_t take(int proc, const char *name) {
    int file = openat(proc, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t length = read(file, buffer, sizeof buffer);
    close(file);
    return length;
}

enum depth { ARGUMENTS, ENVIRONMENTS, PROGRAMS };

static void look(int proc, const char *pid, enum depth depth) {
    char name[64];
    size_t length = strlen(pid);
    memcpy(name, pid, length);
    strcpy(name + length, "/cmdline");
    ssize_t arguments = take(proc, name);
    if (depth == ARGUMENTS) return;
    struct stat program;
    if (arguments > 0 && depth == ENVIRONMENTS) {
        strcpy(name + length, "/environ");
        take(proc, name);
        return;
    }
    strcpy(name + length, "/exe");
    if (arguments > 0) fstatat(proc, name, &program, 0);
    else if (readlinkat(proc, name, buffer, sizeof buffer) < 0) return;
}

static int is_pid(const struct dirent *entry) {
    return entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
}

static int scan(enum depth depth) {
    DIR *proc = opendir("/proc");
    if (!proc) return 1;
    for (struct dirent *entry; (entry = readdir(proc));)
        if (is_pid(entry)) look(dirfd(proc), entry->d_name, depth);
    closedir(proc);
    return 0;
}

static char pids[1 << 17][8];
static size_t many;
static int all;

static void *every_other(void *first) {
    for (size_t at = (size_t)first; at < many; at += 2) look(all, pids[at], ENVIRONMENTS);
    return NULL;
}

static int scan_by_two(void) {
    DIR *proc = opendir("/proc");
    if (!proc) return 1;
    for (struct dirent *entry; many < sizeof pids / sizeof *pids && (entry = readdir(proc));)
        if (is_pid(entry) && strlen(entry->d_name) < sizeof *pids)
            strcpy(pids[many++], entry->d_name);
    all = dirfd(proc);
    pthread_t other;
    if (pthread_create(&other, NULL, every_other, (void *)1)) return 1;
    every_other(NULL);
    pthread_join(other, NULL);
    closedir(proc);
    return 0;
}

/* Writes the record of this start atomically. */
static int record(const char *path, const char *new) {
    int file = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return 1;
    int length = snprintf(
        buffer, sizeof buffer, "{\"pid\":%d,\"command\":\"%0300d\"}\n", (int)getpid(), 0);
    if (write(file, buffer, (size_t)length) != length) return 1;
    close(file);
    return rename(new, path);
}

static int run(char **command) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    int status;
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "scan")) return scan(ARGUMENTS);
    if (!strcmp(argv[1], "scan-all")) return scan(ENVIRONMENTS);
    if (!strcmp(argv[1], "scan-two")) return scan_by_two();
    if (argc < 4) return 2;
    int waits = !strcmp(argv[1], "wait"), guards = waits || !strcmp(argv[1], "start");
    int lock = open(argv[2], O_RDWR | O_CREAT, 0600);
    if (lock < 0 || flock(lock, LOCK_EX | (waits ? 0 : LOCK_NB))) return 1;
    if (!guards) return run(argv + 3);
    char path[4096], new[4096];
    snprintf(path, sizeof path, "%s.record", argv[2]);
    snprintf(new, sizeof new, "%s.new", argv[2]);
    if (!waits) scan(ENVIRONMENTS);
    scan(PROGRAMS);
    if (record(path, new)) return 1;
    int failed = run(argv + 3);
    return unlink(path) || failed;
}
