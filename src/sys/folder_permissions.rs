//! Finds other users who could replace the contents of a folder.
#![expect(
    clippy::disallowed_methods,
    reason = "what the system says of this process and its user is read here"
)]

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};

use crate::sys::folder_owner::FolderOwner;

/// The reason a folder is not safe for locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnsafeFolder {
    /// It belongs to this other user, who could rename its contents regardless of its mode.
    Owner(u32),
    /// Other users can write to it.
    Writers(FolderOwner),
}

/// Returns the reason a folder is unsafe for this process, which trusts its own user and root.
pub(crate) fn danger(path: &Path, folder: &Metadata) -> Option<UnsafeFolder> {
    let me = rustix::process::geteuid().as_raw();
    let seen = FolderStat { uid: folder.uid(), gid: folder.gid(), mode: folder.mode() };
    // The user databases may be on another machine, so query them only if necessary.
    danger_to(me, seen, outer_root, || own_group(me).filter(|_| !has_access_control_list(path)))
}

/// Returns whether more users than the mode shows may have access: with an access control list, its
/// group bits limit what the list grants to any user.
fn has_access_control_list(folder: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        // Its content is not needed, only whether there is one.
        let mut start = [0_u8; 1];
        let found = rustix::fs::getxattr(folder, c"system.posix_acl_access", &mut start);
        matches!(found, Ok(_) | Err(rustix::io::Errno::RANGE))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        false
    }
}

pub(crate) fn exposed(folder: &Path) -> Option<(&Path, UnsafeFolder)> {
    folder
        .ancestors()
        .find_map(|folder| Some((folder, danger(folder, &fs::metadata(folder).ok()?)?)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FolderStat {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// `outer_root` is the id of root if a user namespace does not map it. `own_group` is a group
/// without other members.
fn danger_to(
    me: u32,
    seen: FolderStat,
    outer_root: fn() -> Option<u32>,
    own_group: impl FnOnce() -> Option<u32>,
) -> Option<UnsafeFolder> {
    if seen.uid != 0 && seen.uid != me && Some(seen.uid) != outer_root() {
        return Some(UnsafeFolder::Owner(seen.uid));
    }
    let (group_writes, others_write, sticky) =
        (seen.mode & 0o020 != 0, seen.mode & 0o002 != 0, seen.mode & 0o1000 != 0);
    let is_open = !sticky && (others_write || (group_writes && own_group() != Some(seen.gid)));
    let owner = if seen.uid == me { FolderOwner::Me } else { FolderOwner::Root };
    is_open.then_some(UnsafeFolder::Writers(owner))
}

/// Returns the id shown for root's folders in a user namespace that does not map root. All unmapped
/// users have the same id there, so they cannot be told apart.
fn outer_root() -> Option<u32> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    if maps_everything(&map) {
        return None;
    }
    fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok()
}

fn maps_everything(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Returns the private group that many systems create for each user. With umask 002, folders are
/// writable by it.
pub(crate) fn own_group(uid: u32) -> Option<u32> {
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    let group = Group::from_gid(Gid::from_raw(user.gid.as_raw())).ok()??;
    let users = fs::read_to_string("/etc/passwd").ok()?;
    is_private(&user.name, user.gid.as_raw(), &group.name, &group.mem, &users)
        .then_some(user.gid.as_raw())
}

/// Returns whether a user's primary group has the user's name, has no other member, and is not the
/// primary group of another user.
fn is_private(user: &str, gid: u32, group: &str, members: &[String], passwd: &str) -> bool {
    let has_another_user = passwd.lines().any(|line| {
        let mut fields = line.split(':');
        let name = fields.next();
        let primary = fields.nth(2).and_then(|gid| gid.parse::<u32>().ok());
        primary == Some(gid) && name != Some(user)
    });
    user == group && members.iter().all(|member| member == user) && !has_another_user
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: Option<UnsafeFolder> = Some(UnsafeFolder::Writers(FolderOwner::Me));
    const ROOTS: Option<UnsafeFolder> = Some(UnsafeFolder::Writers(FolderOwner::Root));

    /// Checks for user 1000 with a private group, outside of user namespaces.
    fn danger(seen: FolderStat) -> Option<UnsafeFolder> {
        danger_to(1000, seen, || None, || Some(1000))
    }

    fn seen(uid: u32, gid: u32, mode: u32) -> FolderStat {
        FolderStat { uid, gid, mode }
    }

    #[test]
    fn a_folder_of_this_user_or_root_that_no_other_user_writes_to_is_safe() {
        for (folder, expected) in [
            (seen(1000, 1000, 0o700), None),
            (seen(0, 0, 0o755), None),
            (seen(0, 0, 0o1777), None),
            (seen(0, 50, 0o1775), None),
            (seen(1001, 1001, 0o700), Some(UnsafeFolder::Owner(1001))),
            (seen(1001, 1001, 0o1777), Some(UnsafeFolder::Owner(1001))),
            (seen(65534, 65534, 0o755), Some(UnsafeFolder::Owner(65534))),
            (seen(1000, 1000, 0o777), MINE),
            (seen(1000, 1000, 0o702), MINE),
            (seen(0, 50, 0o775), ROOTS),
            (seen(0, 0, 0o2777), ROOTS),
        ] {
            assert_eq!(danger(folder), expected, "{folder:?}");
        }
    }

    #[test]
    fn a_group_with_no_other_member_may_write() {
        assert_eq!(danger(seen(1000, 1000, 0o775)), None);
        assert_eq!(danger(seen(1000, 1000, 0o777)), MINE);
        assert_eq!(danger(seen(1000, 100, 0o775)), MINE);
        assert_eq!(danger_to(1000, seen(1000, 1000, 0o775), || None, || None), MINE);
    }

    #[test]
    fn root_may_have_another_number_in_a_user_namespace() {
        let inside = |seen| danger_to(1000, seen, || Some(65534), || Some(1000));
        assert_eq!(inside(seen(65534, 65534, 0o755)), None);
        assert_eq!(inside(seen(1001, 1001, 0o755)), Some(UnsafeFolder::Owner(1001)));
        assert_eq!(inside(seen(65534, 65534, 0o775)), ROOTS);
        for (map, expected) in [
            ("         0          0 4294967295\n", true),
            ("         0       1000          1\n", false),
            ("0 0 4294967294\n", false),
            ("0 0 1000\n1000 1000 4294966295\n", false),
            ("", false),
        ] {
            assert_eq!(maps_everything(map), expected, "{map}");
        }
    }

    #[test]
    fn a_private_group_has_the_users_name_and_no_other_member() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbot:x:1000:1000::/home/bot:/bin/sh\n\
            other:x:1001:1001::/:/bin/sh\n";
        let shared = format!("{passwd}third:x:1002:1000::/:/bin/sh\n");
        let member = |name: &str| vec![name.to_owned()];
        for (group, members, users, expected) in [
            ("bot", vec![], passwd, true),
            ("bot", member("bot"), passwd, true),
            ("bot", member("other"), passwd, false),
            ("users", vec![], passwd, false),
            ("bot", vec![], shared.as_str(), false),
            ("bot", vec![], "", true),
        ] {
            assert_eq!(
                is_private("bot", 1000, group, &members, users),
                expected,
                "{group} {members:?}"
            );
        }
    }
}
