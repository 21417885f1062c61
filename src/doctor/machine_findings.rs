//! The machine: user, container, supervisor and kernel features.

use crate::doctor::Finding;
use crate::engine::managed_by::ManagedBy;
use crate::engine::process::User;
use crate::scan::capabilities::{Capabilities, Environments, PidNamespace, StartedBy};
use crate::scan::own_container::PrivateFolder;
use crate::sys::filesystem::Support;
use crate::text::{printable, sanitize};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorUser {
    pub user: User,
    pub privileged: bool,
    /// The reason other containers cannot see the lock folder, if any.
    pub private_folder: Option<PrivateFolder>,
    pub reach: ScanReach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanReach {
    OwnUser,
    /// Also other users: because of a `[[match]]` entry, a shared lock or privileges.
    OtherUsers,
}

pub fn machine_findings(me: &DoctorUser, capabilities: Option<&Capabilities>) -> Vec<Finding> {
    let mut findings = vec![user(me)];
    findings.extend(other_users(me));
    if let Some(capabilities) = capabilities {
        findings.extend([
            container(capabilities, me.private_folder.as_ref()),
            namespace(capabilities.namespace),
            starter(&capabilities.starter),
            pidfd(&capabilities.pidfd),
            processes(capabilities.hidden.as_deref()),
            environments(capabilities.environments, me.privileged),
            inotify(&capabilities.inotify),
        ]);
    }
    findings
}

fn user(me: &DoctorUser) -> Finding {
    let (name, id) = (printable(&me.user.name), printable(&me.user.id));
    let who = if name == id { id.into_owned() } else { format!("{name} ({id})") };
    let reach = if me.privileged { "all processes" } else { "only this user's processes" };
    Finding::ok("user", format!("{who}: may signal {reach}"))
}

/// Explains that only one user's processes are seen, which surprises some users.
fn other_users(me: &DoctorUser) -> Option<Finding> {
    let name = printable(&me.user.name);
    match me.reach {
        ScanReach::OtherUsers => None,
        ScanReach::OwnUser => Some(Finding::note(
            "other users",
            format!(
                "a bot that another user started is not found: only {name}'s processes and lock \
                 are checked"
            ),
            "start a bot as the same user everywhere, or add a `[[match]]` entry with \
             `user = \"any\"`: a start is then refused while another user runs the bot",
        )),
    }
}

fn container(capabilities: &Capabilities, folder: Option<&PrivateFolder>) -> Finding {
    const NAME: &str = "container";
    match (&capabilities.container, folder) {
        (_, Some(folder)) => Finding::warning(NAME, folder.problem(), folder.hint()),
        (Some(maker), None) => Finding::ok(
            NAME,
            format!(
                "this is a container ({maker}); containers that share the lock folder see each \
                 other"
            ),
        ),
        (None, None) => Finding::ok(NAME, "none"),
    }
}

fn namespace(namespace: PidNamespace) -> Finding {
    Finding::ok(
        "PID namespace",
        match namespace {
            PidNamespace::First => "the first of this machine: every holder of a lock is visible",
            PidNamespace::Own => {
                "a separate one: a guard outside is asked through the lock folder, any other \
                 holder outside cannot be identified"
            }
        },
    )
}

fn starter(starter: &StartedBy) -> Finding {
    const NAME: &str = "supervisor";
    match starter {
        StartedBy::NoParent => {
            Finding::ok(NAME, "none: this is the first process here, or its parent is not visible")
        }
        StartedBy::Program(pid, name) => {
            Finding::ok(NAME, format!("no known one: started by `{}` (pid {pid})", sanitize(name)))
        }
        StartedBy::Supervisor(by) => {
            let once = match by {
                ManagedBy::Systemd(_) | ManagedBy::SystemdUser(_) => "`Restart=on-failure`",
                ManagedBy::Supervisord(_) => "`autorestart=unexpected`",
                ManagedBy::Container(_)
                | ManagedBy::Pm2(_)
                | ManagedBy::Runit(_)
                | ManagedBy::S6(_)
                | ManagedBy::OpenRc(_)
                | ManagedBy::Watcher(_) => "restarts only on failure",
            };
            let by = by.to_string();
            Finding::ok(
                NAME,
                format!(
                    "{}; choose {once}, as exit status 0 means that a newer start took over",
                    printable(&by)
                ),
            )
        }
    }
}

fn pidfd(offer: &Support) -> Finding {
    match offer {
        Support::Given => {
            Finding::ok("pidfd", "a signal only ever reaches the process that was checked")
        }
        Support::Refused(why) => Finding::warning(
            "pidfd",
            format!(
                "not available ({why}): pid and start time are compared before each signal instead"
            ),
            "use Linux 5.3 or later, and allow the system call pidfd_open in the container engine",
        ),
    }
}

fn processes(hidden: Option<&str>) -> Finding {
    match hidden {
        None => Finding::ok("processes", "/proc shows every process of this PID namespace"),
        Some(value) => Finding::warning(
            "processes",
            format!(
                "/proc hides other users' processes (hidepid={}): if one of them holds the lock, \
                 it cannot be identified",
                printable(value)
            ),
            "mount /proc with `hidepid=off`, or add this user to the group that its `gid=` option \
             names",
        ),
    }
}

fn environments(environments: Environments, privileged: bool) -> Finding {
    let Environments { readable, unreadable, first_unreadable } = environments;
    let hint = if privileged {
        "if one of them is the bot, add a `[[match]]` entry for it; the container or the unit that \
         monopoll runs in may have dropped CAP_SYS_PTRACE"
    } else {
        "if one of them is the bot, add a `[[match]]` entry for it, or give monopoll CAP_SYS_PTRACE"
    };
    let all = readable + unreadable;
    let first =
        first_unreadable.map_or_else(String::new, |pid| format!(" (the first is pid {pid})"));
    if unreadable == 0 {
        Finding::ok("environments", format!("readable for all {all} other processes of this user"))
    } else {
        Finding::warning(
            "environments",
            format!(
                "not readable for {unreadable} of {all} other processes of this user{first}, so a \
                 token there is not found"
            ),
            hint,
        )
    }
}

fn inotify(offer: &Support) -> Finding {
    match offer {
        Support::Given => {
            Finding::ok("inotify", "the kernel reports at once when a lock may be released")
        }
        Support::Refused(why) => Finding::warning(
            "inotify",
            format!("no instance left for this user ({why}): locks are polled every 50 ms instead"),
            "raise the limit with `sysctl fs.inotify.max_user_instances=1024`",
        ),
    }
}
