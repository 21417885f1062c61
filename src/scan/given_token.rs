//! Lines and programs of COMMAND that give the bot a token which COMMAND's text does not show. The
//! token in `.env`, or in the environment of the start, then says nothing about the bot.

use std::path::Path;

use crate::scan::command::{Certainty, Command};
use crate::scan::command_env_files::{files_printed, read_names, without_assignments};
use crate::scan::invocation::Target;
use crate::scan::make_rules::is_name;
use crate::scan::script_file::{ScriptFolders, code_of_substitution};
use crate::scan::secret_stores::{STARTERS, printing_store, store};
use crate::scan::shell_statements::statements;
use crate::scan::shell_words::{first_word, is_name_char, unquoted, words};
use crate::scan::small_file;
use crate::scan::start_token::{MAX_READ, StartToken};
use crate::text::printable;

/// The source of another token for the bot, as a clause.
#[derive(Debug)]
pub(crate) enum OtherToken {
    /// A program that reads a store of secrets. It replaces what was set before.
    Store(String),
    /// A line of a script, which may read a file.
    Line(String),
}

impl Command {
    /// Returns what may give the bot another token than `mine`; `None` if nothing does. `names` are
    /// the variables for tokens.
    pub(crate) fn other_token(&self, names: &[&str], mine: StartToken<'_>) -> Option<OtherToken> {
        let names: Vec<&str> = names.iter().copied().filter(|it| !self.shows(it)).collect();
        let text = TokenText { names: &names, mine };
        let found = self.with_started().flat_map(|command| {
            let beside = command.file.as_deref().and_then(Path::parent);
            let folders = ScriptFolders::new(&command.runs_in, beside);
            text.search(&command.own_long_script_text(), folders)
        });
        let by_store = store(self.args.iter().filter_map(|arg| arg.to_str()));
        let by_store = by_store.or_else(|| self.store_of_line()).map(OtherToken::of);
        OtherToken::first(by_store.into_iter().chain(found))
    }

    /// Returns the store of secrets with which a line begins that COMMAND only hands on, as with
    /// `npm start` and `sh -c`.
    fn store_of_line(&self) -> Option<&'static str> {
        self.with_started().map(|it| &it.runs).find_map(|runs| match &runs.target {
            Target::Program(program) | Target::Script(program, None) => {
                let args = runs.args.iter().filter_map(|arg| arg.to_str());
                store([program.to_str()?].into_iter().chain(args))
            }
            Target::Script(_, Some(_))
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => None,
        })
    }

    /// Returns whether the value that a script sets for its bot is known.
    fn shows(&self, name: &str) -> bool {
        let certain = self.started.iter().filter(|it| it.certainty == Certainty::Certain);
        let mut sets =
            certain.flat_map(|it| it.sets.iter().chain(&it.command.runs.context.variables));
        sets.any(|(set, value)| set == name && value.is_some())
    }
}

impl OtherToken {
    /// Returns the first store, else the first line.
    fn first(mut found: impl Iterator<Item = OtherToken>) -> Option<OtherToken> {
        let first = found.next()?;
        match first {
            OtherToken::Store(_) => Some(first),
            OtherToken::Line(_) => {
                Some(found.find(|it| matches!(it, OtherToken::Store(_))).unwrap_or(first))
            }
        }
    }

    fn of(store: &str) -> OtherToken {
        OtherToken::Store(format!("`{store}` may set another token"))
    }

    fn reads(what: &str) -> OtherToken {
        OtherToken::Line(format!("COMMAND's script reads {what}"))
    }

    fn reads_file(word: &str) -> OtherToken {
        OtherToken::reads(&format!("`{}`", printable(unquoted(word))))
    }

    fn sets(what: &str) -> OtherToken {
        OtherToken::Line(format!("COMMAND's script sets {what}"))
    }
}

struct TokenText<'a> {
    names: &'a [&'a str],
    mine: StartToken<'a>,
}

