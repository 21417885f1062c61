//! Commands of git in a start script that choose no content of the work tree: `git pull`. With a
//! branch or another repository, they may choose the bot.

/// Commands of git that leave the files of the work tree as they are, or do not choose their
/// content.
#[rustfmt::skip]
const GIT_COMMANDS: [&str; 17] = [
    "add", "branch", "clean", "commit", "config", "describe", "diff", "fetch", "gc", "init", "lfs",
    "log", "push", "rev-parse", "show", "status", "tag",
];

/// Subcommands of `git submodule` that check out what the project names.
const SUBMODULE_COMMANDS: [&str; 4] = ["init", "status", "sync", "update"];

/// Options with which git only discards the changes of the work tree.
const DISCARDING_OPTIONS: [&str; 6] = ["--", "--force", "--quiet", "--worktree", "-f", "-q"];

/// The settings of git that choose a repository or a branch.
const CHOOSING_SETTINGS: [&str; 4] = ["branch.", "include", "remote.", "url."];

/// Returns whether git leaves the branch that is checked out.
pub(super) fn is_harmless_git(args: &[&str]) -> bool {
    let is_choosing = |it: &&str| CHOOSING_SETTINGS.iter().any(|start| it.starts_with(start));
    let names_repository =
        args.iter().any(|it| it.starts_with("--git-dir") || it.starts_with("--work-tree"));
    let mut words = args.iter().copied();
    let mut chooses = false;
    let command = loop {
        match words.next() {
            Some("-c") => chooses |= words.next().is_some_and(|it| is_choosing(&it)),
            Some("-C" | "--git-dir" | "--work-tree") => {
                words.next();
            }
            Some(option) if option.starts_with('-') => {}
            command => break command,
        }
    };
    let mut words = words.filter(|arg| !arg.starts_with('-'));
    let is_harmless = match command {
        None => true,
        Some("pull") => match (words.next(), words.next()) {
            (None, _) => !names_repository,
            (Some(remote), None) => ["origin", "upstream"].contains(&remote) && !names_repository,
            (Some(_), Some(_)) => false,
        },
        Some("reset") => {
            words.all(|word| ["HEAD", "@{u}", "@{upstream}"].contains(&word)) && !names_repository
        }
        // `--source bob` chooses another content.
        Some("checkout" | "restore") => {
            let is_usual = |it: &&str| !it.starts_with('-') || DISCARDING_OPTIONS.contains(it);
            let mut after = args.iter().skip_while(|it| !["checkout", "restore"].contains(it));
            words.all(|word| word == ".") && after.all(is_usual) && !names_repository
        }
        Some("stash") => words.next().is_none(),
        Some("submodule") => words.next().is_none_or(|it| SUBMODULE_COMMANDS.contains(&it)),
        Some("config") => !words.any(|it| is_choosing(&it)),
        Some(command) => GIT_COMMANDS.contains(&command),
    };
    is_harmless && !chooses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_harmless_unless_it_gets_a_branch_or_another_repository() {
        let harmless = |text: &str| is_harmless_git(&text.split(' ').collect::<Vec<_>>());
        for text in [
            "pull",
            "pull -q --ff-only",
            "-C /srv/bot pull --rebase origin",
            "-c core.pager=cat pull",
            "fetch origin alice",
            "reset --hard",
            "checkout -- .",
            "checkout -q -f .",
            "restore .",
            "rev-parse HEAD",
            "--git-dir=x.git fetch",
            "config pull.rebase false",
            "config --global --add safe.directory /app",
            "submodule update --init --recursive",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "checkout alice",
            "switch -q alice",
            "pull origin alice",
            "-C /srv/bot reset --hard origin/alice",
            "merge alice",
            "--git-dir=alice.git --work-tree=. reset --hard",
            "--git-dir alice.git checkout .",
            "-c branch.main.merge=refs/heads/alice pull",
            "config branch.main.merge refs/heads/alice",
            "remote set-url origin /srv/alice.git",
            "submodule foreach git checkout alice",
            "stash pop",
            "restore --source=alice .",
            "checkout --theirs .",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }
}
