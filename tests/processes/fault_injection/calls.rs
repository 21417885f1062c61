//! The calls to the kernel that fail, with the errors that their manual pages document and that
//! may really occur, and the calls that do not.

const READABLE: [&str; 3] = ["/cmdline\"", "/stat\"", "/status\""];

/// The faults of calls that depend on what the call is about.
fn special(call: &str, arguments: &str) -> Option<&'static [&'static str]> {
    let file = arguments.split_once('<').map_or("", |(_, rest)| rest);
    let is_of_proc = file.starts_with("/proc");
    let faults: &[&str] = match call {
        "write" | "pwrite64" if file.starts_with('/') => {
            &["EDQUOT", "EFBIG", "EINTR", "EIO", "ENOSPC", "SIGKILL", "SIGTERM"]
        }
        "read" if is_of_proc => &["EINTR", "EIO", "ENOMEM", "SIGKILL", "SIGTERM"],
        "read" | "pread64" if file.starts_with('/') => &["EINTR", "EIO", "ENOMEM"],
        // Signals, wakeups and watches: their descriptors do not block.
        "read" | "write" if file.starts_with("anon_inode:") => &["EAGAIN"],
        "read" | "write" => &["EAGAIN", "EINTR"],
        "getrandom" if arguments.contains("GRND_INSECURE") => &["EINVAL", "ENOSYS"],
        // ENOENT and ESRCH would mean that a process has ended: what the kernel says is true.
        // Every user may read these.
        "openat" if is_of_proc && READABLE.iter().any(|it| arguments.contains(it)) => {
            &["EINTR", "EMFILE", "ENFILE", "ENOMEM", "SIGKILL", "SIGTERM"]
        }
        "openat" if is_of_proc => {
            &["EACCES", "EINTR", "EMFILE", "ENFILE", "ENOMEM", "SIGKILL", "SIGTERM"]
        }
        "newfstatat" | "statx" if is_of_proc => &["EACCES", "ENOMEM"],
        "readlinkat" if is_of_proc => &["EACCES", "EIO", "ENOMEM"],
        "openat" if !arguments.contains("O_CREAT") && !arguments.contains("O_RDONLY") => &[
            "EACCES", "EINTR", "EMFILE", "ENFILE", "ENOENT", "ENOMEM", "EROFS", "SIGKILL",
            "SIGTERM",
        ],
        // Nothing is written.
        "openat" if !arguments.contains("O_CREAT") => {
            &["EACCES", "EINTR", "EMFILE", "ENFILE", "ENOENT", "ENOMEM", "SIGKILL", "SIGTERM"]
        }
        "fcntl" if arguments.contains("F_SETLEASE") => &["EACCES", "EAGAIN", "ENOMEM"],
        "fcntl" if arguments.contains("F_DUPFD") => &["EINVAL", "EMFILE"],
        "fcntl" if arguments.contains("F_SETLK") => &["EAGAIN", "EINTR", "ENOLCK"],
        // The others fail only for wrong arguments.
        "fcntl" => &["SIGKILL"],
        // std ends a program that has no memory for a thread's signal stack.
        "mmap" if arguments.contains("PROT_WRITE") && arguments.contains("MAP_STACK") => &[],
        "mprotect" if arguments.contains("PROT_NONE") => &[],
        _ => return None,
    };
    Some(faults)
}

/// Returns the faults of a call with these arguments, in the notation of `strace -y`. `None` if it
/// is not listed.
pub(super) fn faults(call: &str, arguments: &str) -> Option<&'static [&'static str]> {
    special(call, arguments)
        .or_else(|| FAULTS.iter().find(|it| it.0 == call).map(|it| it.1))
        .or_else(|| NOT_INJECTED.iter().any(|it| it.0 == call).then_some(&[]))
}

