//! The commands of a shell script that may be the bot, as far as its text tells. A script that ends
//! with `exec` leaves no trace of itself.
//!
//! Only short scripts are read. A script with simple lines alone becomes its last command; any
//! other script only may.

use std::ffi::OsString;

use crate::scan::harmless_command::Steps;
use crate::scan::harmless_function::{is_call, without_harmless_functions};
use crate::scan::harmless_line::{is_harmless_after, is_own_step};
use crate::scan::harmless_output::{is_filter_of_output, is_harmless_filter};
use crate::scan::script_command::{ScriptCommand, ScriptRole, ScriptStart};
use crate::scan::script_reader::Script;
use crate::scan::shell_case::with_chosen_branches;
use crate::scan::shell_statements::{Place, Separator, Statement, statements};

/// Returns the commands of a script, in order. If the script is simple, only its last one.
pub(super) fn commands(text: &str, start: &ScriptStart<'_>) -> Vec<ScriptCommand> {
    let Some(chosen) = with_chosen_branches(text, start.args) else {
        return commands_of(text, start);
    };
    let mut commands = commands_of(&chosen, start);
    for mut other in commands_of(text, start) {
        if !commands.iter().any(|it| it.words == other.words && it.context == other.context) {
            other.role = ScriptRole::NotChosen;
            commands.push(other);
        }
    }
    commands
}

fn commands_of(text: &str, start: &ScriptStart<'_>) -> Vec<ScriptCommand> {
    let mut commands = read(text, start);
    if !passes_arguments(text, start) {
        for command in commands.iter_mut().filter(|it| it.role == ScriptRole::Certain) {
            // Treated like an `exec` of a script with other lines: one may use the other arguments.
            command.role = ScriptRole::Exec;
        }
    }
    commands
}

/// Returns whether a simple script passes all its arguments to its last command. Another line may
/// do something with the others, so that it is another bot.
fn passes_arguments(text: &str, start: &ScriptStart<'_>) -> bool {
    let args: Vec<OsString> =
        (0..start.args.len()).map(|number| format!("\u{1}{number}\u{1}").into()).collect();
    let marked = read(text, &ScriptStart { args: &args, ..*start });
    let Some(ScriptCommand { words, context, .. }) = marked.last() else { return false };
    let values = context.variables.iter().filter_map(|(_, value)| value.as_deref());
    let folder = context.folder.iter().map(|folder| folder.as_os_str());
    let passed: Vec<String> = words
        .iter()
        .map(OsString::as_os_str)
        .chain(values)
        .chain(folder)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    args.iter().filter_map(|arg| arg.to_str()).all(|arg| passed.iter().any(|it| it.contains(arg)))
}

fn read(text: &str, start: &ScriptStart<'_>) -> Vec<ScriptCommand> {
    let commands = read_with(text, start, Steps::Prepare);
    if commands.is_empty() { read_with(text, start, Steps::MayBeBot) } else { commands }
}

fn read_with(text: &str, start: &ScriptStart<'_>, steps: Steps) -> Vec<ScriptCommand> {
    let (text, harmless) = without_harmless_functions(text, steps);
    let mut script = Script::new(&text, start, steps);
    let mut statements = statements(&text);
    for it in statements.iter_mut().filter(|it| is_call(&it.text, &harmless)) {
        ":".clone_into(&mut it.text);
    }
    let mut rest = statements.iter();
    let mut before = Separator::Line;
    while let Some(statement) = rest.next() {
        let is_end = statement.place == Place::Always && statement.text.starts_with("exit");
        if is_end {
            break;
        }
        let is_done = script.read(statement);
        // The input from a pipe may choose the bot, also that of a step of the project.
        let may_be_chosen = is_done || is_own_step(&statement.text);
        script.is_simple &= !may_be_chosen || before != Separator::Pipe;
        before = statement.end;
        if let Some(command) = script.commands.last_mut()
            && is_done
            && script.is_simple
            && (command.role == ScriptRole::Exec || ends_here(statement, rest.as_slice()))
        {
            command.role = ScriptRole::Certain;
            return script.commands.pop().into_iter().collect();
        }
        script.is_simple &= !is_done;
    }
    script.commands
}

