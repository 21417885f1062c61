//! `deploy/kubernetes.yaml`: its settings and, as far as possible without a cluster, its
//! containers. In a mount namespace, an `emptyDir` is a tmpfs of root with mode 0777. Each
//! container has the mounts and command of the manifest, the pod's user and a read-only root.

use std::fmt::Write;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::deploy::{deployed, ladder, yaml};

/// The bot of the test.
const BOT: &str = "touch /srv/bot/file 2>&1 | grep -q 'Read-only file system' && echo started";

/// Creates the volume and the image's root in the mount namespace of `$1`, with the modes set by
/// `deploy/Dockerfile`.
const IMAGE: &str = r#"
mkdir "$1/volume" "$1/root"
mount -t tmpfs -o "$2" emptydir "$1/volume"
mount -t tmpfs -o mode=0755 image "$1/root"
for folder in usr bin sbin lib lib32 lib64; do
    if [ -L /$folder ]; then cp -P /$folder "$1/root/$folder"
    elif [ -d /$folder ]; then mkdir "$1/root/$folder"; mount --rbind /$folder "$1/root/$folder"
    fi
done
for folder in proc dev; do mkdir "$1/root/$folder"; mount --rbind /$folder "$1/root/$folder"; done
mkdir -p "$1/root/etc" "$1/root/opt" "$1/root/volume"
echo "bot:x:$3:$3::/srv/bot:/bin/sh" > "$1/root/etc/passwd"
cp "$4" "$1/root/opt/monopoll"
install -d -o "$3" -g "$3" "$1/root/srv/bot"
install -d -o "$3" -g "$3" -m 0700 "$1/root/var/lib/monopoll"
mount -o remount,bind,ro "$1/root"
"#;

struct Pod {
    spec: Value,
    user: u64,
    volume: &'static str,
}

/// Returns the pod, if root may run it.
fn pod(volume: &'static str) -> Option<Pod> {
    if !nix::unistd::geteuid().is_root() {
        monopoll_test_bots::stage::skip("only root may mount");
        return None;
    }
    let spec = yaml("kubernetes.yaml")?["spec"]["template"]["spec"].take();
    let user = spec["securityContext"]["runAsUser"].as_u64().unwrap();
    Some(Pod { spec, user, volume })
}

impl Pod {
    /// Runs the commands, the init containers and the bot.
    fn run(&self, first: &str) -> Output {
        let mut script = format!("set -eu\n{IMAGE}\n{first}\n");
        for container in self.spec["initContainers"].as_array().unwrap() {
            let command = container["command"].as_array().unwrap();
            let words = command.iter().map(|word| word.as_str().unwrap());
            script += &self.container(container, &words.collect::<Vec<_>>());
        }
        let bot = ["/opt/monopoll", "run", "--", "sh", "-c", BOT];
        script += &self.container(&self.spec["containers"][0], &bot);
        let folder = tempfile::tempdir().unwrap();
        let user = self.user.to_string();
        let program = env!("CARGO_BIN_EXE_monopoll");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c"]);
        command.args([&script, "sh"]).arg(folder.path()).args([self.volume, &user, program]);
        command.output().unwrap()
    }

    /// Returns commands that mount what a container mounts and run `words` there.
    fn container(&self, container: &Value, words: &[&str]) -> String {
        let mut script = String::new();
        for mount in container["volumeMounts"].as_array().unwrap() {
            let path = mount["mountPath"].as_str().unwrap();
            let from = match mount["subPath"].as_str() {
                // The kubelet creates a missing folder with the mode of the volume.
                Some(name) => {
                    writeln!(
                        script,
                        r#"[ -d "$1/volume/{name}" ] || mkdir -m 777 "$1/volume/{name}""#
                    )
                    .unwrap();
                    format!("volume/{name}")
                }
                None => "volume".to_owned(),
            };
            writeln!(script, r#"mount --bind "$1/{from}" "$1/root{path}""#).unwrap();
        }
        let words: Vec<String> =
            words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        format!(
            "{script}env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin {} \\\n\
             chroot --userspec={1}:{1} --groups= \"$1/root\" {2}\n\
             umount \"$1/root{3}\"\n",
            image_environment(),
            self.user,
            words.join(" "),
            container["volumeMounts"][0]["mountPath"].as_str().unwrap(),
        )
    }
}

/// Returns the variable that `deploy/Dockerfile` sets.
fn image_environment() -> String {
    let image = deployed("Dockerfile");
    image.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap().to_owned()
}

#[test]
fn one_pod_ends_before_the_next_one_starts() {
    let pod = deployed("kubernetes.yaml");
    for line in ["  replicas: 1", "    type: Recreate"] {
        assert!(pod.lines().any(|it| it == line), "{line}");
    }
    let key = "terminationGracePeriodSeconds: ";
    let seconds = pod.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
    assert!(Duration::from_secs(seconds.parse().unwrap()) > ladder());
}

#[test]
fn no_container_of_the_pod_is_root_or_writes_to_its_root() {
    let Some(manifest) = yaml("kubernetes.yaml") else { return };
    let spec = &manifest["spec"]["template"]["spec"];
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    for kind in ["initContainers", "containers"] {
        for container in spec[kind].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "{container}");
            assert_eq!(security["runAsUser"], Value::Null, "{container}");
        }
    }
    assert_eq!(spec["volumes"], serde_json::json!([{ "name": "locks", "emptyDir": {} }]));
}

#[test]
fn the_pod_starts_with_a_read_only_root() {
    // Without and with `fsGroup`.
    for volume in ["mode=0777", "mode=2777,gid=10001"] {
        let Some(pod) = pod(volume) else { return };
        let ended = pod.run("");
        assert!(ended.status.success(), "{volume}: {ended:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "started\n", "{ended:?}");
    }
}

#[test]
fn a_lock_folder_in_an_empty_dir_itself_is_refused_with_what_a_pod_can_do() {
    let Some(mut pod) = pod("mode=0777") else { return };
    pod.spec["initContainers"] = serde_json::json!([]);
    let refused = pod.run("");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(73), "{refused:?}");
    assert!(said.contains("as root `chmod +t /var/lib/monopoll` (in a pod: an init"), "{said}");
    pod.spec["containers"][0]["volumeMounts"][0]["subPath"] = Value::Null;
    assert_eq!(pod.run("").status.code(), Some(73));
    // The remedy in the message.
    let sticky = pod.run(r#"chmod +t "$1/volume""#);
    assert!(sticky.status.success(), "{sticky:?}");
}
