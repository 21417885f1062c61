//! Launchers of a project that read its files: pdm, hatch, dotenv, env-cmd, cross-env, ts-node and
//! version managers. `.ci/run` installs them.

use std::os::unix::fs::symlink;
use std::path::Path;

use monopoll_test_bots::stage::{Stage, Start, is_alive, token};

use crate::almost_the_same::{Judged, judge};
use crate::launchers::has;
use crate::other_bots::unnamed;
use crate::same_command::{JAVASCRIPT, PYTHON, bot, path, program, write};
use crate::supervisors::{path_with, peer};

const BOT: &str = "python3 main.py";
const NODE_BOT: &str = "node main.js";

/// A stage, and the settings of the launchers.
struct Project {
    stage: Stage,
    path: String,
}

impl Project {
    fn new(path: String) -> Project {
        let stage = Stage::new();
        write(&stage, "main.py", PYTHON);
        write(&stage, "main.js", JAVASCRIPT);
        Project { stage, path }
    }

    /// A project with the launchers of JavaScript.
    fn javascript() -> Option<Project> {
        let tool = peer("js/node_modules/.bin/ts-node")?;
        let project = Project::new(path_with(&tool));
        let modules = tool.ancestors().nth(2).unwrap();
        symlink(modules, project.stage.folder().join("node_modules")).unwrap();
        Some(project)
    }

    /// A project with the launchers of Python.
    fn python() -> Option<Project> {
        Some(Project::new(path_with(&peer("launchers/bin/hatch")?)))
    }

    fn prepared<'a>(&'a self, start: Start<'a>) -> Start<'a> {
        let start = start.env("PATH", &self.path).env("PDM_CHECK_UPDATE", "0");
        start.env("HATCH_DATA_DIR", self.stage.folder().join("hatch"))
    }

    fn judge(&self, running: &str, started: &str) -> Judged {
        judge(&self.stage, running, started, |it| self.prepared(it))
    }

    /// Checks that each of these lines is the same command as itself and as `bot`.
    #[track_caller]
    fn are(&self, bot: &str, lines: &[&str]) {
        for line in lines {
            for (running, started) in [(*line, *line), (*line, bot), (bot, *line)] {
                let judged = self.judge(running, started);
                assert_eq!(judged, Judged::Same, "{running} / {started}");
            }
        }
    }

    #[track_caller]
    fn doubt_each_other(&self, pairs: &[(&str, &str)], difference: &str) {
        for (one, other) in pairs.iter().flat_map(|(one, other)| [(one, other), (other, one)]) {
            match self.judge(one, other) {
                Judged::InDoubt(reason) => {
                    assert!(reason.contains(difference), "{one} / {other}: {reason}");
                }
                judged => panic!("{one} / {other}: {judged:?}"),
            }
        }
    }

    #[track_caller]
    fn differ(&self, pairs: &[(&str, &str)]) {
        for (one, other) in pairs.iter().flat_map(|(one, other)| [(one, other), (other, one)]) {
            assert_eq!(self.judge(one, other), Judged::Different, "{one} / {other}");
        }
    }

    /// Checks that a guard of the plain command ends the bot below a launcher.
    #[track_caller]
    fn is_ended_by(&self, line: &str, bot_line: &str) {
        let folder = self.stage.folder();
        let running = self.prepared(program(&self.stage, line));
        let (launcher, pid) = bot(&self.stage, running, folder);
        let start = self.prepared(unnamed(&self.stage, &["run"], bot_line));
        let (_own, own) = bot(&self.stage, start, folder);
        assert!(!launcher.is_alive() && !is_alive(pid) && is_alive(own), "{line}");
    }
}

#[test]
fn pdm_is_what_its_scripts_start() {
    let Some(project) = Project::python() else { return };
    let text = "[project]\nname = 'bot'\nversion = '1'\nrequires-python = '>=3.8'\n\
                [tool.pdm]\ndistribution = false\n[tool.pdm.scripts]\n\
                start = 'python main.py'\nwith = {cmd = ['python', 'main.py', '-v']}\n\
                line = {shell = 'cd . && python main.py'}\n\
                many = {composite = ['start -v']}\n\
                alice = {cmd = 'python main.py', env_file = '.env.alice'}\n\
                bob = {cmd = 'python main.py', env_file = '.env.bob'}\n\
                first = 'python other.py'\n_own = 'python main.py'\n\
                json = \"python main.py '{\\\"bot\\\":\\\"alice\\\"}'\"\n";
    write(&project.stage, "pyproject.toml", text);
    for name in ["alice", "bob"] {
        write(&project.stage, &format!(".env.{name}"), &format!("A={name}\n"));
    }
    write(&project.stage, "other.py", PYTHON);
    let lines = ["pdm run start", "pdm start", "pdm run main.py", "pdm -q run -s python3 main.py"];
    project.are(BOT, &lines);
    project.are(BOT, &["pdm run line", "pdm run _own"]);
    project.are("python3 main.py '{\"bot\":\"alice\"}'", &["pdm run json"]);
    project.are("python3 main.py -v", &["pdm run with", "pdm start -v", "pdm run many"]);
    project.differ(&[(BOT, "pdm run with"), ("pdm run start", "pdm run with")]);
    assert_eq!(project.judge(BOT, "pdm run first"), Judged::Different);
    let pairs = [("pdm run alice", "pdm run bob"), (BOT, "pdm run bob")];
    project.doubt_each_other(&pairs, "another `--env-file`");
    project.is_ended_by("pdm start", BOT);
}

