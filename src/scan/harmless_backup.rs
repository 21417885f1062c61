//! Copies of a bot's data in a start script: `cp bot.db bot.db.bak`, `tar czf backup.tgz data`. A
//! copy under another name than a backup's may choose the bot.

use crate::scan::settings_files::{base_name, is_settings};

/// The extensions of files with data.
const DATA: [&str; 5] = ["db", "db3", "rdb", "sqlite", "sqlite3"];

/// Parts of the names of backups. The first two are also those of their folders.
const BACKUPS: [&str; 4] = ["backup", "backups", "bak", "bkp"];

/// The ends of the names of archives.
const ARCHIVES: [&str; 7] = [".tar", ".tar.bz2", ".tar.gz", ".tar.xz", ".tbz", ".tgz", ".txz"];

/// The options of `cp` that choose neither the files nor their place.
const COPY_OPTIONS: &str = "Rafprv";

/// Returns whether `cp` only copies a file with data, or the folder `data`, to a backup.
pub(super) fn is_backup_copy(args: &[&str]) -> bool {
    let (options, files): (Vec<&str>, Vec<&str>) = args.iter().partition(|it| it.starts_with('-'));
    let is_usual = |it: &str| it[1..].chars().all(|c| COPY_OPTIONS.contains(c));
    match files[..] {
        [data, backup] => {
            options.iter().all(|it| is_usual(it)) && is_data(data) && is_backup(backup)
        }
        _ => false,
    }
}

/// Returns whether `tar` only writes an archive, which no bot reads.
pub(super) fn is_backup_archive(args: &[&str]) -> bool {
    let [options, archive, files @ ..] = args else { return false };
    let letters = options.strip_prefix('-').unwrap_or(options);
    let is_file = |it: &&str| !it.starts_with('-') || it.starts_with("--exclude=") || *it == "-C";
    letters.starts_with('c')
        && letters.ends_with('f')
        && letters.chars().all(|c| "cfhJjpvz".contains(c))
        && ARCHIVES.iter().any(|end| archive.ends_with(end))
        && files.iter().all(is_file)
}

fn is_data(file: &str) -> bool {
    let name = base_name(file.trim_end_matches('/'));
    let is_file = name.rsplit_once('.').is_some_and(|(_, extension)| DATA.contains(&extension));
    !file.contains('\0') && (is_file || name == "data")
}

/// Returns whether a path is that of a backup, or in the folder of backups. The unknown part of one
/// is often the date.
fn is_backup(file: &str) -> bool {
    let known = file.split('\0').next().unwrap_or_default();
    let (folders, name) = known.rsplit_once('/').unwrap_or(("", known));
    let is_folder = |it: &str| BACKUPS[..2].contains(&it);
    // A bot may be in a folder `/srv/backup` itself.
    let is_below = !known.starts_with(['/', '~', '$']) && !known.contains("..");
    let is_in_folder = is_below && (folders.split('/').any(is_folder) || is_folder(name));
    let has_name = name.split(['.', '-', '_']).any(|it| BACKUPS.contains(&it)) && !is_folder(name);
    !is_settings(file)
        && (is_in_folder
            || has_name
            || name.rsplit('.').next() == Some("old") && name.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copies_of_data_to_a_backup_are_harmless() {
        let harmless = |text: &str| {
            let words: Vec<&str> = text.split(' ').collect();
            match words[0] {
                "cp" => is_backup_copy(&words[1..]),
                _ => is_backup_archive(&words[1..]),
            }
        };
        for text in [
            "cp bot.db bot.db.bak",
            "cp -p data/bot.sqlite3 backups/bot.sqlite3",
            "cp bot.db backups/",
            "cp bot.db backups/bot-\0?.db",
            "cp -r data data.bak",
            "tar czf backup.tgz data",
            "tar -czvf backups/\0?.tar.gz data --exclude=*.log",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "cp .env.bob .env",
            "cp .env .env.bak",
            "cp bob.db bot.db",
            "cp bot.db.bak bot.db",
            "cp bot.db \0?",
            "cp bot.db \0?/backup",
            "cp bob.db /srv/old/bot.db",
            "cp bob.db /srv/backup/bot.db",
            "cp bob.db ../backup",
            "cp config.json config.json.bak",
            "cp backups/bob.db bot.db",
            "cp -t . bob.db backup",
            "cp bob.db backup/.env",
            "tar xzf bob.tgz",
            "tar czf main.py bob",
            "tar czf b.tgz --checkpoint-action=exec=./choose data",
            "tar cf",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }
}
