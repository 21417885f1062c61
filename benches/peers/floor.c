/* What cannot be undercut: the system calls alone, written by hand, linked statically.
 *
 *     floor scan                   one pass over /proc, each command line read
 *     floor scan-all               the same, and each environment, or executable where there is no command line: it takes
 *                                  that much to find a token, and to tell a kernel thread
 *     floor lock FILE COMMAND...   flock(2), fork, exec, wait
 *     floor start FILE COMMAND...  two such passes with flock(2) between them, then fork, exec, wait */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[1 << 16];

static ssize_t take(int proc, const char *name) {
    int file = openat(proc, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t length = read(file, buffer, sizeof buffer);
    close(file);
    return length;
}

static int scan(int all) {
    DIR *proc = opendir("/proc");
    if (!proc) return 1;
    for (struct dirent *entry; (entry = readdir(proc));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        char name[64];
        size_t length = strlen(entry->d_name);
        memcpy(name, entry->d_name, length);
        strcpy(name + length, "/cmdline");
        ssize_t arguments = take(dirfd(proc), name);
        if (!all) continue;
        if (arguments > 0) {
            strcpy(name + length, "/environ");
            take(dirfd(proc), name);
        } else {
            strcpy(name + length, "/exe");
            if (readlinkat(dirfd(proc), name, buffer, sizeof buffer) < 0) continue;
        }
    }
    closedir(proc);
    return 0;
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
    if (!strcmp(argv[1], "scan")) return scan(0);
    if (!strcmp(argv[1], "scan-all")) return scan(1);
    if (argc < 4) return 2;
    int looks = !strcmp(argv[1], "start");
    int lock = open(argv[2], O_RDWR | O_CREAT, 0600);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB)) return 1;
    for (int i = 0; looks && i < 2; i++) scan(1);
    return run(argv + 3);
}
