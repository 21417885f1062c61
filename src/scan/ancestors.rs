//! The ancestors of a process: what started it, what would restart it, and whether it is an orphan.

use std::path::PathBuf;
use std::rc::Rc;

use crate::engine::fact::Fact;
use crate::engine::managed_by::ManagedBy;
use crate::engine::process::{Launcher, ProcessId, Relation};
use crate::scan::supervisors::{self, SupervisorEnv};
use crate::text::short_command_line;

const COMMAND_WIDTH: usize = 60;

/// The pid of the process that adopts orphans.
const INIT: Option<u32> = if cfg!(windows) { None } else { Some(1) };

/// A process whose ancestors are looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descendant {
    pub(super) pid: u32,
    /// 0 if the process has no parent, or an invisible one.
    pub(super) parent: u32,
    /// `None` on systems without sessions.
    pub(super) session: Option<u32>,
}

pub(super) trait Ancestry {
    fn me(&self) -> u32;

    fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32>;

    fn id(&self, pid: u32) -> Option<ProcessId>;

    fn session(&self, pid: u32) -> Option<u32>;

    /// Empty if it cannot be read.
    fn args(&self, pid: u32) -> Rc<Vec<String>>;

    fn cwd(&self, pid: u32) -> Option<PathBuf>;

    fn supervisor_env(&self, pid: u32) -> Option<SupervisorEnv>;

    /// Returns the supervisor above a process. The variables that it set are in the environment of
    /// its child, or else of the process itself.
    fn supervisor(&self, of: Descendant) -> Option<ManagedBy> {
        let mut child = of.pid;
        for above in self.ancestors(of.parent) {
            let env = || {
                [child, of.pid]
                    .into_iter()
                    .find_map(|pid| self.supervisor_env(pid))
                    .unwrap_or_default()
            };
            let args = self.args(above);
            let found = supervisors::supervisor(&args, || self.cwd(above), env)
                .or_else(|| supervisors::watcher(&args, above));
            if found.is_some() {
                return found;
            }
            child = above;
        }
        None
    }

    /// Returns the ancestors of a process, up to the first that adopted it, that starts programs
    /// for users, or that is also an ancestor of monopoll.
    fn launchers(&self, of: Descendant) -> Fact<Vec<Launcher>> {
        let mut launchers = Vec::new();
        for above in self.ancestors(of.parent) {
            let Some(id) = self.id(above) else { return Fact::Unknown };
            let args = self.args(above);
            if Some(above) == INIT
                || above == of.parent && self.has_foreign_session(of)
                || supervisors::adopts_orphans(&args)
                || supervisors::starts_programs_for_users(&args)
                || self.ancestors(self.me()).any(|mine| mine == above)
            {
                break;
            }
            if args.is_empty() {
                return Fact::Unknown;
            }
            launchers.push(Launcher { id, command: short_command_line(&args, COMMAND_WIDTH) });
        }
        Fact::Known(launchers)
    }

    /// Returns whether a process is an orphan: its parent adopted it, and no supervisor manages it.
    /// Without sessions, a parent that adopts processes may as well have started it.
    fn orphaned(&self, of: Descendant, managed_by: &Fact<Option<ManagedBy>>) -> Fact<bool> {
        let has_sessions = of.session.is_some();
        if matches!(managed_by, Fact::Known(Some(_))) || of.parent == 0 && has_sessions {
            return Fact::Known(false);
        }
        if self.id(of.parent).is_none() {
            return Fact::Unknown;
        }
        if self.has_foreign_session(of) {
            return Fact::Known(true);
        }
        let adopts_only = supervisors::adopts_orphans(&self.args(of.parent));
        let by_adopter = Some(of.parent) == INIT || adopts_only;
        // The first program of a container may be a shell or the like, which starts others in its
        // own session.
        let may_have_started_it = !adopts_only && of.session == self.session(of.parent);
        if by_adopter && (!has_sessions || may_have_started_it) {
            Fact::Unknown
        } else {
            Fact::Known(by_adopter)
        }
    }

    /// Returns whether a process is in a session that is neither its own nor its parent's: an
    /// adopted process keeps the session in which it was started.
    fn has_foreign_session(&self, of: Descendant) -> bool {
        of.session
            .is_some_and(|session| session != of.pid && Some(session) != self.session(of.parent))
    }

    fn relation(&self, of: Descendant) -> Relation {
        let (pid, me) = (of.pid, self.me());
        if Some(pid) == INIT {
            Relation::Init
        } else if pid == me {
            Relation::Myself
        } else if self.ancestors(me).any(|ancestor| ancestor == pid) {
            Relation::Ancestor
        } else if self.ancestors(of.parent).any(|ancestor| ancestor == me) {
            Relation::Descendant
        } else {
            Relation::None
        }
    }
}
