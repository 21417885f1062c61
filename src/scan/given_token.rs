//! Lines and programs of COMMAND that give the bot a token which COMMAND's text does not show. The
//! token in `.env`, or in the environment of the start, then says nothing about the bot.

use std::path::Path;

use crate::engine::carried_tokens::bots_in;
use crate::engine::instance::BotId;
use crate::scan::command::Command;
use crate::scan::invocation::absolute;
use crate::scan::make_rules::is_name;
use crate::scan::settings_files::base_name;
use crate::scan::shell_statements::statements;
use crate::scan::shell_words::unquoted;
use crate::scan::small_file;

/// Programs that set the variables of the command after them from a store of secrets.
const SECRET_STORES: [&str; 13] = [
    "aws-vault",
    "berglas",
    "chamber",
    "doppler",
    "dotenvx",
    "envchain",
    "envconsul",
    "infisical",
    "op",
    "sops",
    "summon",
    "teller",
    "vals",
];

/// Words before a program.
const STARTERS: [&str; 6] = ["env", "exec", "nice", "nohup", "sudo", "time"];

/// A longer script that another one reads with `.` is not looked at.
const MAX_LENGTH: u64 = 64 << 10;

impl Command {
    /// Returns what may give the bot another token than that of `mine`, as a clause; `None` if
    /// nothing does. `names` are the variables for tokens, and `own_file` is the file with the
    /// token of `mine`, which scripts may read themselves.
    pub(crate) fn other_token(
        &self,
        names: &[&str],
        mine: BotId,
        own_file: &Path,
    ) -> Option<String> {
        let unknown = |name: &&&str| self.sets(name) == Some(&None) && !self.unsets(name);
        if let Some(name) = names.iter().find(unknown) {
            return Some(format!("COMMAND sets ${name}"));
        }
        let is_known = |name: &str| self.sets(name).is_some_and(Option::is_some);
        let names: Vec<&str> = names.iter().copied().filter(|name| !is_known(name)).collect();
        let text = TokenText { names: &names, mine, own_file };
        let commands = [self].into_iter().chain(self.started.iter().map(|it| &it.command));
        let args = self.args.iter().filter_map(|arg| arg.to_str());
        store(args).or_else(|| {
            let mut texts = commands.map(|it| (it.script_text(), &it.runs_in));
            texts.find_map(|(script, folder)| text.search(&script, folder, true))
        })
    }

    /// Returns whether COMMAND removes a variable, so that the bot reads its token from a file.
    fn unsets(&self, name: &str) -> bool {
        let words = self.words();
        let mut pairs = words.iter().zip(words.iter().skip(1));
        words.iter().any(|it| it.strip_prefix("-u").or(it.strip_prefix("--unset=")) == Some(name))
            || pairs.any(|(first, next)| {
                ["-u", "--unset", "unset"].contains(&first.as_str()) && next == name
            })
    }
}

/// Returns the program of a command that sets variables from a store, as a clause.
fn store<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<String> {
    let is_before = |it: &str| it.starts_with('-') || it.contains('=') || STARTERS.contains(&it);
    let program = words.find(|it| !is_before(it))?.trim_start_matches('@');
    let name = base_name(program);
    SECRET_STORES.contains(&name).then(|| format!("`{name}` may set another one"))
}

struct TokenText<'a> {
    names: &'a [&'a str],
    mine: BotId,
    own_file: &'a Path,
}

