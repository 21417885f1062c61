//! Lines of start scripts that look like a build, a message or a download, and may choose another
//! bot or be one. Each leaves a doubt, and what only looks like it leaves none.

use monopoll_test_bots::stage::Stage;

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, found, program, write};

/// Lines before the bot.
const CHOOSING: [&str; 119] = [
    // Functions and traps.
    "log() { echo up; }\nlog BOT=bob > .env",
    "log() { echo up; }\nlog bob > bot.txt",
    "log() { echo up; } > .env\nlog BOT=bob",
    "log() { echo up; }\ntrap 'log stop; cp envs/bob .env' EXIT",
    "log() { echo up; }\ntrap 'log BOT=bob > .env' EXIT",
    "log() { echo up; }\nlog() { ./choose bob; }\nlog",
    "log() { echo up; }\n[ -f x ] || log() { ./choose bob; }\nlog",
    "options() { set -a; }\noptions\nBOT=bob",
    "ask() { read -r BOT; }\nask < bob\nexport BOT",
    // Parts of `.env`, or of another file.
    "export $(grep '^BOB_' .env | xargs)",
    "export $(grep '^BOB_' .env | sed 's/^BOB_//')",
    "export $(sed -n 's/^BOB_//p' .env)",
    "export BOT=$(sed -n 's/^BOB=//p' .env)",
    "export BOT=$(cat .env)",
    "export $(grep -v '^#' .env | grep BOB | xargs)",
    // Output into a file that may choose.
    "cat bob > bot.txt",
    "grep bob bots > token.txt",
    "head -1 bob > bot.txt",
    "tail -n 1 bob > bot.txt",
    "ls envs/bob > bot.txt",
    "curl https://localhost/bob > token.txt",
    "git show bob:main.py > main.py",
    "redis-cli get bob > bot.txt",
    "redis-cli -n 1 set bot bob",
    "redis-cli < bob",
    "docker compose run tool cat bob > bot.txt",
    "echo BOT=bob | tee .env",
    "printf -v BOT bob\nexport BOT",
    "jq .bob bob > config.json",
    "envsubst < bob > .env",
    "python3 -c 'print(\"BOT=bob\")' > .env",
    "node -e 'console.log(1)' > .env",
    "tee .env <<EOF\nBOT=bob\nEOF",
    "cat > .env <<EOF\nBOT=bob\nEOF",
    "sort bob -o .env",
    "dd if=bob of=.env",
    "gpg -d bob.gpg > .env",
    "yq -i '.bot = \"bob\"' config.yml",
    // Copies and links.
    "install -m 600 envs/bob .env",
    "rsync -a envs/bob .env",
    "unzip -o bob.zip",
    "tar xf bob.tar",
    "ln -sfn bots/bob current",
    "docker cp web:/x .env",
    "cp envs/bob .env",
    "cp bots/bob/template.env .env",
    "cp .env.example envs/bob .",
    "mv envs/bob .env",
    "patch -p1 < bob",
    // Downloads.
    "curl -o main.py https://localhost/bob.py",
    "curl -fsSLo main.py https://localhost/bob.py",
    "curl --output main.py https://localhost/bob.py",
    "curl -O https://localhost/bob/main.py",
    "curl --remote-name https://localhost/bob/main.py",
    "wget -O token.txt https://localhost/bob",
    "wget https://localhost/bob/main.py",
    "wget -q -Otoken.txt https://localhost/bob",
    // Branches and other repositories.
    "git switch bob",
    "git checkout bob -- main.py",
    "git pull origin bob",
    "git pull -q --rebase origin bob",
    "git stash pop",
    "git --git-dir=bob.git --work-tree=. checkout -- .",
    "git submodule foreach git checkout bob",
    "git config branch.main.merge refs/heads/bob\ngit pull",
    // Options and sources of a build.
    "npm run build --bot=bob",
    "npm run build --bob",
    "yarn build --bob",
    "BOT=bob npm run build",
    "vite build --mode bob",
    "vite build --mode=bob",
    "vite build --config vite.bob.ts",
    "webpack --config=webpack.bob.js",
    "webpack --env=bob",
    "tsc -p tsconfig.bob.json",
    "tsc --project bob",
    "rollup -c rollup.bob.js",
    "esbuild bob.ts --outfile=dist/main.js",
    "esbuild src/main.ts --define:BOT=bob --outfile=dist/main.js",
    "ncc build bob.ts -o dist",
    "go build -ldflags \"-X main.Bot=bob\" -o bot",
    "go build -ldflags='-X main.Bot=bob' -o bot",
    "go build -tags bob",
    "go build -tags=bob -o bot",
    "go build -o bin/bot ./cmd/bob",
    "cargo build --features bob",
    "cargo build --features=bob",
    "cargo build -F bob",
    "mvn -Pbob package",
    "mvn package -Dbot=bob",
    "gradle build -Pbot=bob",
    "make -fbob.mk build",
    "make build -f bob.mk",
    "dotnet publish Bob.csproj -o out",
    "dotnet build -p:Bot=bob",
    "cmake -DBOT=bob .",
    "pip install ./bob",
    "pip install git+https://localhost/bot@bob",
    // Scripts.
    "python3 update.py --bot=bob",
    "python3 bob/update.py",
    "python3 update.py &",
    "make all",
    "echo $(./choose bob)",
    "mkdir -p \"`./choose bob`\"",
    "echo $(find . -name choose -exec ./choose bob \\;)",
    // Siblings of these.
    "exec 3> bot.txt\necho bob >&3",
    "git restore --source=bob .",
    "GIT_DIR=bob.git git reset --hard",
    "GOFLAGS=-tags=bob go build -o bot",
    "go build -ldflags -X=main.Bot=bob -o bot",
    "rollup --input=bob.js --file=main.js",
    "cmake -E copy envs/bob .env",
    "docker build -o . bob",
    "pip install bob.whl",
    "curl -K bob",
    "UPSTREAM_BRANCH=bob python3 update.py",
    "python3 update.py < bob",
    "echo bob | python3 update.py",
    "make build < bob",
];