impl TokenText<'_> {
    /// Searches the lines of a script, and of those that it reads with `.`.
    fn search(&self, script: &str, mut folders: ScriptFolders) -> Vec<OtherToken> {
        let mut found = Vec::new();
        for statement in statements(script) {
            let text = without_assignments(&statement.text);
            let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            match first {
                "cd" => folders.enter(first_word(rest.trim_start()), statement.place),
                "." | "source" => {
                    found.extend(self.read_by_script(first_word(rest.trim_start()), &folders));
                }
                _ => {
                    found.extend(self.read_by_substitution(text, &folders));
                    found.extend(self.line(&statement.text, &folders));
                }
            }
        }
        found
    }

    /// Returns what a line without files gives the bot.
    fn line(&self, statement: &str, folders: &ScriptFolders) -> Option<OtherToken> {
        let text = without_assignments(statement);
        let is_read = || {
            let mut names = read_names(text).into_iter();
            names.find(|it| self.names.contains(it)).map(|it| OtherToken::sets(&format!("${it}")))
        };
        let by_store = store(text.split_whitespace()).map(OtherToken::of);
        by_store.or_else(is_read).or_else(|| self.assignment(statement, folders))
    }

    /// Returns a file with commands or variables that gives the bot another token.
    fn read_by_script(&self, word: &str, folders: &ScriptFolders) -> Option<OtherToken> {
        if word.starts_with("<(") || unquoted(word).starts_with("/dev/") {
            return Some(OtherToken::reads("the output of a program"));
        }
        let Some(paths) = folders.paths(word) else { return Some(OtherToken::reads_file(word)) };
        paths.iter().find_map(|path| self.read_file(path, word))
    }

    fn read_file(&self, path: &Path, word: &str) -> Option<OtherToken> {
        if Some(path) == self.mine.file {
            return None;
        }
        let text = small_file::text(path, MAX_READ)?;
        let folders = ScriptFolders::new(path.parent()?, None);
        let lines = statements(&text);
        let found = lines.iter().find_map(|it| self.line(&it.text, &folders))?;
        Some(match found {
            OtherToken::Store(_) => found,
            OtherToken::Line(_) => OtherToken::reads_file(word),
        })
    }

    /// Returns what gives the bot all variables that a program prints: `export $(cat FILE)`.
    fn read_by_substitution(&self, text: &str, folders: &ScriptFolders) -> Option<OtherToken> {
        let mut words = words(text).skip_while(|it| *it != "env" && STARTERS.contains(it));
        let first = words.next().filter(|it| ["declare", "env", "eval", "export"].contains(it))?;
        let code = words.find_map(|it| code_of_substitution(it.trim_start_matches('"')))?;
        if let Some(store) = printing_store(code) {
            return Some(OtherToken::of(store));
        }
        match files_printed(code) {
            Some(files) => files.iter().find_map(|it| self.read_by_script(it, folders)),
            None if ["declare", "export"].contains(&first) => {
                Some(OtherToken::reads("the output of a program"))
            }
            // `eval "$(pyenv init -)"`, `env $(which python3) main.py`
            None => None,
        }
    }

    /// Returns the setting of a variable, or the value of an option such as `--token`, that is not
    /// shown or is another bot's token.
    fn assignment(&self, text: &str, folders: &ScriptFolders) -> Option<OtherToken> {
        let is_end = |before: &str| !before.ends_with(is_name_char);
        let mut settings = self.names.iter().flat_map(|name| {
            let places = text
                .match_indices(&**name)
                .filter(move |(at, _)| text.get(..*at).is_some_and(is_end));
            places.filter_map(move |(at, _)| {
                let after = text.get(at + name.len()..)?;
                // `${BOT_TOKEN:=…}` counts only without a value.
                let is_unset = self.mine.variable != Some(name);
                let by_default = || after.strip_prefix(":=").filter(|_| is_unset);
                Some((*name, after.strip_prefix('=').or_else(by_default)?))
            })
        });
        settings
            .find(|(name, value)| {
                // A script that has read the file may hand its token on under another name.
                let of_file = self.mine.variable.is_none().then_some(self.names);
                !self.mine.is_in(of_file.unwrap_or(&[name]), value, folders)
            })
            .map(|(name, _)| OtherToken::sets(&format!("${name}")))
            .or_else(|| self.option(text, folders))
    }

    /// Returns an option for a token whose value a substitution or another variable gives.
    fn option(&self, text: &str, folders: &ScriptFolders) -> Option<OtherToken> {
        let (name, value) = text
            .match_indices("--")
            .filter_map(|(at, _)| text.get(at..)?.split_once(['=', ' ']))
            .find(|(name, _)| name.ends_with("token"))?;
        let is_plain_name = is_name(&name.trim_start_matches('-').replace('-', "_"));
        let value = value.trim_start().trim_start_matches(['"', '\'']);
        let is_hidden = value.starts_with(['$', '`']);
        (is_plain_name && is_hidden && !self.mine.is_in(self.names, value, folders))
            .then(|| OtherToken::sets(&format!("`{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::carried_tokens::bots_in;

    #[test]
    fn a_script_may_give_the_bot_another_token() {
        let token = |id: &str| format!("{id}:{}", "a".repeat(35));
        let (mine, other) = (token("8123450001"), token("8123450002"));
        let text = TokenText {
            names: &["BOT_TOKEN"],
            mine: StartToken {
                bot: bots_in(mine.as_bytes()).into_iter().next().unwrap(),
                variable: None,
                file: Some(Path::new("/srv/bot/.env")),
            },
        };
        for (script, is_given) in [
            ("export BOT_TOKEN=\"$(cat token.txt)\"\nexec python3 main.py".to_owned(), true),
            ("BOT_TOKEN=$(< token.txt) python3 main.py".to_owned(), true),
            ("BOT_TOKEN=`pass show bot`\nexport BOT_TOKEN".to_owned(), true),
            ("BOT_TOKEN=$TOKEN exec python3 main.py".to_owned(), true),
            ("export BOT_TOKEN=${1:?}\npython3 main.py".to_owned(), true),
            ("read -r BOT_TOKEN < token.txt\npython3 main.py".to_owned(), true),
            ("IFS= read -r BOT_TOKEN < token.txt\npython3 main.py".to_owned(), true),
            ("source <(sops -d secrets.env)\npython3 main.py".to_owned(), true),
            ("set -a; . /dev/stdin <<< \"$(sops -d secrets.env)\"\n./bot".to_owned(), true),
            ("export $(./show)\n./bot".to_owned(), true),
            ("export A=1 \"$(./show)\"\n./bot".to_owned(), true),
            ("exec env -i \"$(cat /srv/bot/.env /dev/stdin)\" ./bot".to_owned(), true),
            ("eval \"$(op inject -i a.env)\"\n./bot".to_owned(), true),
            (". \"$HERE/$NAME.env\"\n./bot".to_owned(), true),
            ("BOT_TOKEN=${BOT_TOKEN:-$(cat bob.txt)} ./bot".to_owned(), true),
            ("BOT_TOKEN=${BOT_TOKEN:+$(cat bob.txt)} ./bot".to_owned(), true),
            ("BOT_TOKEN=\"8123450002:$SECRET\" ./bot".to_owned(), true),
            ("BOT_TOKEN=${BOT_TOKENS[1]} ./bot".to_owned(), true),
            ("BOT_TOKEN=$(pass show bob) ./bot --config .env".to_owned(), true),
            ("BOT_TOKEN=$(./show --config .env) ./bot".to_owned(), true),
            ("BOT_TOKEN=$(ssh host cat .env) ./bot".to_owned(), true),
            ("BOT_TOKEN=$(cat bots/bob/.env) ./bot".to_owned(), true),
            ("BOT_TOKEN=$(grep BOB_TOKEN .env) ./bot".to_owned(), true),
            ("cd bots/bob && BOT_TOKEN=$(grep BOT_TOKEN .env) ./bot".to_owned(), true),
            ("exec sops exec-env secrets.env ./bot".to_owned(), true),
            ("exec env BOT_TOKEN=\"$(cat t)\" python3 main.py".to_owned(), true),
            (format!("if [ $1 = b ]; then export BOT_TOKEN={other}; fi\n./bot"), true),
            ("python3 main.py --token \"$(cat token.txt)\"".to_owned(), true),
            ("./bot --bot-token=`cat token.txt`".to_owned(), true),
            ("./bot --token \"$1\"".to_owned(), true),
            ("./bot --token \"$BOB\"".to_owned(), true),
            ("./bot --token \"$BOT_TOKEN\"".to_owned(), false),
            ("doppler run -- python3 main.py".to_owned(), true),
            ("@infisical run --env=prod -- ./bot".to_owned(), true),
            (". $ENVF\npython3 main.py".to_owned(), true),
            (": \"${BOT_TOKEN:=$(cat bob.txt)}\"\n./bot".to_owned(), true),
            ("export BOT_TOKEN\n./bot".to_owned(), false),
            ("export A=\"at $(date)\" B=$(pwd)\n./bot".to_owned(), false),
            ("export BOT_TOKEN=\"${BOT_TOKEN:?is not set}\"\n./bot".to_owned(), false),
            ("BOT_TOKEN=$BOT_TOKEN ./bot".to_owned(), false),
            ("export BOT_TOKEN=$(grep BOT_TOKEN .env | cut -d= -f2)\n./bot".to_owned(), false),
            (
                "export BOT_TOKEN=$(sed -n 's/^BOT_TOKEN=//p' /srv/bot/.env)\n./bot".to_owned(),
                false,
            ),
            ("BOT_TOKEN=${BOT_TOKEN:-$(grep BOT_TOKEN .env)} ./bot".to_owned(), false),
            ("BOT_TOKEN=${BOT_TOKEN:-changeme} ./bot".to_owned(), false),
            ("export $(grep -v '^#' .env | xargs)\n./bot".to_owned(), false),
            ("env $(cat .env | xargs) ./bot".to_owned(), false),
            ("eval \"$(pyenv init -)\"\nexec $(which python3) main.py".to_owned(), false),
            ("source \"$(dirname \"$0\")/venv/bin/activate\"\n./bot".to_owned(), false),
            (". \"$(poetry env info --path)/bin/activate\"\n./bot".to_owned(), false),
            (". \"$HERE/none.env\" $1\n./bot".to_owned(), false),
            ("unset -v BOT_TOKEN; unset A BOT_TOKEN\n./bot".to_owned(), false),
            ("op --version\nsops -d a.enc > a.yaml\ndotenvx run -- ./bot".to_owned(), false),
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
            let folders = ScriptFolders::new(Path::new("/srv/bot"), None);
            let seen = text.search(&script, folders);
            assert_eq!(!seen.is_empty(), is_given, "{script}: {seen:?}");
        }
    }

    #[test]
    fn a_variable_of_the_start_comes_before_the_default_in_a_script() {
        let mine = format!("8123450001:{}", "a".repeat(35));
        let bot = bots_in(mine.as_bytes()).into_iter().next().unwrap();
        for (variable, script, is_given) in [
            (Some("BOT_TOKEN"), "BOT_TOKEN=${BOT_TOKEN:-$(cat bob.txt)} ./bot", false),
            (Some("BOT_TOKEN"), "BOT_TOKEN=${BOT_TOKEN:+$(cat bob.txt)} ./bot", true),
            (Some("BOT_TOKEN"), "BOT_TOKEN=${BOT_TOKEN#bob} ./bot", false),
            (Some("BOT_TOKEN"), "BOT_TOKEN=$(grep BOT_TOKEN .env) ./bot", true),
            (Some("TOKEN"), "BOT_TOKEN=$TOKEN ./bot", false),
            (Some("TOKEN"), "BOT_TOKEN=${BOT_TOKEN-$(cat bob.txt)} ./bot", true),
            (None, "BOT_TOKEN=$TOKEN ./bot", true),
            (Some("BOT_TOKEN"), ": ${BOT_TOKEN:=$(cat bob.txt)}\n./bot", false),
        ] {
            let mine = StartToken { bot, variable, file: None };
            let text = TokenText { names: &["BOT_TOKEN"], mine };
            let seen = text.search(script, ScriptFolders::new(Path::new("/srv/bot"), None));
            assert_eq!(!seen.is_empty(), is_given, "{variable:?} {script}: {seen:?}");
        }
    }

    #[test]
    fn a_script_that_has_read_the_file_may_hand_its_token_on_under_another_name() {
        let mine = format!("8123450001:{}", "a".repeat(35));
        let bot = bots_in(mine.as_bytes()).into_iter().next().unwrap();
        for (variable, expected) in [(None, 0), (Some("TOKEN"), 1)] {
            let mine = StartToken { bot, variable, file: Some(Path::new("/srv/bot/.env")) };
            let text = TokenText { names: &["BOT_TOKEN", "TELEGRAM_TOKEN"], mine };
            let script = "export TELEGRAM_TOKEN=$BOT_TOKEN";
            let seen = text.search(script, ScriptFolders::new(Path::new("/srv/bot"), None));
            assert_eq!(seen.len(), expected, "{seen:?}");
        }
    }

    /// The variables that a store sets replace the variables of a file that a line has read.
    #[test]
    fn a_store_of_secrets_comes_before_the_lines_of_a_script() {
        let line = || OtherToken::reads("a file");
        let store = || OtherToken::of("doppler");
        for found in [vec![line(), store()], vec![store(), line()], vec![line(), line(), store()]] {
            let first = OtherToken::first(found.into_iter());
            assert!(matches!(first, Some(OtherToken::Store(_))), "{first:?}");
        }
        let first = OtherToken::first([line()].into_iter());
        assert!(matches!(first, Some(OtherToken::Line(_))), "{first:?}");
    }
}