impl TokenText<'_> {
    /// Searches the lines of a script, and of those that it reads with `.`.
    fn search(&self, script: &str, folder: &Path, is_first: bool) -> Option<String> {
        statements(script).iter().find_map(|statement| {
            let text = statement.text.as_str();
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.as_slice() {
                ["." | "source", file, ..] if is_first => {
                    self.read_by_script(unquoted(file), folder)
                }
                ["read", names @ ..] => {
                    names.iter().find(|it| self.names.contains(it)).map(|it| sets(it))
                }
                _ => self.assignment(text).or_else(|| store(words.iter().copied())),
            }
        })
    }

    /// Returns a file with commands that gives the bot another token.
    fn read_by_script(&self, file: &str, folder: &Path) -> Option<String> {
        // A path through a variable is often that of a folder, and the file is known by its name.
        if file.contains(['$', '`']) {
            return (!file.contains('/')).then(|| format!("COMMAND's script reads `{file}`"));
        }
        let path = absolute(Path::new(file), folder);
        if path == self.own_file {
            return None;
        }
        let text = small_file::text(&path, MAX_LENGTH)?;
        let gives = |name: &str| text.contains(&format!("{name}="));
        let gives_token = self.names.iter().any(|name| gives(name));
        let is_another = || bots_in(text.as_bytes()).iter().any(|bot| *bot != self.mine);
        if gives_token && is_another() {
            return Some(format!("COMMAND's script reads `{file}`"));
        }
        self.search(&text, path.parent().unwrap_or(folder), false)
    }

    /// Returns the setting of a variable, or the value of an option such as `--token`, that is not
    /// shown or is another bot's token.
    fn assignment(&self, text: &str) -> Option<String> {
        let is_end = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let mut settings = self.names.iter().flat_map(|name| {
            let places = text
                .match_indices(&**name)
                .filter(move |(at, _)| text.get(..*at).is_some_and(is_end));
            places.filter_map(move |(at, _)| {
                let value = text.get(at + name.len()..)?.strip_prefix('=')?;
                Some((*name, value))
            })
        });
        settings
            .find(|(name, value)| !self.is_own(name, value))
            .map(|(name, _)| sets(name))
            .or_else(|| self.option(text))
    }

    /// Returns whether a value is the token of this start: its variable, or what a program reads
    /// from its file.
    fn is_own(&self, name: &str, value: &str) -> bool {
        let value = value.trim_start_matches(['"', '\'']);
        if let Some(variable) = value.strip_prefix('$').filter(|it| !it.starts_with('(')) {
            let variable = variable.trim_start_matches('{');
            return variable
                .strip_prefix(name)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        }
        let is_substitution = value.starts_with("$(") || value.starts_with('`');
        if is_substitution {
            let own = self.own_file.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            let end = |c: char| c.is_whitespace() || "\"'`()<>;|".contains(c);
            return value.split(end).any(|word| base_name(word) == own && !own.is_empty());
        }
        let word = value.split_whitespace().next().unwrap_or_default();
        bots_in(word.as_bytes()).iter().all(|bot| *bot == self.mine)
    }

    /// Returns an option for a token whose value a substitution gives.
    fn option(&self, text: &str) -> Option<String> {
        let (name, value) = text
            .match_indices("--")
            .filter_map(|(at, _)| text.get(at..)?.split_once(['=', ' ']))
            .find(|(name, _)| name.ends_with("token"))?;
        let is_plain_name = is_name(&name.trim_start_matches('-').replace('-', "_"));
        let value = value.trim_start().trim_start_matches(['"', '\'']);
        let is_hidden = value.starts_with("$(") || value.starts_with('`');
        (is_plain_name && is_hidden && !self.is_own("", value))
            .then(|| format!("COMMAND's script sets `{name}`"))
    }
}

fn sets(name: &str) -> String {
    format!("COMMAND's script sets ${name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_may_give_the_bot_another_token() {
        let token = |id: &str| format!("{id}:{}", "a".repeat(35));
        let (mine, other) = (token("8123450001"), token("8123450002"));
        let text = TokenText {
            names: &["BOT_TOKEN"],
            mine: bots_in(mine.as_bytes()).into_iter().next().unwrap(),
            own_file: Path::new("/srv/bot/.env"),
        };
        for (script, is_given) in [
            ("export BOT_TOKEN=\"$(cat token.txt)\"\nexec python3 main.py".to_owned(), true),
            ("BOT_TOKEN=$(< token.txt) python3 main.py".to_owned(), true),
            ("BOT_TOKEN=`pass show bot`\nexport BOT_TOKEN".to_owned(), true),
            ("BOT_TOKEN=$TOKEN exec python3 main.py".to_owned(), true),
            ("export BOT_TOKEN=${1:?}\npython3 main.py".to_owned(), true),
            ("read -r BOT_TOKEN < token.txt\npython3 main.py".to_owned(), true),
            ("exec env BOT_TOKEN=\"$(cat t)\" python3 main.py".to_owned(), true),
            (format!("if [ $1 = b ]; then export BOT_TOKEN={other}; fi\n./bot"), true),
            ("python3 main.py --token \"$(cat token.txt)\"".to_owned(), true),
            ("./bot --bot-token=`cat token.txt`".to_owned(), true),
            ("doppler run -- python3 main.py".to_owned(), true),
            ("@infisical run --env=prod -- ./bot".to_owned(), true),
            (". $ENVF\npython3 main.py".to_owned(), true),
            ("export BOT_TOKEN\n./bot".to_owned(), false),
            ("export BOT_TOKEN=\"${BOT_TOKEN:?is not set}\"\n./bot".to_owned(), false),
            ("BOT_TOKEN=$BOT_TOKEN ./bot".to_owned(), false),
            ("export BOT_TOKEN=$(grep BOT_TOKEN .env | cut -d= -f2)\n./bot".to_owned(), false),
            (
                "export BOT_TOKEN=$(sed -n 's/^BOT_TOKEN=//p' /srv/bot/.env)\n./bot".to_owned(),
                false,
            ),
            (format!("export BOT_TOKEN={mine}\n./bot"), false),
            ("export LOG_BOT_TOKEN=$(cat log.txt)\n./bot".to_owned(), false),
            ("[ -n \"$BOT_TOKEN\" ] || exit 1\n./bot".to_owned(), false),
            ("python3 main.py --token-file \"$(pwd)/token.txt\"".to_owned(), false),
            (
                ". \"$NVM_DIR/nvm.sh\"\n. .venv/bin/activate\nset -a; . ./.env\n./bot".to_owned(),
                false,
            ),
            ("echo 'use doppler' # doppler run".to_owned(), false),
        ] {
            let seen = text.search(&script, Path::new("/srv/bot"), true);
            assert_eq!(seen.is_some(), is_given, "{script}: {seen:?}");
        }
    }
}