/// Lines before the bot that only look like those.
const USUAL: [&str; 56] = [
    "log() { echo \"$1\"; }\nlog up >> bot.log\nlog up > /dev/null 2>&1",
    "log() { echo \"$1\"; }\ntrap log EXIT",
    "log() { echo \"$1\"; }\ntrap 'log stop' EXIT",
    "log() { echo \"$1\"; }\ntrap 'log \"stop\"; exit 0' INT TERM",
    "log() { local m=\"$1\"; echo \"$m\" >> bot.log; }\nlog up",
    "export $(cat .env | xargs)",
    "export $(grep -v '^#' .env | xargs -d '\\n')",
    "export $(cat .env | grep -v '^#' | xargs)",
    "export $(xargs < .env)",
    "export $(sed 's/#.*//g' .env | xargs)",
    "date > started",
    "git rev-parse HEAD > REVISION",
    "pip freeze > installed.txt",
    "curl -fsS localhost",
    "curl -s -o /dev/null -w '%{http_code}' localhost",
    "curl -sSL localhost > /dev/null",
    "wget -q --spider localhost",
    "wget -qO- localhost",
    "wget -q -O - localhost",
    "cp .env.example .env.sample",
    "cp config/config.example.yml config/config.yml",
    "git pull",
    "git pull --ff-only origin",
    "git checkout -- .",
    "git submodule update --init --recursive",
    "git config pull.rebase false",
    "npm ci",
    "npm install --omit=dev",
    "pip install -r requirements.txt",
    "pip install -r deploy/requirements.txt -c deploy/constraints.txt",
    "pip install -e .",
    "NODE_ENV=production npm run build",
    "CGO_ENABLED=0 go build -o bot",
    "NODE_OPTIONS=--max-old-space-size=4096 npm run build",
    "npm ci < /dev/null",
    "git restore .",
    "exec 2> errors.log 3>&1",
    "npm run build --silent",
    "npm run build --if-present",
    "vite build --mode production",
    "webpack --mode=production",
    "tsc -p .",
    "tsc -p tsconfig.build.json",
    "tsc --project tsconfig.json --noEmit",
    "rollup -c",
    "esbuild src/main.ts --bundle --outfile=dist/main.js",
    "ncc build src/index.ts -o dist",
    "go build -ldflags '-s -w' -o bot .",
    "go build -ldflags \"-X main.version=1\" -o bot",
    "go build -o bin/bot ./cmd/bot",
    "cargo build --release --locked",
    "mvn -q -B package -DskipTests",
    "gradle build -x test --no-daemon",
    "make -j4 build",
    "cmake -DCMAKE_BUILD_TYPE=Release .",
    "python3 update.py",
];

/// Lines after a bot in the background.
const CHOOSING_AFTER: [&str; 12] = [
    "kill $(cat bot.pid; ./choose bob)",
    "kill $(cat bot.pid && ./choose bob)",
    "kill $(cat bot.pid | ./choose bob)",
    "kill $(cat <(./choose bob))",
    "cat <(./choose bob)",
    "grep bob bots > token.txt",
    "curl -o token.txt https://localhost/bob",
    "cp bots/bob/template.env .env",
    "vite build --mode bob",
    "echo BOT=bob | tee .env",
    "echo BOT=bob | tee bot.txt",
    "cat envs/bob | sed s/a/b/ > .env",
];

const USUAL_AFTER: [&str; 9] = [
    "kill $(cat old.pid)",
    "kill $(pgrep -f other.py | head -1)",
    "kill $(jobs -p) 2> /dev/null || true",
    "echo up | tee -a bot.log",
    "tail -n 1 bot.log | grep up",
    "until redis-cli -n 1 ping; do sleep 1; done",
    "curl -s -o /dev/null localhost",
    "echo $! > bot.pid",
    "echo \"started $(date)\" >> bot.log",
];

fn main_py() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    for name in [".env", "envs/bob", "bots", "bob/update.py", "update.py"] {
        write(&stage, name, "PORT=1\n");
    }
    write(&stage, "Makefile", "all build:\n\techo built\n");
    write(&stage, "choose", "#!/bin/sh\n");
    stage
}

