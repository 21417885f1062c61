//! Options and files of a build or an installation that may choose the bot which it makes:
//! `--features bob`, `go build -o bot ./cmd/bob`, `pip install ./bob`.

use crate::scan::shell_words::unquoted;

/// The options of some programs that choose what is built. The value follows in the same word or in
/// the next one.
type Choosing = (&'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
const CHOOSING: [Choosing; 6] = [
    (
        &["astro", "nest", "next", "nuxt", "vite"],
        &["--config", "--mode", "--path", "-c", "-m", "-p"],
    ),
    (
        &["babel", "esbuild", "ncc", "rollup", "tsc", "tsup", "webpack", "webpack-cli"],
        &[
            "--alias:", "--build", "--config", "--config-file", "--config-name", "--define",
            "--define:", "--env", "--environment", "--inject:", "--mode", "--node-env",
            "--project", "--tsconfig", "-b", "-c", "-p",
        ],
    ),
    (&["cargo"], &["--config", "--features", "--profile", "-F"]),
    (&["cmake", "gradle", "gradlew", "make", "mvn", "mvnw", "ninja"], &[
        "--activate-profiles", "--build-file", "--eval", "--file", "--init-script", "--makefile",
        "--preset", "--project-prop", "--settings", "--system-prop", "-C", "-D", "-E", "-I", "-P",
        "-b", "-f",
    ]),
    (&["dotnet"], &["--configuration", "--property", "-c", "-p", "/p:"]),
    (&["go"], &["--tags", "-modfile", "-overlay", "-tags"]),
];

/// Beginnings of the names of variables and properties that choose no bot.
#[rustfmt::skip]
const USUAL_VARIABLES: [&str; 8] =
    ["BUILD_", "CMAKE_", ":Publish", ":Version", "checkstyle", "maven.", "org.gradle.", "skip"];

/// Parts of the paths, modes and features that name no bot.
#[rustfmt::skip]
const USUAL_PARTS: [&str; 77] = [
    "", "api", "app", "apps", "babel", "backend", "bin", "bot", "build", "cfg", "cjs", "cli",
    "client", "cmd", "config", "csproj", "cts", "debug", "default", "dev", "development", "dist",
    "entry", "es", "esm", "false", "frontend", "full", "go", "index", "internal", "js", "json",
    "jsx", "launcher", "lib", "linux", "main", "mjs", "mts", "netgo", "node", "none", "off", "on",
    "osusergo", "out", "packages", "prod", "production", "program", "project", "release", "rollup",
    "rs", "run", "server", "service", "sln", "src", "start", "tailwind", "telegram",
    "telegrambot", "test", "tg", "tgbot", "true", "ts", "tsconfig", "tsup", "tsx", "vite", "web",
    "webpack", "worker", "x64",
];

/// Programs that may compile a source into a file with another name.
const COMPILERS: [&str; 8] = ["babel", "dotnet", "esbuild", "go", "ncc", "rollup", "tsc", "tsup"];

/// Options with the file or folder that such a program writes.
#[rustfmt::skip]
const OUTPUT_OPTIONS: [&str; 10] = [
    "--dir", "--file", "--out-dir", "--out-file", "--outFile", "--outdir", "--outfile", "--output",
    "-d", "-o",
];

/// Options of installers without a value.
#[rustfmt::skip]
const INSTALL_FLAGS: [&str; 20] = [
    "--editable", "--force", "--force-reinstall", "--global", "--no-build-isolation",
    "--no-cache-dir", "--no-deps", "--no-input", "--pre", "--quiet", "--save", "--system",
    "--upgrade", "--user", "-D", "-U", "-e", "-f", "-g", "-q",
];

/// The ends of the names of archives with a package.
const ARCHIVES: [&str; 4] = [".tar.gz", ".tgz", ".whl", ".zip"];

/// Returns whether the arguments of a build may choose the bot that it makes.
pub(super) fn chooses(name: &str, args: &[&str]) -> bool {
    let lists = CHOOSING.iter().filter(|(names, _)| names.contains(&name));
    let options: Vec<&str> = lists.flat_map(|(_, options)| *options).copied().collect();
    let chosen = |(at, arg): (usize, &&str)| {
        let next = args.get(at + 1).copied().filter(|it| !it.starts_with('-'));
        let value = options.iter().find_map(|option| value_of(arg, option, next));
        value.is_some_and(|value| !is_usual(value))
    };
    args.iter().enumerate().any(chosen)
        || name == "go" && sets_variable(args)
        || COMPILERS.contains(&name) && has_own_source(args)
}

/// Returns the value of an option. It may be in the next word.
fn value_of<'a>(arg: &'a str, option: &str, next: Option<&'a str>) -> Option<&'a str> {
    let rest = arg.strip_prefix(option)?;
    let is_short = option.len() == 2 && option.starts_with('-') || option.ends_with(':');
    match rest.strip_prefix('=') {
        Some(value) => Some(value),
        None if rest.is_empty() => next,
        None if is_short => Some(rest),
        None => None,
    }
}

/// Returns whether a value is a usual one, or a variable that chooses no bot.
fn is_usual(value: &str) -> bool {
    let value = unquoted(value);
    USUAL_VARIABLES.iter().any(|start| value.starts_with(start)) || parts(value).all(is_usual_part)
}

fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split(['/', '.', '-', '_', ',', ' '])
}

fn is_usual_part(part: &str) -> bool {
    USUAL_PARTS.contains(&part.to_ascii_lowercase().as_str())
}