#[test]
fn hatch_is_what_its_scripts_start() {
    let Some(project) = Project::python() else { return };
    let text = "[project]\nname = 'bot'\nversion = '1'\n\
                [tool.hatch.envs.default]\nskip-install = true\nenv-vars = {STAGE = 'dev'}\n\
                [tool.hatch.envs.default.scripts]\n\
                start = 'python main.py {args}'\nplain = 'python main.py'\nwith = ['start -v']\n\
                [tool.hatch.envs.prod.env-vars]\nSTAGE = 'prod'\n";
    write(&project.stage, "pyproject.toml", text);
    let lines = ["hatch run start", "hatch run default:plain", "hatch run python3 main.py"];
    project.are("env STAGE=dev python3 main.py", &lines);
    let with = ["hatch run start -v", "hatch run with"];
    project.are("env STAGE=dev python3 main.py -v", &with);
    // hatch does not pass on arguments for which a script has no place.
    project.are("env STAGE=dev python3 main.py", &["hatch run plain -v"]);
    project.differ(&[("hatch run start", "hatch run with")]);
    for line in ["hatch run prod:start", "hatch -e prod run start"] {
        assert_eq!(project.judge(line, line), Judged::Same, "{line}");
    }
    project.doubt_each_other(&[("hatch run start", "hatch run prod:start")], "another ");
    project.doubt_each_other(&[("hatch run start", BOT)], "another value of $STAGE");
    project.is_ended_by("hatch run start", "env STAGE=dev python3 main.py");
}

#[test]
fn the_dotenv_of_python_is_the_command_that_it_runs() {
    let Some(project) = Project::python() else { return };
    for name in ["", ".bob"] {
        write(&project.stage, &format!(".env{name}"), "PORT=1\n");
    }
    let lines = [
        "dotenv run -- python3 main.py",
        "dotenv -f .env run python3 main.py",
        "dotenv --quote never run --no-override python3 main.py",
        "python3 -m dotenv run python3 main.py",
    ];
    project.are(BOT, &lines);
    // It becomes the bot, which does not show the option. The token tells.
    let bob = "dotenv -f .env.bob run -- python3 main.py";
    for running in [BOT, bob] {
        assert!(matches!(project.judge(running, bob), Judged::InDoubt(_)), "{running}");
    }
    write(&project.stage, ".env.bob", &format!("BOT_TOKEN={}\n", token()));
    assert_eq!(project.judge(bob, bob), Judged::Same);
}

#[test]
fn the_launchers_of_javascript_that_set_variables_are_the_command_that_they_run() {
    let Some(project) = Project::javascript() else { return };
    write(&project.stage, ".env", "PORT=1\n");
    write(&project.stage, ".env.prod", "PORT=2\n");
    let lines = [
        "cross-env A=b node main.js",
        "cross-env-shell A=b node main.js",
        "dotenv -- node main.js",
        "dotenv node ./main.js",
        "dotenv --quiet -e .env -- node main.js",
        "env-cmd node main.js",
        "env-cmd -x --no-override -- node main.js",
    ];
    project.are(NODE_BOT, &lines);
    for (line, option) in [
        ("dotenv -e .env.prod -- node main.js", "-e"),
        ("dotenv '-c' prod -- node main.js", "-c"),
        ("dotenv -v A=b -- node main.js", "-v"),
        ("env-cmd -f .env.prod node main.js", "-f"),
    ] {
        assert_eq!(project.judge(line, line), Judged::Same, "{line}");
        project.doubt_each_other(&[(line, NODE_BOT)], &format!("another `{option}`"));
    }
    project.differ(&[(NODE_BOT, "dotenv -e .env -- node main.js -v")]);
    // Without `--`, dotenv takes the option for its own.
    let mixed = "dotenv node main.js --dry-run";
    assert_eq!(project.judge(mixed, mixed), Judged::Same);
    assert_eq!(project.judge(mixed, NODE_BOT), Judged::Same);
    project.is_ended_by("cross-env A=b node main.js", NODE_BOT);
    project.is_ended_by("dotenv -- node main.js", NODE_BOT);
}

