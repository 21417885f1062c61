//! The machine: the user, the container, the supervisor, and what the kernel offers.

use crate::doctor::Finding;
use crate::engine::managed_by::ManagedBy;
use crate::engine::process::User;
use crate::scan::capabilities::{Capabilities, Environments, PidNamespace, StartedBy};
use crate::scan::container::PrivateFolder;
use crate::sys::filesystem::Support;
use crate::text::{printable, sanitize};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorUser {
    pub user: User,
    /// Whether the user may signal all processes.
    pub privileged: bool,
    /// The reason why other containers do not see the lock folder, if they do not.
    pub private_folder: Option<PrivateFolder>,
    /// The users whose bots a start finds.
    pub reach: ScanReach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanReach {
    OwnUser,
    /// Other users too: by a `[[match]]` entry, by a shared lock, or by privilege.
    OtherUsers,
}

/// Findings about the machine; without capabilities only about the user.
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
            environments(capabilities.environments),
            inotify(&capabilities.inotify),
        ]);
    }
    findings
}

fn user(me: &DoctorUser) -> Finding {
    let (name, id) = (printable(&me.user.name), printable(&me.user.id));
    let who = if name == id { id.into_owned() } else { format!("{name} ({id})") };
    let reach = if me.privileged { "everybody's processes" } else { "this user's processes alone" };
    Finding::ok("user", format!("{who}: may signal {reach}"))
}

/// Not seeing other users is no fault, but unexpected.
fn other_users(me: &DoctorUser) -> Option<Finding> {
    let name = printable(&me.user.name);
    match me.reach {
        ScanReach::OtherUsers => None,
        ScanReach::OwnUser => Some(Finding::note(
            "other users",
            format!(
                "a bot that another user started is not seen: who is in the way is looked for \
                 among {name}'s processes, by {name}'s lock"
            ),
            "start a bot as one user everywhere, or write a `[[match]]` entry with \
             `user = \"any\"`: what it finds of others' is refused",
        )),
    }
}

fn container(capabilities: &Capabilities, folder: Option<&PrivateFolder>) -> Finding {
    const NAME: &str = "container";
    match (&capabilities.container, folder) {
        (_, Some(folder)) => Finding::warning(NAME, folder.problem(), folder.hint()),
        (Some(maker), None) => Finding::ok(
            NAME,
            format!("this is one of {maker}; whoever mounts the same lock folder meets"),
        ),
        (None, None) => Finding::ok(NAME, "this is none"),
    }
}

fn namespace(namespace: PidNamespace) -> Finding {
    Finding::ok(
        "PID namespace",
        match namespace {
            PidNamespace::First => "the machine's first: every holder of a lock can be seen",
            PidNamespace::Own => {
                "one of its own: a guard outside is asked through the lock folder, any other \
                 holder there has no name"
            }
        },
    )
}

fn starter(starter: &StartedBy) -> Finding {
    const NAME: &str = "supervisor";
    match starter {
        StartedBy::NoParent => {
            Finding::ok(NAME, "this is the first process here, or its parent cannot be seen")
        }
        StartedBy::Program(pid, name) => Finding::ok(
            NAME,
            format!("none that is known: `{}` (pid {pid}) started this", sanitize(name)),
        ),
        StartedBy::Supervisor(by) => {
            let once = match by {
                ManagedBy::Systemd(_) | ManagedBy::SystemdUser(_) => "`Restart=on-failure`",
                ManagedBy::Supervisord(_) => "`autorestart=unexpected`",
                ManagedBy::Container(_)
                | ManagedBy::Pm2(_)
                | ManagedBy::Runit(_)
                | ManagedBy::S6(_) => "a restart on failure alone",
            };
            let by = by.to_string();
            Finding::ok(
                NAME,
                format!(
                    "{}; with {once}, as exit status 0 says that a newer start took over",
                    printable(&by)
                ),
            )
        }
    }
}

fn pidfd(offer: &Support) -> Finding {
    match offer {
        Support::Given => {
            Finding::ok("pidfd", "a signal reaches the process that was looked at, or nobody")
        }
        Support::Refused(why) => Finding::warning(
            "pidfd",
            format!(
                "the kernel gives none ({why}): a pid and its start time are compared before each \
                 signal instead"
            ),
            "Linux 5.3 or later, and a container engine whose list of allowed system calls has \
             pidfd_open",
        ),
    }
}

fn processes(hidden: Option<&str>) -> Finding {
    match hidden {
        None => Finding::ok("processes", "/proc hides nobody of this PID namespace"),
        Some(value) => Finding::warning(
            "processes",
            format!(
                "/proc hides other users' processes (hidepid={}): one of them that has the lock \
                 has no name here",
                printable(value)
            ),
            "mount /proc with `hidepid=off`, or put this user into the group of its `gid=`",
        ),
    }
}

fn environments(environments: Environments) -> Finding {
    let Environments { readable, unreadable } = environments;
    let all = readable + unreadable;
    if unreadable == 0 {
        Finding::ok(
            "environments",
            format!("those of all {all} other processes of this user can be read"),
        )
    } else {
        Finding::warning(
            "environments",
            format!(
                "of {all} other processes of this user, {unreadable} show no environment, and so \
                 no token in it"
            ),
            "they have more rights than this process, or hide it: name such a bot in a \
             `[[match]]` entry, or give monopoll CAP_SYS_PTRACE",
        )
    }
}

fn inotify(offer: &Support) -> Finding {
    match offer {
        Support::Given => Finding::ok("inotify", "the kernel tells at once when a lock may go"),
        Support::Refused(why) => Finding::warning(
            "inotify",
            format!(
                "there is no instance left for this user ({why}): a look every 50 ms stands in \
                 for it"
            ),
            "raise it: `sysctl fs.inotify.max_user_instances=1024`",
        ),
    }
}
