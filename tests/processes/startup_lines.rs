//! Lines of start scripts that set up a shell or a version manager, ask or start a service, end old
//! processes or copy data to a backup. They choose no bot, and lines that only look so may.

use monopoll_test_bots::stage::Stage;

use crate::lines_that_choose::{Expected, unexpected};
use crate::other_bots::{plan, unnamed};
use crate::same_command::{PYTHON, bot, end, program, write};
use crate::script_variables::is_the_same;

const USUAL: [&str; 57] = [
    // Shells and version managers.
    "source ~/.bashrc",
    ". ~/.profile",
    ". \"$HOME/.profile\"",
    "[ -f ~/.bashrc ] && . ~/.bashrc",
    "if [ -f ~/.profile ]; then . ~/.profile; fi",
    "source ~/.nvm/nvm.sh",
    ". \"$HOME/.nvm/nvm.sh\" > /dev/null || true",
    "export NVM_DIR=\"$HOME/.nvm\"\n[ -s \"$NVM_DIR/nvm.sh\" ] && \\. \"$NVM_DIR/nvm.sh\"",
    "export NVM_DIR=\"$HOME/.nvm\"; [ -s \"$NVM_DIR/nvm.sh\" ] && . \"$NVM_DIR/nvm.sh\"",
    "source ~/.nvm/nvm.sh\nnvm use 20",
    "source ~/.nvm/nvm.sh; nvm use --silent default > /dev/null",
    ". \"$HOME/.cargo/env\"",
    "source \"$HOME/.sdkman/bin/sdkman-init.sh\"",
    ". ~/.asdf/asdf.sh",
    "source ~/miniconda3/etc/profile.d/conda.sh",
    "eval \"$(pyenv init -)\"",
    "export PYENV_ROOT=\"$HOME/.pyenv\"\nexport PATH=\"$PYENV_ROOT/bin:$PATH\"\n\
     eval \"$(pyenv init -)\"",
    "eval \"$(pyenv init -)\"\nexport PATH=\"$HOME/bin:$PATH\"",
    "eval \"$(ssh-agent -s)\"\nssh-add ~/.ssh/key 2> /dev/null",
    // Services.
    "systemctl start redis",
    "sudo systemctl start postgresql",
    "systemctl is-active --quiet redis || sudo systemctl start redis.service",
    "systemctl --user stop bob",
    "sudo systemctl stop bob || true",
    "service redis-server start",
    "sudo service postgresql restart",
    "brew services start redis",
    "docker compose up -d redis",
    "./wait-for-it.sh localhost:5432",
    "./wait-for-it.sh localhost:5432 -t 30 --strict",
    "tmux kill-session -t bot 2>/dev/null",
    "screen -wipe",
    "screen -S bot -X quit || true",
    "crontab -l > /dev/null",
    // Old processes.
    "pkill -f other.py || true",
    "PID=$(pgrep -f other.py)\n[ -n \"$PID\" ] && kill $PID",
    "OLD_PID=\"$(cat bot.pid 2>/dev/null)\"; [ -z \"$OLD_PID\" ] || kill -9 \"$OLD_PID\"",
    "ps aux | grep other.py | grep -v grep | awk '{print $2}' | xargs kill -9 2>/dev/null",
    "pgrep -f other.py | xargs -r kill",
    "lsof -ti:8080 | xargs kill -9",
    "ulimit -c 0",
    "umask 027",
    "trap 'kill 0' INT",
    // Data and logs.
    "cp bot.db bot.db.bak",
    "cp -p bot.db backups/",
    "cp bot.db \"backups/bot-$(date +%F).db\"",
    "cp -r data data.bak",
    "mkdir -p backups && cp bot.db backups/bot.db || true",
    "tar czf backup.tgz data",
    "tar -czf \"backups/$(date +%F).tar.gz\" data",
    "truncate -s 0 bot.log",
    "gzip -f bot.log.1",
    "sync",
    // Programs.
    "ffmpeg -version >/dev/null",
    "playwright install chromium",
    "npx playwright install --with-deps",
    "figlet Bot",
];