/// Returns whether the linker of Go sets a variable that is not that of a release: `-ldflags "-X
/// main.Bot=bob"`.
fn sets_variable(args: &[&str]) -> bool {
    let text = args.join(" ");
    let mut words = text.split_whitespace().map(unquoted);
    while let Some(word) = words.next() {
        let attached = word.split_once("-X=").map(|(_, variable)| variable);
        if word.ends_with("-X") || attached.is_some() {
            let variable = attached.or_else(|| words.next()).unwrap_or_default();
            let name = variable.split('=').next().unwrap_or_default();
            let name = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            let is_release = ["build", "commit", "date", "rev", "time", "version"]
                .iter()
                .any(|part| name.contains(part));
            if !is_release {
                return true;
            }
        }
    }
    false
}

/// Returns whether a source has a name that its output does not have: another source may be
/// compiled into the same file.
fn has_own_source(args: &[&str]) -> bool {
    let mut output = None;
    let mut sources = Vec::new();
    let is_command = |it: &&str| ["build", "publish"].contains(it);
    let mut rest = args.iter().copied().skip(usize::from(args.first().is_some_and(is_command)));
    while let Some(arg) = rest.next() {
        if OUTPUT_OPTIONS.contains(&arg) {
            output = rest.next();
        } else if let Some((option, value)) = arg.split_once('=')
            && OUTPUT_OPTIONS.contains(&option)
        {
            output = Some(value);
        } else if let Some(source) = arg.strip_prefix("--input=") {
            sources.push(source);
        } else if !arg.starts_with('-') {
            sources.push(arg);
        }
    }
    let Some(output) = output else { return false };
    let is_of_output = |part: &str| is_usual_part(part) || parts(output).any(|it| it == part);
    !sources.iter().all(|source| parts(source).all(is_of_output))
}

/// Returns whether an installer gets a folder, an archive or a repository other than the project:
/// that may be another version of the bot.
pub(super) fn installs_from_elsewhere(args: &[&str]) -> bool {
    let mut before = "";
    args.iter().any(|arg| {
        let option = std::mem::replace(&mut before, arg);
        let is_value = option.starts_with('-') && !INSTALL_FLAGS.contains(&option);
        let source = arg.strip_prefix("--editable=").unwrap_or(arg);
        let is_project = source == "./" || source.starts_with("./[");
        let is_file = source.contains('/') || ARCHIVES.iter().any(|end| source.ends_with(end));
        !is_value && !source.starts_with(['-', '@']) && is_file && !is_project
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_or_a_source_with_a_name_of_its_own_chooses() {
        let chooses = |text: &str| {
            let words: Vec<&str> = text.split(' ').map(unquoted).collect();
            super::chooses(words[0], &words[1..])
        };
        for text in [
            "tsc -p tsconfig.bob.json",
            "tsc -project bob",
            "vite build --mode bob",
            "vite build -m bob",
            "webpack --env=bob",
            "rollup -c bots/bob/rollup.config.js",
            "esbuild bob.ts --outfile=dist/main.js",
            "esbuild src/main.ts --define:BOT=\"bob\" --outfile=dist/main.js",
            "cargo build --features bob",
            "cargo build -Fbob",
            "go build -tags prod,bob",
            "go build -ldflags \"-X main.Bot=bob\" -o bot",
            "go build -ldflags=-X main.Bot=bob",
            "go build -o bot ./cmd/bob",
            "mvn -Pbob package",
            "mvn package -Dbot=bob",
            "gradle -P bot=bob build",
            "make -fbob.mk build",
            "cmake --preset bob",
            "cmake -E copy envs/bob .env",
            "rollup --input=bob.js --file dist/main.js",
            "go build -ldflags -X=main.Bot=bob",
            "dotnet publish Bob.csproj -o out",
            "dotnet build /p:Bot=bob",
        ] {
            assert!(chooses(text), "{text}");
        }
        for text in [
            "tsc",
            "tsc -p tsconfig.build.json --noEmit",
            "tsc --target es2020 --module commonjs --outDir dist",
            "vite build --mode production",
            "webpack --mode=production",
            "rollup -c",
            "rollup -c rollup.config.mjs",
            "esbuild src/index.ts --bundle --platform=node --outdir=dist",
            "tsup src/index.ts --format cjs,esm --out-dir dist",
            "cargo build --release --bin bob",
            "go build -trimpath -ldflags '-s -w' -o bot .",
            "go build -ldflags \"-X main.version=1 -X main.buildTime=now\" ./...",
            "go build -o bin/bob ./cmd/bob",
            "go build ./cmd/bob",
            "mvn -B -q package -DskipTests -Dmaven.javadoc.skip=true",
            "gradle build -x test",
            "cmake -DCMAKE_BUILD_TYPE=Release .",
            "dotnet publish -c Release -p:PublishSingleFile=true -o out",
            "make -j4 build",
            "npm install ./bob",
        ] {
            assert!(!chooses(text), "{text}");
        }
    }

    #[test]
    fn an_installer_gets_the_project_or_packages() {
        let elsewhere = |text: &str| installs_from_elsewhere(&text.split(' ').collect::<Vec<_>>());
        for text in [
            "install ./bob",
            "install -e ../bob",
            "install --editable=bots/bob",
            "install git+https://localhost/bot@bob",
            "install user/bob",
            "install bob.whl",
        ] {
            assert!(elsewhere(text), "{text}");
        }
        for text in [
            "install -r deploy/requirements.txt",
            "install -U pip",
            "install -e .",
            "install .[dev]",
            "install -i https://localhost/simple bot",
            "install @types/node",
            "install --prefix web/app",
        ] {
            assert!(!elsewhere(text), "{text}");
        }
    }
}