/// Returns whether nothing follows a command but filters of its output, and commands that start no
/// other program: `echo $! > bot.pid`, `wait`.
fn ends_here(statement: &Statement, rest: &[Statement]) -> bool {
    let mut before = statement.end;
    let mut is_its_output = true;
    rest.iter().all(|next| {
        is_its_output &= before == Separator::Pipe;
        let is_part = before == Separator::Pipe
            && if is_its_output {
                is_filter_of_output(&next.text)
            } else {
                is_harmless_filter(&next.text)
            };
        let is_harmless = is_harmless_after(&next.text)
            && !is_own_step(&next.text)
            && match before {
                Separator::Line | Separator::Background | Separator::And | Separator::Or => true,
                Separator::Pipe | Separator::Open | Separator::Close => false,
            };
        before = next.end;
        is_part || is_harmless
    }) && matches!(before, Separator::Line | Separator::Background)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shown_with(text: &str, args: &[&str]) -> String {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let environment = |name: &str| match name {
            "HOME" => Some("/home/u".to_owned()),
            "BOT_ENV" => Some("test".to_owned()),
            _ => None,
        };
        let script = Some(Path::new("/srv/bot/start"));
        let cwd = Path::new("/work");
        let start = ScriptStart { args: &args, script, cwd, environment: &environment };
        let shown = |it: ScriptCommand| {
            let words: Vec<_> = it.words.iter().map(|word| word.to_str().unwrap()).collect();
            let folder = match it.context.folder {
                _ if !it.knows_folder => Some(" somewhere".to_owned()),
                folder => folder.map(|it| format!(" in {}", it.display())),
            };
            let names = it.context.variables.iter().map(|(name, value)| {
                let value = value.as_ref().map(|value| value.display().to_string());
                format!(" {}={}", name.display(), value.unwrap_or_else(|| "unset".into()))
            });
            let environment = it.environment.map(|it| format!(" by {}", it.display()));
            let role = match it.role {
                ScriptRole::Certain => String::new(),
                role => format!(" {role:?}"),
            };
            words.join("|").replace('\0', "")
                + &folder.unwrap_or_default()
                + &names.collect::<String>()
                + &environment.unwrap_or_default()
                + &role
        };
        commands(text, &start).into_iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    fn shown(text: &str) -> String {
        let args: &[&str] = if text.contains('@') { &["-x", "a b"] } else { &[] };
        shown_with(text, args)
    }

    #[test]
    fn a_simple_script_becomes_its_last_command() {
        for (text, expected) in [
            ("#!/bin/sh\nexec python3 main.py\n", "python3|main.py"),
            ("#!/bin/sh\n\n# The bot.\npython3 main.py", "python3|main.py"),
            ("exec python3 main.py \"$@\"\nexit 1\n", "python3|main.py|-x|a b"),
            ("exec ./bot \\\n  --all\n", "./bot|--all"),
            (
                "set -euo pipefail\ncd \"$(dirname \"$0\")\" || exit 1\nA=b exec ./bot\n",
                "./bot in /srv/bot A=b",
            ),
            ("cd app\nexport A=b\nunset C\n./bot", "./bot in app A=b C=unset"),
            ("cd app && exec ./bot", "./bot in app"),
            ("cd \"$HOME\"\nexec ./bot", "./bot in /home/u"),
            ("S=$(readlink -f \"$0\")\nD=$(dirname \"$S\")\ncd $D\n./bot", "./bot in /srv/bot"),
            ("S=${BASH_SOURCE[0]}\nexec $(dirname $S)/bot", "/srv/bot/bot"),
            ("cd x\nexec \"$(pwd)/bot\" $PWD", "/work/x/bot|/work/x in x"),
            ("D=$(cd \"$(dirname \"$0\")\" && pwd)\ncd \"$D\"\nexec ./bot", "./bot in /srv/bot"),
            ("git pull\npip install -r r.txt\necho 'up: now'\n./bot", "./bot"),
            ("echo up >> up.log\necho $$ > bot.pid\ngit fetch\nexec ./bot", "./bot"),
            (". venv/bin/activate\npython main.py", "python|main.py by venv/bin"),
            ("./bot >> bot.log 2>&1", "./bot"),
            ("./bot -v > /dev/null 2>> err.log", "./bot|-v"),
            ("exec ./bot >> \"$(date +%F) $LOG.log\" 2>&1", "./bot"),
            ("exec >> bot.log 2>&1\n./bot | tee log", "./bot"),
            ("exec python3 main.py '<' < /dev/null", "python3|main.py|<"),
            ("BOT=alice\nexec ./bot $BOT", "./bot|alice"),
            ("BOT_ENV=prod\nexec ./bot", "./bot BOT_ENV=prod"),
            ("python3 main.py &", "python3|main.py"),
            ("nohup python3 main.py > log 2>&1 & echo $! > bot.pid", "nohup|python3|main.py"),
            ("./bot &\nPID=$!\ntrap \"kill $PID\" TERM\nwait $PID\n", "./bot"),
            ("trap 'rm -f bot.pid' EXIT INT\n./bot\necho done", "./bot"),
            ("./bot &\ntrap 'kill $! 2> /dev/null || true; exit 0' INT\nwait", "./bot"),
            ("trap '' HUP\n./bot &\ntrap - HUP", "./bot"),
            ("export V=$(git rev-parse --short HEAD) W=$(git describe --tags)\n./bot", "./bot"),
            ("./bot | tee log\necho \"done $(date)\"", "./bot"),
            ("export V=$(date +%s) W=$(git rev-parse HEAD)\nexec ./bot", "./bot"),
            ("eval \"exec python3 main.py\"", "python3|main.py"),
            ("eval python3 main.py", "python3|main.py"),
            ("while true; do\npython3 main.py\nsleep 1; done", "python3|main.py"),
            ("[ -d x ] || mkdir x\nnpm ci\nexec ./bot", "./bot"),
            (". /x/.nvm/nvm.sh\nexec node main.js", "node|main.js"),
            ("set -a\nBOT=alice\nexport X\nset +a\nexec ./bot", "./bot BOT=alice Exec"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let named = "export BOT=$1\nexec python3 \"$1.py\" --name=\"${2:-x}\"";
        assert_eq!(shown_with(named, &["a"]), "python3|a.py|--name=x BOT=a");
        assert_eq!(shown_with("exec \"$@\"", &["./bot", "x"]), "./bot|x");
        assert_eq!(shown_with("cd bots/$1; exec ./bot", &["a"]), "./bot in bots/a");
    }

    #[test]
    fn another_script_only_may_become_its_commands() {
        for (text, expected) in [
            ("", ""),
            ("#!/bin/sh\n", ""),
            ("exec $PYTHON main.py", "*|main.py Exec"),
            ("PY=$(ls)\n\"$PY\" -u main.py", "?|-u|main.py Other"),
            ("exec python3 \"$DIR/main.py\"", "python3|?/main.py Exec"),
            ("exec python3 main.py \"$1\"", "python3|main.py|? Exec"),
            ("exec python3 \"$@\" main.py", "python3|-x|a b|main.py"),
            (
                "python3 main.py & python3 web.py",
                "python3|main.py Background, python3|web.py Other",
            ),
            ("python3 main.py\necho $(python3 web.py)", "python3|main.py Other"),
            ("trap 'A=b' DEBUG\nexec ./bot", "./bot Exec"),
            ("trap 'python3 web.py' EXIT\n./bot", "./bot Other"),
            ("trap 'echo $(python3 web.py)' EXIT\n./bot", "./bot Other"),
            ("./bot\ntrap 'wait; python3 web.py' EXIT", "./bot Other"),
            ("./bot\ntrap 'wait \"$P\"; python3 web.py' EXIT", "./bot Other"),
            ("./bot\ntrap 'wait'\"; python3 web.py\" EXIT", "./bot Other"),
            ("./bot &\ntrap \"python3 web.py\" EXIT\nwait", "./bot Background"),
            ("export SHOP=$(git rev-parse --abbrev-ref HEAD)\nexec ./bot", "./bot Exec"),
            ("export SHOP=$(git describe --all)\nexec ./bot", "./bot Exec"),
            ("export SHOP=$(whoami)\nexec ./bot", "./bot Exec"),
            ("V=$(cat v)\nexec ./bot", "./bot Exec"),
            ("export BOT=$(date)\nexec ./bot", "./bot Exec"),
            ("V=$(date)\nexec ./bot $V", "./bot|* Exec"),
            ("python3 one.py\npython3 two.py", "python3|one.py Other, python3|two.py Other"),
            ("if true; then\nexec python3 main.py\nfi", "python3|main.py Exec"),
            ("while [ x ]; do\npython3 main.py\ndone", "python3|main.py Other"),
            (". ./alice.env\nexec python3 main.py", "python3|main.py Exec"),
            ("A=b; . ./x\nexec ./bot \"$A\" $B", "./bot|?|* Exec"),
            ("set -- x\nexec python3 main.py \"$@\"", "python3|main.py|x Exec"),
            ("set -- $X\nexec python3 main.py \"$@\"", "python3|main.py|* Exec"),
            ("run() { exec \"$@\"; }\nrun ./bot", "./bot Other"),
            ("shift\nexec python3 main.py \"$@\"", "python3|main.py|* Exec"),
            ("cd -\nexec python3 main.py", "python3|main.py somewhere Exec"),
            ("cd \"$ROOT\"\nexec python3 main.py", "python3|main.py somewhere Exec"),
            ("[ -d x ] && cd x\nexec ./bot", "./bot somewhere Exec"),
            ("cd $ROOT; cd /x; exec ./bot", "./bot in /x Exec"),
            ("cat x | exec python3 main.py", "python3|main.py Exec"),
            (". /x/.nvm/nvm.sh\nexec bot", "bot Exec"),
            ("exec", ""),
            ("eval A=b\nexec ./bot", "./bot Exec"),
            ("eval \"$X\"\nexec ./bot", "./bot Exec"),
            ("eval \"cd x; exec ./bot\"", ""),
            ("exec python3 main.py < in.txt", "python3|main.py Exec"),
            ("exec < in.txt\nexec python3 main.py", "python3|main.py Exec"),
            ("echo alice | python3 main.py", "python3|main.py Other"),
            ("{ echo alice; } | python3 main.py", "python3|main.py Other"),
            ("(echo alice) | python3 main.py", "python3|main.py Other"),
            ("echo BOT=alice > .env\nexec ./bot", "./bot Exec"),
            ("{ echo A=b; echo C=d; } > .env\nexec ./bot", "./bot Exec"),
            ("git checkout alice\nexec ./bot", "./bot Exec"),
            ("./bot <<EOF\nx\nEOF", "./bot Other"),
            ("exit\nexec ./bot", ""),
            ("exec -a bot python3 main.py", "python3|main.py Exec"),
            ("./bot > log; ./other", "./bot Other, ./other Other"),
            ("./bot > $LOG", "./bot"),
            ("export A\nexec ./bot", "./bot Exec"),
            ("[ -f x ] && A=b\nA=c exec ./bot $A", "./bot|* A=c Exec"),
            ("for b in x y; do ./bot $b & done; wait", "./bot|* Background"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let by_argument = "case $1 in\na) exec ./bot ;;\nb) exec ./other ;;\nesac";
        assert_eq!(
            shown_with(by_argument, &["a"]),
            "./bot Exec, a NotChosen, b NotChosen, ./other NotChosen"
        );
        assert_eq!(
            shown_with(by_argument, &["c"]),
            "a NotChosen, ./bot NotChosen, b NotChosen, ./other NotChosen"
        );
        let ignores_its_arguments = "exec python3 main.py";
        assert_eq!(shown_with(ignores_its_arguments, &["x"]), "python3|main.py Exec");
        let writes_them = "echo $1 > bot.conf\nexec ./bot";
        assert_eq!(shown_with(writes_them, &["bot"]), "./bot Exec");
    }
}