/// Errors, and signals that arrive at the call.
const FAULTS: &[(&str, &[&str])] = &[
    ("accept4", &["EINTR", "EMFILE", "ENOMEM"]),
    ("access", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("bind", &["EACCES", "EADDRINUSE", "ENOMEM"]),
    ("chdir", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("clone", &["EAGAIN", "ENOMEM", "EPERM"]),
    ("clone3", &["EAGAIN", "ENOMEM", "ENOSYS", "EPERM"]),
    ("close", &["SIGKILL", "SIGTERM"]),
    ("connect", &["EACCES", "EAGAIN", "ECONNREFUSED", "EINTR", "ENOENT"]),
    ("dup", &["EMFILE"]),
    ("dup2", &["EBUSY", "EINTR", "EMFILE"]),
    ("dup3", &["EBUSY", "EINTR", "EMFILE"]),
    ("epoll_create1", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    ("epoll_wait", &["EINTR"]),
    ("eventfd2", &["EMFILE", "ENFILE", "ENODEV", "ENOMEM"]),
    (
        "execve",
        &[
            "E2BIG", "EACCES", "EAGAIN", "EIO", "EMFILE", "ENFILE", "ENOENT", "ENOEXEC", "ENOMEM",
            "EPERM", "ETXTBSY", "SIGKILL",
        ],
    ),
    ("fchmod", &["EIO", "EPERM", "EROFS"]),
    ("flock", &["EAGAIN", "EINTR", "ENOLCK", "SIGKILL", "SIGTERM"]),
    ("fstatfs", &["EINTR", "EIO", "ENOMEM", "ENOSYS"]),
    ("fsync", &["EDQUOT", "EINTR", "EIO", "ENOSPC"]),
    ("ftruncate", &["EFBIG", "EINTR", "EIO", "EPERM", "EROFS"]),
    ("getcwd", &["EACCES", "ENOENT", "ENOMEM"]),
    ("getdents64", &["ENOENT"]),
    ("getrandom", &["EAGAIN", "EINTR", "ENOSYS"]),
    ("getsockopt", &["ENOBUFS"]),
    ("inotify_add_watch", &["EACCES", "ENOENT", "ENOMEM", "ENOSPC"]),
    ("inotify_init1", &["EMFILE", "ENFILE", "ENOMEM"]),
    ("ioctl", &["EIO", "ENOTTY"]),
    ("kill", &["EPERM"]),
    ("listen", &["EADDRINUSE"]),
    ("madvise", &["EAGAIN", "EIO", "ENOMEM"]),
    ("memfd_create", &["EMFILE", "ENFILE", "ENOMEM", "ENOSYS", "EPERM"]),
    ("mkdir", &["EACCES", "EDQUOT", "EEXIST", "ENOMEM", "ENOSPC", "EROFS", "SIGKILL"]),
    ("mkdirat", &["EACCES", "EDQUOT", "EEXIST", "ENOMEM", "ENOSPC", "EROFS", "SIGKILL"]),
    ("mmap", &["EAGAIN", "ENOMEM"]),
    ("mprotect", &["ENOMEM"]),
    ("munmap", &["ENOMEM"]),
    ("newfstatat", &["EACCES", "ENOENT", "ENOMEM"]),
    ("open", &["EACCES", "EINTR", "EMFILE", "ENFILE", "ENOENT", "ENOMEM"]),
    (
        "openat",
        &[
            "EACCES", "EDQUOT", "EINTR", "EMFILE", "ENFILE", "ENOENT", "ENOMEM", "ENOSPC", "EROFS",
            "SIGKILL", "SIGTERM",
        ],
    ),
    ("pidfd_open", &["EMFILE", "ENFILE", "ENODEV", "ENOMEM", "ENOSYS", "EPERM"]),
    ("pidfd_send_signal", &["ENOSYS", "EPERM", "SIGKILL", "SIGTERM"]),
    ("pipe2", &["EMFILE", "ENFILE"]),
    ("poll", &["EINTR", "ENOMEM"]),
    ("ppoll", &["EINTR", "ENOMEM", "SIGKILL", "SIGTERM"]),
    ("prctl", &["EINVAL", "EPERM", "SIGKILL"]),
    ("readlink", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("readlinkat", &["EACCES", "EIO", "ENOENT", "ENOMEM"]),
    ("recvfrom", &["EAGAIN", "ECONNREFUSED", "EINTR", "ENOMEM"]),
    ("recvmsg", &["EAGAIN", "ECONNREFUSED", "EINTR", "ENOMEM"]),
    (
        "renameat",
        &["EACCES", "EDQUOT", "EIO", "ENOENT", "ENOMEM", "ENOSPC", "EROFS", "SIGKILL", "SIGTERM"],
    ),
    (
        "renameat2",
        &[
            "EACCES", "EDQUOT", "EEXIST", "EINVAL", "ENOMEM", "ENOSPC", "EROFS", "SIGKILL",
            "SIGTERM",
        ],
    ),
    ("sched_getaffinity", &["EINVAL", "EPERM"]),
    ("sched_setaffinity", &["EINVAL", "EPERM"]),
    ("sendto", &["EAGAIN", "ECONNREFUSED", "EINTR", "ENOBUFS", "ENOMEM", "EPERM"]),
    ("setsockopt", &["ENOMEM"]),
    ("signalfd4", &["EMFILE", "ENFILE", "ENODEV", "ENOMEM"]),
    ("socket", &["EACCES", "EAFNOSUPPORT", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]),
    ("statfs", &["EACCES", "EINTR", "EIO", "ENOENT", "ENOMEM", "ENOSYS"]),
    ("statx", &["EACCES", "ENOENT", "ENOMEM"]),
    ("unlinkat", &["EACCES", "EBUSY", "EIO", "ENOENT", "ENOMEM", "EROFS", "SIGKILL", "SIGTERM"]),
];

/// The calls without an error that could be injected, with the reason. Some still have faults.
const NOT_INJECTED: &[(&str, &str)] = &[
    ("arch_prctl", "part of the start of a process"),
    ("brk", "the kernel shows a failure as the old break, which cannot be injected"),
    ("exit", "it does not return"),
    ("exit_group", "it does not return"),
    ("futex", "the C library and std handle or exclude its errors"),
    ("geteuid", "it cannot fail"),
    ("getgid", "it cannot fail"),
    ("getpgid", "it cannot fail for a child"),
    ("getpgrp", "it cannot fail"),
    ("getpid", "it cannot fail"),
    ("getppid", "it cannot fail"),
    ("getsid", "it cannot fail for itself"),
    ("gettid", "it cannot fail"),
    ("getuid", "it cannot fail"),
    ("lseek", "it fails only for what is no file"),
    ("prlimit64", "it fails only for another process, or for more than the hard limit"),
    ("restart_syscall", "the kernel makes it after a stop"),
    ("rseq", "part of the start of a thread"),
    ("rt_sigaction", "it fails only for wrong arguments"),
    ("rt_sigprocmask", "it fails only for wrong arguments"),
    ("rt_sigreturn", "it does not return"),
    ("sched_yield", "it cannot fail"),
    ("set_robust_list", "part of the start of a thread"),
    ("set_tid_address", "part of the start of a process"),
    ("setpgid", "it fails only for a process that has run another program"),
    ("setsid", "it fails only for a group leader"),
    ("sigaltstack", "part of the start of a thread"),
    ("socketpair", "tokio panics without one: before `[check]`, monopoll makes sure of it"),
    ("tgkill", "sent by a process to itself"),
    ("umask", "it cannot fail"),
    ("uname", "it cannot fail"),
    ("wait4", "it does not wait, and fails only without a child"),
    ("waitid", "it does not wait, and fails only without a child"),
];

/// The errors that may also last: each later use of the call then fails too.
const LASTING: [&str; 3] = ["EMFILE", "ENOLCK", "ENOMEM"];

/// Returns the fault that begins with this one and lasts. Reads and writes of signals and wakeups
/// never fail like those of files, and a call that sleeps has memory some time.
pub(super) fn lasting(call: &str, fault: &str) -> Option<String> {
    let is_one = LASTING.contains(&fault) && !["poll", "ppoll", "read", "write"].contains(&call);
    is_one.then(|| format!("{fault}+"))
}

/// The errors that pass by themselves according to errno(3) and the manual pages of the calls: what
/// is missing is freed by other processes, or the call was interrupted. Listed here once more: a
/// wrong list in monopoll must not make this test wrong too.
const PASSING: [&str; 12] = [
    "EAGAIN", "EBUSY", "EDQUOT", "EINTR", "EIO", "EMFILE", "ENFILE", "ENOBUFS", "ENOLCK", "ENOMEM",
    "ENOSPC", "ETXTBSY",
];

/// The errors that stay until a person changes a file, a limit or the system.
const FINAL: [&str; 17] = [
    "E2BIG",
    "EACCES",
    "EADDRINUSE",
    "EAFNOSUPPORT",
    "ECONNREFUSED",
    "EEXIST",
    "EFBIG",
    "EINVAL",
    "ENODEV",
    "ENOENT",
    "ENOEXEC",
    "ENOSYS",
    "ENOTTY",
    "EPERM",
    "EROFS",
    "SIGKILL",
    "SIGTERM",
];

/// Returns whether this error may pass: a start that does not come about says "try again later".
pub(super) fn may_pass(fault: &str) -> bool {
    let name = fault.trim_end_matches('+');
    let passes = PASSING.contains(&name);
    assert!(passes != FINAL.contains(&name), "`{name}` must be in one of both lists");
    passes
}

pub(super) fn is_signal(fault: &str) -> bool {
    fault.starts_with("SIG")
}