const CHOOSING: [&str; 63] = [
    // Files and code that may set a variable.
    "source ./functions.sh",
    ". bob/.nvm/nvm.sh",
    ". ./.bashrc.bob",
    ". ~/.bashrc bob",
    ". ~/bob/.profile",
    ". ~/.env.bob",
    "source ~/bob/config.sh",
    ". \"$BOT_HOME/.profile\"",
    "HOME=bob\n. ~/.profile",
    "BOT=bob . ~/.profile",
    ". ~/.profile > .env",
    "source ~/.profile \"$(./choose bob)\"",
    "source ~/miniconda3/bin/activate bob",
    "source ~/miniconda3/etc/profile.d/conda.sh\nconda activate bob",
    "eval \"$(conda shell.bash hook)\"; conda activate bob",
    "eval \"$(cat bob)\"",
    "eval \"$(direnv export bash)\"",
    "eval \"$(pyenv init -; cat bob)\"",
    "eval \"$(./pyenv init -)\"",
    "eval \"$(pyenv init -)\" \"$(cat bob)\"",
    "pyenv exec ./choose bob",
    "nvm use \"$(./choose bob)\"",
    "nvm() { ./choose bob; }\nnvm use 20",
    "export PATH=\"bob:$PATH\"\n. ~/.nvm/nvm.sh",
    ". ~/.nvm/nvm.sh\nexport PATH=\"bob:$PATH\"",
    ". ~/.nvm/nvm.sh\nexport PATH=\"$(./choose bob):$PATH\"",
    "alias git='./choose bob'",
    // Services and processes.
    "systemctl start bob",
    "systemctl restart redis bob",
    "systemctl --user set-environment BOT=bob",
    "service bob start",
    "systemctl start redis > .env",
    "./wait-for-it.sh localhost:5432 -- ./choose bob",
    "./wait-for-bob.sh localhost:5432",
    "tmux kill-session -t x \\; new -d './choose bob'",
    "screen -S x -X stuff './choose bob'",
    "crontab bob",
    "pgrep x | xargs ./choose bob",
    "ls envs | xargs rm",
    "ps | awk '{print \"BOT=bob\" > \".env\"}'",
    "awk 'BEGIN { system(\"./choose bob\") }'",
    "awk -f bob",
    "PID=$(./choose bob)",
    "PID=$(pgrep x; ./choose bob)",
    "export WORKER=$(pgrep -f main.py)",
    "[ -n \"$1\" ] && export DEBUG=1",
    // Data.
    "cp .env .env.bak",
    "cp bob.db bot.db",
    "cp bot.db.bak bot.db",
    "cp backups/bob.db bot.db",
    "cp bot.db \"$(./choose bob).bak\"",
    "cp -r bots/bob data",
    "cp -t . bob.db backup.db",
    "cp bob.db ../backup/bot.db",
    "tar xzf backup.tgz",
    "tar czf main.py bob",
    "tar czf b.tgz --checkpoint-action=exec='./choose bob' data",
    "truncate -s 0 .env",
    "gzip bob",
    "sqlite3 bot.db < bob",
    "logrotate -f bob",
    "wget -q https://localhost/bob -O cookies.txt",
    "export OPENAI_API_KEY=$(cat bob)",
];

/// A start-up file as many hosts have it.
const PROFILE: &str = "# ~/.profile\nif [ -n \"$BASH_VERSION\" ]; then\n    if [ -f \
                       \"$HOME/.bashrc\" ]; then\n\t. \"$HOME/.bashrc\"\n    fi\nfi\nif [ -d \
                       \"$HOME/bin\" ] ; then\n    PATH=\"$HOME/bin:$PATH\"\nfi\n. \
                       \"$HOME/.cargo/env\"\n";

const BASHRC: &str = r#"case $- in
    *i*) ;;
      *) return;;
