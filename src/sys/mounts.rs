//! Reads `/proc/PID/mountinfo` (proc(5)) to find out whether a container's folder is visible
//! outside.

use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The mounted folder of the file system; `/` is all of it.
    pub root: String,
    pub point: PathBuf,
    pub file_system: String,
    /// Such as `hidepid=invisible`.
    pub options: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateMount {
    OwnRoot,
    OwnMemory,
    /// On an unnamed volume.
    OwnVolume,
    /// Visible to all containers of the pod.
    Pod,
}

/// The length of the names that Docker and Podman generate for volumes.
const GENERATED_NAME_LENGTH: usize = 64;

/// The path of folders that live as long as their pod.
const EMPTY_DIR: &str = "/kubernetes.io~empty-dir/";

impl Mount {
    /// Parses `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/sda1 rw`.
    fn parse(line: &str) -> Option<Mount> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, point) = (unescape(before.next()?), unescape(before.next()?));
        let mut after = after.split(' ');
        let file_system = after.next()?.to_owned();
        let options = after.nth(1).unwrap_or_default().to_owned();
        Some(Mount { root, point: point.into(), file_system, options })
    }

    /// Returns the reason a container's mount is invisible outside; `None` if the same volume or
    /// folder can be mounted elsewhere.
    pub fn private(&self) -> Option<PrivateMount> {
        if self.point == Path::new("/") {
            Some(PrivateMount::OwnRoot)
        } else if self.root.contains(EMPTY_DIR) {
            Some(PrivateMount::Pod)
        } else if self.is_unnamed_volume() {
            Some(PrivateMount::OwnVolume)
        } else if matches!(self.file_system.as_str(), "tmpfs" | "ramfs") && self.root == "/" {
            // A tmpfs shared by the host looks the same, but is very rare.
            Some(PrivateMount::OwnMemory)
        } else {
            None
        }
    }

    /// Returns whether the root is `…/volumes/NAME/_data` with a generated NAME.
    fn is_unnamed_volume(&self) -> bool {
        let mut parts = self.root.rsplit('/').skip_while(|part| *part != "_data").skip(1);
        let name = parts.next().unwrap_or_default();
        parts.next() == Some("volumes")
            && name.len() == GENERATED_NAME_LENGTH
            && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// Returns the mount of a path without links: the deepest one, and the last of several at one
/// point.
pub fn covering(mounts: &str, path: &Path) -> Option<Mount> {
    let mounts =
        mounts.lines().filter_map(Mount::parse).filter(|mount| path.starts_with(&mount.point));
    mounts.max_by_key(|mount| mount.point.components().count())
}

/// Returns the value of `hidepid` of `/proc`, if it hides other users' processes.
pub fn hidden_processes(mounts: &str) -> Option<String> {
    let proc = covering(mounts, Path::new("/proc")).filter(|mount| mount.file_system == "proc")?;
    let value = proc.options.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
    (!matches!(value, "0" | "off")).then(|| value.to_owned())
}

/// The kernel escapes blanks, tabs, line breaks and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (written, meant)| text.replace(written, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Docker with a named volume, an unnamed one, a folder of the host, and a tmpfs.
    const DOCKER: &str = "\
1038 871 0:52 / / rw,relatime master:294 - overlay overlay \
rw,lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B,upperdir=/u,workdir=/w
1039 1038 0:56 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
1040 1038 0:57 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
1042 1038 0:30 / /run rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw
1043 1038 8:1 /var/lib/docker/volumes/monopoll-locks/_data /locks rw,relatime master:1 - ext4 \
/dev/sda1 rw
1044 1038 8:1 \
/var/lib/docker/volumes/3f0a9c1e5b7d3f0a9c1e5b7d3f0a9c1e5b7d3f0a9c1e5b7d3f0a9c1e5b7d3f0a/_data \
/data rw,relatime master:1 - ext4 /dev/sda1 rw
1045 1038 0:25 /monopoll /run/monopoll rw,nosuid,nodev - tmpfs tmpfs rw,size=1600000k,mode=755
1046 1038 8:1 /srv/bot\\040locks /srv/bot\\040locks rw,relatime master:1 - ext4 /dev/sda1 rw
1047 1038 8:1 /var/lib/docker/containers/0123/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 \
rw";

    const PODMAN: &str = "\
640 570 0:48 / / rw,relatime - fuse.fuse-overlayfs fuse-overlayfs \
rw,nodev,noatime,user_id=0,group_id=0,default_permissions,allow_other
641 640 0:50 / /run rw,nosuid,nodev,relatime - tmpfs tmpfs rw,uid=1000,gid=1000,inode64
642 640 0:45 /containers/overlay-containers/77aa/userdata/.containerenv /run/.containerenv \
rw,nosuid,nodev,relatime - tmpfs tmpfs rw
643 640 253:2 /alice/.local/share/containers/storage/volumes/locks/_data /locks rw,relatime - \
ext4 /dev/mapper/home rw
644 640 253:2 /alice/.local/share/containers/storage/volumes/\
aa0a9c1e5b7d3f0a9c1e5b7d3f0a9c1e5b7d3f0a9c1e5b7d3f0a9c1e5b7d3f0a/_data /data rw,relatime - \
ext4 /dev/mapper/home rw";

    /// Kubernetes with containerd: an emptyDir on disk, one in memory, a folder of the node, and a
    /// claim.
    const KUBERNETES: &str = "\
2250 2006 0:271 / / rw,relatime master:780 - overlay overlay \
rw,lowerdir=/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs
2251 2250 0:273 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
2260 2250 259:1 /var/lib/kubelet/pods/6f9d/volumes/kubernetes.io~empty-dir/locks /empty \
rw,relatime - xfs /dev/nvme0n1p1 rw,attr2
2261 2250 0:261 / /memory rw,relatime - tmpfs tmpfs rw,size=65536k
2262 2250 259:1 /srv/locks /host rw,relatime - xfs /dev/nvme0n1p1 rw,attr2
2263 2250 259:3 / /claim rw,relatime - ext4 /dev/nvme1n1 rw
2264 2250 0:262 / /run/secrets/kubernetes.io/serviceaccount ro,relatime - tmpfs tmpfs \
rw,size=65536k";

    /// LXC on a folder, with a systemd that mounts `/run`; and on its own volume.
    const LXC: &str = "\
351 295 8:1 /var/lib/lxc/bots/rootfs / rw,relatime - ext4 /dev/sda1 rw
352 351 0:61 / /run rw,nosuid,nodev - tmpfs tmpfs rw,size=1600000k,mode=755,uid=100000,gid=100000
353 351 8:1 /srv/shared /srv/shared rw,relatime - ext4 /dev/sda1 rw";
    const PROXMOX: &str =
        "903 702 252:7 / / rw,relatime - ext4 /dev/mapper/pve-vm--101--disk--0 rw,stripe=16";

    #[test]
    fn a_mount_shows_whether_a_folder_is_visible_outside() {
        let (root, memory, volume, pod, others) = (
            Some(PrivateMount::OwnRoot),
            Some(PrivateMount::OwnMemory),
            Some(PrivateMount::OwnVolume),
            Some(PrivateMount::Pod),
            None,
        );
        for (mounts, path, expected) in [
            (DOCKER, "/home/bot/.local/state/monopoll", root),
            (DOCKER, "/run/lock", memory),
            (DOCKER, "/run/monopoll", others),
            (DOCKER, "/running", root),
            (DOCKER, "/locks", others),
            (DOCKER, "/locks/deep/below", others),
            (DOCKER, "/data", volume),
            (DOCKER, "/srv/bot locks", others),
            (PODMAN, "/var/tmp/monopoll-1000", root),
            (PODMAN, "/run/monopoll", memory),
            (PODMAN, "/locks", others),
            (PODMAN, "/data", volume),
            (KUBERNETES, "/run/monopoll", root),
            (KUBERNETES, "/empty/monopoll", pod),
            (KUBERNETES, "/memory/monopoll", memory),
            (KUBERNETES, "/host", others),
            (KUBERNETES, "/claim", others),
            (LXC, "/home/bot", root),
            (LXC, "/run/monopoll", memory),
            (LXC, "/srv/shared/locks", others),
            (PROXMOX, "/run/monopoll", root),
        ] {
            assert_eq!(covering(mounts, Path::new(path)).unwrap().private(), expected, "{path}");
        }
    }

    #[test]
    fn the_last_mount_at_a_point_covers_the_others() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:1 /a /locks rw - ext4 /dev/sda1 \
            rw\n3 1 0:9 / /locks rw - tmpfs tmpfs rw";
        assert_eq!(
            covering(mounts, Path::new("/locks/x")).map(|mount| mount.file_system),
            Some("tmpfs".to_owned())
        );
    }

    #[test]
    fn garbage_covers_nothing() {
        for garbage in ["", "garbage", "1 2 3 -", "1 2 3 4 - ext4", "\n - \n"] {
            assert_eq!(covering(garbage, Path::new("/locks")), None, "{garbage}");
        }
    }

    #[test]
    fn the_mount_of_proc_shows_what_it_hides() {
        let proc = |options: &str| {
            format!("{DOCKER}\n1050 1039 0:56 / /proc rw,relatime - proc proc {options}")
        };
        for (options, expected) in [
            ("rw", None),
            ("rw,hidepid=0", None),
            ("rw,hidepid=off", None),
            ("rw,hidepid=2", Some("2")),
            ("rw,gid=4,hidepid=invisible", Some("invisible")),
            ("rw,hidepid=noaccess,gid=4", Some("noaccess")),
        ] {
            assert_eq!(hidden_processes(&proc(options)).as_deref(), expected, "{options}");
        }
        assert_eq!(hidden_processes("1 0 8:1 / / rw - ext4 /dev/sda1 rw,hidepid=2"), None);
    }
}