/// Two files often set the same variables, such as `.env` and `.env.production`.
#[test]
fn a_file_of_variables_with_another_value_than_the_usual_one_is_that_of_the_same_command() {
    let Some(project) = Project::javascript() else { return };
    let lines = [
        "dotenv -e .env.prod -- node main.js",
        "env-cmd -f .env.prod node main.js",
        "node --env-file=.env.prod main.js",
    ];
    for usual in [None, Some("STAGE=dev\nROOM=a\n")] {
        if let Some(usual) = usual {
            write(&project.stage, ".env", usual);
        }
        write(&project.stage, ".env.prod", "STAGE=test\nROOM=b\n");
        write(&project.stage, ".env.bob", "STAGE=bob\nROOM=b\n");
        for line in lines {
            assert_eq!(project.judge(line, line), Judged::Same, "{line} {usual:?}");
            let bob = &line.replace(".env.prod", ".env.bob");
            project.doubt_each_other(&[(line, bob), (line, NODE_BOT)], "another ");
        }
    }
}

#[test]
fn every_spelling_of_ts_node_is_the_same_command() {
    let Some(project) = Project::javascript() else { return };
    let code = "// @ts-nocheck\nimport * as fs from 'fs';\n\
                fs.writeFileSync(`ready-${process.pid}`, '');\nsetTimeout(() => {}, 600000);\n";
    write(&project.stage, "main.ts", code);
    let options = r#"{"compilerOptions": {"module": "commonjs", "moduleResolution": "node"}}"#;
    write(&project.stage, "tsconfig.json", options);
    let lines = [
        "ts-node -T ./main.ts",
        "ts-node-script main.ts",
        "ts-node-transpile-only main.ts",
        "ts-node-cwd main.ts",
        "node -r ts-node/register main.ts",
        "node node_modules/ts-node/dist/bin-transpile.js main.ts",
        "npx --no-install ts-node main.ts",
    ];
    project.are("ts-node main.ts", &lines);
    project.differ(&[("ts-node main.ts", "ts-node main.ts -v")]);
    project.are(NODE_BOT, &["ts-node main.js", "bunx tsx main.js", "npx --no-install tsx main.js"]);
}

#[test]
fn a_folder_is_the_entry_of_its_package() {
    let Some(project) = Project::javascript() else { return };
    write(&project.stage, "index.ts", JAVASCRIPT);
    write(&project.stage, "package.json", r#"{"name": "bot", "module": "index.ts"}"#);
    project.are("bun index.ts", &["bun .", "bun run ."]);
    write(&project.stage, "package.json", r#"{"name": "bot"}"#);
    project.are("bun index.ts", &["bun ."]);
    project.are("tsx index.ts", &["tsx ."]);
    write(&project.stage, "package.json", r#"{"name": "bot", "main": "main.js"}"#);
    project.are(NODE_BOT, &["node ."]);
}

/// With the Python of the system: there is no other version to choose.
#[test]
fn a_version_manager_is_the_command_that_it_executes() {
    if !has("rbenv") {
        return;
    }
    let project = Project::new(path());
    write(&project.stage, "bot.rb", RUBY);
    project.are(BOT, &["rbenv exec python3 main.py"]);
    if has("bundle") {
        write(&project.stage, "Gemfile", "");
        let lines = ["rbenv exec ruby bot.rb", "bundle exec ruby bot.rb", "ruby -w ./bot.rb"];
        project.are("ruby bot.rb", &lines);
        project.is_ended_by("bundle exec ruby bot.rb", "ruby bot.rb");
    }
}

/// A Ruby bot that reports when it is ready.
pub(crate) const RUBY: &str = "File.write(\"ready-#{Process.pid}\", '')\nsleep 600\n";

#[test]
fn an_agent_that_is_installed_is_the_command_that_it_instruments() {
    let Some(project) = Project::python() else { return };
    let lines = [
        "opentelemetry-instrument --traces_exporter none --metrics_exporter none python3 main.py",
        "newrelic-admin run-program python3 main.py",
        "newrelic-admin run-python main.py",
    ];
    project.are(BOT, &lines);
}

#[test]
fn ipython_that_runs_a_script_is_that_script() {
    let Some(ipython) = peer("venv/bin/ipython") else { return };
    let project = Project::new(path_with(&ipython));
    let lines = [
        "ipython main.py",
        "ipython3 --no-banner -- main.py",
        "python3 -m IPython main.py",
        "coverage3 run main.py",
        "python3 -m profile main.py",
    ];
    project.are(BOT, &lines);
    assert!(Path::new(&ipython).is_file());
}