esac
HISTCONTROL=ignoreboth
shopt -s histappend
HISTSIZE=1000
[ -x /usr/bin/lesspipe ] && eval "$(SHELL=/bin/sh lesspipe)"
if [ -z "${debian_chroot:-}" ] && [ -r /etc/debian_chroot ]; then
    debian_chroot=$(cat /etc/debian_chroot)
fi
PS1='${debian_chroot:+($debian_chroot)}\u@\h:\w\$ '
alias ll='ls -alF'
if [ -f ~/.bash_aliases ]; then
    . ~/.bash_aliases
fi
if ! shopt -oq posix; then
  if [ -f /usr/share/bash-completion/bash_completion ]; then
    . /usr/share/bash-completion/bash_completion
  fi
fi
export EDITOR=vim
export NVM_DIR="$HOME/.nvm"
[ -s "$NVM_DIR/nvm.sh" ] && \. "$NVM_DIR/nvm.sh"
"#;

/// What makes the same file choose a bot, perhaps.
const CHOOSING_IN_FILE: [&str; 22] = [
    "export BOT=bob",
    "export BOT_TOKEN=1",
    "export TELEGRAM_TOKEN=1",
    "export WORKER=1",
    "export NODE_ENV=test",
    "export PYTHONPATH=bob",
    "set -a",
    "cd bob",
    "cd ~/bob",
    ". ~/bots/bob/x",
    ". ~/.nvm/nvm.sh; . bots/bob/x",
    "export $(cat bob | xargs)",
    "eval \"$(cat bob)\"",
    "exec ./choose bob",
    "read -r BOT < bob",
    "for name in BOT; do export $name=bob; done",
    "printf -v BOT bob; export BOT",
    ": ${BOT:=bob}",
    "export AWS_PROFILE=bob",
    "export MONOPOLL_INSTANCE=bob",
    "builtin cd bob",
    "python3() { ./choose bob; }",
];

fn main_py() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    let choosing =
        ["bob", ".env", ".env.bob", ".bashrc.bob", "functions.sh", "bots/bob/x", "bot.pid"];
    for name in choosing {
        write(&stage, name, "PORT=1\n");
    }
    for name in [".bash_aliases", ".cargo/env", ".nvm/nvm.sh"] {
        write(&stage, name, "");
    }
    write(&stage, ".profile", PROFILE);
    write(&stage, ".bashrc", BASHRC);
    write(&stage, "choose", "#!/bin/sh\n");
    stage
}

#[test]
fn lines_that_set_up_a_shell_or_the_host_leave_no_doubt_and_those_that_may_choose_a_bot_do() {
    let stage = main_py();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    let form = "LINE\nexec python3 main.py";
    let wrong = [
        unexpected(&stage, pid, &CHOOSING, form, Expected::InDoubt),
        unexpected(&stage, pid, &USUAL, form, Expected::TakenOver),
    ]
    .concat();
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
    end(&stage, running, pid);
}

#[test]
fn a_startup_file_that_may_choose_a_bot_leaves_a_doubt() {
    let stage = main_py();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    let mut wrong = Vec::new();
    for line in CHOOSING_IN_FILE {
        write(&stage, ".bashrc", &format!("{BASHRC}{line}\n"));
        for file in ["~/.bashrc", "~/.profile"] {
            write(&stage, "start.sh", &format!("#!/bin/bash\n. {file}\npython3 main.py\n"));
            let seen = plan(unnamed(&stage, &["plan"], "./start.sh"));
            if seen["verdict"] == "act" {
                wrong.push(format!("{line}: {file}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
    end(&stage, running, pid);
}

#[test]
fn a_bot_of_a_script_that_reads_the_startup_files_of_a_shell_is_taken_over() {
    let stage = main_py();
    let lines = "source ~/.bashrc\n[ -s ~/.nvm/nvm.sh ] && . ~/.nvm/nvm.sh\n\
                 OLD_PID=$(cat bot.pid)\ncp bot.db bot.db.bak";
    write(&stage, "start.sh", &format!("#!/bin/bash\n{lines}\nexec python3 main.py\n"));
    is_the_same(&stage, "./start.sh", "./start.sh");
}