/// The verdict on a script beside a bot with its last command.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    InDoubt,
    TakenOver,
}

/// Returns the scripts with these lines whose plan for a bot is not as expected.
pub(crate) fn unexpected(
    stage: &Stage,
    pid: u32,
    lines: &[&str],
    form: &str,
    expected: Expected,
) -> Vec<String> {
    let mut unexpected = Vec::new();
    for line in lines {
        write(stage, "start.sh", &format!("#!/bin/bash\n{}\n", form.replace("LINE", line)));
        let seen = plan(unnamed(stage, &["plan"], "./start.sh"));
        let reason = seen["reason"].as_str().unwrap_or_default();
        let fits = match expected {
            Expected::InDoubt => reason.contains("end it first (`kill"),
            Expected::TakenOver => seen["verdict"] == "act",
        };
        if !fits || found(&seen) != [u64::from(pid)] {
            unexpected.push(format!("{line}: {} {reason} {:?}", seen["verdict"], found(&seen)));
        }
    }
    unexpected
}

#[test]
fn a_line_that_may_choose_another_bot_leaves_a_doubt_and_one_that_only_looks_so_does_not() {
    let stage = main_py();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    let before = "LINE\nexec python3 main.py";
    let after = "python3 main.py &\nLINE\nwait";
    let wrong = [
        unexpected(&stage, pid, &CHOOSING, before, Expected::InDoubt),
        unexpected(&stage, pid, &USUAL, before, Expected::TakenOver),
        unexpected(&stage, pid, &CHOOSING_AFTER, after, Expected::InDoubt),
        unexpected(&stage, pid, &USUAL_AFTER, after, Expected::TakenOver),
    ]
    .concat();
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
    end(&stage, running, pid);
}

#[test]
fn a_function_that_sets_a_variable_of_its_bot_leaves_a_doubt() {
    let stage = main_py();
    let start = program(&stage, "python3 main.py").env("BOT", "alice");
    let (running, pid) = bot(&stage, start, stage.folder());
    let form = "export BOT=alice\nLINE\nexec python3 main.py";
    let choosing = ["init() { BOT=bob; }\ninit", "init() { read -r BOT; }\ninit < bob"];
    let usual = ["init() { local BOT=bob; echo \"$BOT\"; }\ninit"];
    let wrong = [
        unexpected(&stage, pid, &choosing, form, Expected::InDoubt),
        unexpected(&stage, pid, &usual, form, Expected::TakenOver),
    ]
    .concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
    end(&stage, running, pid);
}

#[test]
fn a_line_read_without_a_name_may_choose_the_bot() {
    let stage = main_py();
    let line = "python3 main.py alice";
    let (running, pid) = bot(&stage, program(&stage, line), stage.folder());
    let form = "LINE\nexec python3 main.py ${REPLY:-alice}";
    let choosing = ["read < bob", "read -r < bob", "read -t 1 -p 'Which? ' < bob"];
    let wrong = [
        unexpected(&stage, pid, &choosing, form, Expected::InDoubt),
        unexpected(&stage, pid, &["read -t 1 -p 'Which? ' NAME < bob"], form, Expected::TakenOver),
    ]
    .concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
    end(&stage, running, pid);
}

#[test]
fn the_bot_in_a_function_or_of_a_script_with_the_name_of_a_step_is_found() {
    let stage = main_py();
    let (running, pid) = bot(&stage, program(&stage, "python3 main.py"), stage.folder());
    write(
        &stage,
        "start.sh",
        "start()\n(\n  exec python3 -m main\n)\nlog() { echo \"$1\"; }\nstart\n",
    );
    let seen = plan(unnamed(&stage, &["plan"], "sh start.sh"));
    assert!(refusal(&seen).contains("end it first (`kill"), "{seen:#}");
    assert_eq!(found(&seen), [u64::from(pid)], "{seen:#}");
    write(&stage, "Makefile", "all install:\n\tpython3 main.py\n");
    for script in ["make all", "make all; echo ended", "git pull; make install"] {
        write(&stage, "start.sh", &format!("{script}\n"));
        let seen = plan(unnamed(&stage, &["plan"], "sh start.sh"));
        assert_eq!(found(&seen), [u64::from(pid)], "{script}: {seen:#}");
    }
    end(&stage, running, pid);
    for script in ["update.py", "updater.py", "upgrade.py", "migrate.py"] {
        write(&stage, script, PYTHON);
        let line = format!("python3 {script}");
        let (running, pid) = bot(&stage, program(&stage, &line), stage.folder());
        let by_runner = format!("sudo {line}; wait");
        for lines in [line.clone(), format!("git pull\n{line} > bot.log &\nwait"), by_runner] {
            write(&stage, "start.sh", &format!("{lines}\n"));
            let seen = plan(unnamed(&stage, &["plan"], "sh start.sh"));
            let is_taken_over = (&seen["verdict"], found(&seen));
            assert_eq!(is_taken_over, (&"act".into(), vec![u64::from(pid)]), "{lines}: {seen:#}");
        }
        end(&stage, running, pid);
    }
}
