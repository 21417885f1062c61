//! The parts of a start, measured separately: `cargo bench --bench micro`. `benches/peers` measures
//! whole starts.
#![expect(clippy::unwrap_used, reason = "a bench may fail")]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/logic/fixture.rs"]
mod fixture;

use std::hint::black_box;
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use divan::Bencher;
use fixture::{
    MINE, child_of, entry, guarded, named, policy, process, rule, same_command, snapshot,
};

use monopoll::internals::config::{Config, Sources};
use monopoll::internals::engine::action::{Action, OnConflict};
use monopoll::internals::engine::carried_tokens::{TokenOwner, carried_tokens};
use monopoll::internals::engine::choosing_variables::OwnVariables;
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact::Known;
use monopoll::internals::engine::instance::NameSource;
use monopoll::internals::engine::pattern::PathPattern;
use monopoll::internals::engine::policy::{Conditions, Policy};
use monopoll::internals::engine::process::Process;
use monopoll::internals::engine::snapshot::Snapshot;
use monopoll::internals::engine::token::{OwnTokens, Token};
use monopoll::internals::scan::bot_api_peers::BotApiPeers;
use monopoll::internals::scan::command::Command;
use monopoll::internals::scan::lock_views::LockProbe;
use monopoll::internals::scan::scan_request::{ScanRequest, ScanScope, StartState};
use monopoll::internals::sys::users;
use monopoll::internals::terminate::process_control::StartHost;
use monopoll::internals::terminate::real_host::RealHost;

fn main() {
    divan::main();
}

/// No conflicts, as in almost every start.
#[divan::bench]
fn decide_clear(bencher: Bencher<'_, '_>) {
    deciding(bencher, &policy(OnConflict::Graceful), &snapshot(Vec::new()));
}

/// A conflict with a guard.
#[divan::bench]
fn decide_guarded(bencher: Bencher<'_, '_>) {
    deciding(bencher, &policy(OnConflict::Graceful), &guarded(Some(7)));
}

/// A conflict with the same command and its tree, among processes that only have the token in their
/// environment.
#[divan::bench(args = [10, 100, 1_000])]
fn decide_among(bencher: Bencher<'_, '_>, others: u32) {
    let mut processes =
        vec![same_command(1_000), child_of(1_000, process(1_001)), child_of(1_001, process(1_002))];
    processes.extend((0..others).map(|n| Process {
        tokens: MINE,
        name: Known("other".to_owned()),
        ..process(2_000 + n)
    }));
    deciding(bencher, &ruled(), &snapshot(processes));
}

fn deciding(bencher: Bencher<'_, '_>, policy: &Policy, snapshot: &Snapshot) {
    bencher.bench_local(|| decide(black_box(policy), black_box(snapshot)));
}

/// Ten entries and ten rules, of which the last ones apply.
fn ruled() -> Policy {
    let mut policy = policy(OnConflict::Refuse);
    policy.max_targets = usize::MAX;
    policy.matches =
        (0..10).map(|n| entry(&format!(r"main{n}\.py"))).chain([entry(r"main\.py$")]).collect();
    let other = |n| {
        rule(
            &format!("rule {n}"),
            Action::Force,
            Conditions { pattern: named(&format!("other{n}")), ..Conditions::default() },
        )
    };
    policy.rules =
        (0..10).map(other).chain([rule("last", Action::Graceful, Conditions::default())]).collect();
    policy
}

/// One process with each kind of matcher.
#[divan::bench]
fn match_name(bencher: Bencher<'_, '_>) {
    let (pattern, process) = (named("python3?"), process(1));
    bencher.bench_local(|| pattern.matches(black_box(&process)));
}

#[divan::bench]
fn match_cmdline(bencher: Bencher<'_, '_>) {
    let (pattern, process) = (entry(r"main\.py").pattern, process(1));
    bencher.bench_local(|| pattern.matches(black_box(&process)));
}

#[divan::bench]
fn match_cwd(bencher: Bencher<'_, '_>) {
    let pattern = PathPattern::new("/srv/*").unwrap();
    let path = PathBuf::from("/srv/bot/deep/below");
    bencher.bench_local(|| pattern.matches_at_or_below(black_box(&path)));
}

/// Two kilobytes of environment with and without a token.
#[divan::bench(args = ["BOT_TOKEN=123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1\0", "NO_TOKEN=1\0"])]
fn match_token(bencher: Bencher<'_, '_>, variable: &str) {
    let own = own_tokens();
    let environ = format!("{}{variable}", "FILL=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0".repeat(50));
    let (args, environ) = (Some(b"python3\0main.py\0".as_slice()), Some(environ.as_bytes()));
    bencher
        .bench_local(|| carried_tokens(&own, black_box(args), black_box(environ), TokenOwner::Me));
}

fn own_tokens() -> OwnTokens {
    let mine = Token::parse("123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1");
    OwnTokens { bots: mine.iter().map(Token::id).collect(), mine, ..OwnTokens::default() }
}

/// A scan of this machine. Its duration depends on the number of processes.
#[divan::bench]
fn scan_this_machine(bencher: Bencher<'_, '_>) {
    let user = users::current_user();
    let command = Command::find(vec!["true".into()], std::env::temp_dir()).unwrap();
    let query = ScanRequest {
        policy: policy(OnConflict::Refuse),
        tokens: own_tokens(),
        instance: "bot123456".to_owned(),
        name_source: NameSource::Token,
        naming_file: None,
        locks: Vec::new(),
        cwd: None,
        variables: OwnVariables::default(),
        token_variables: Vec::new(),
        changed_settings: None,
        command: Some(command),
        tool_name: None,
        library_exe: None,
        user,
        bot_api: telegram(),
        asked: None,
    };
    let mut machine = RealHost::new(query).unwrap();
    let lock = std::env::temp_dir().join("monopoll-that-is-not-there.lock");
    bencher.bench_local(|| {
        machine
            .snapshot(&[LockProbe::Missing(&lock)], None, &StartState::default(), ScanScope::All)
            .unwrap()
    });
}

/// The connections to Telegram among 20,000 sockets of this machine. The kernel's filter has to
/// visit all of them.
#[cfg(all(target_os = "linux", not(monopoll_portable)))]
#[divan::bench]
fn find_connections_among_20_000(bencher: Bencher<'_, '_>) {
    use monopoll::internals::scan::bot_api_peers::proxies;
    use monopoll::internals::sys::linux::sock_diag::tcp_connections;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    // A connection that is not accepted is a socket too, and needs no descriptor.
    let crowd = |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 4096).unwrap();
        let address = listener.local_addr().unwrap();
        let clients = (0..2_500).map(|_| TcpStream::connect(address).unwrap());
        (clients.collect::<Vec<_>>(), listener)
    };
    let _sockets: Vec<_> = (0..4).map(crowd).collect();
    let telegram = telegram();
    let peers: Vec<_> = telegram.patterns().unwrap().iter().copied().chain(proxies()).collect();
    bencher.bench_local(|| tcp_connections(black_box(&peers)).unwrap());
}

fn telegram() -> BotApiPeers {
    BotApiPeers::new(&Config::defaults(&std::env::temp_dir()).settings.telegram.api_url)
}

#[divan::bench]
fn load_defaults(bencher: Bencher<'_, '_>) {
    loading(bencher, &Sources { cwd: std::env::temp_dir(), ..Sources::default() });
}

#[divan::bench]
fn load_every_key(bencher: Bencher<'_, '_>) {
    let file = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/logic/samples/valid/every_key.toml"
    ));
    let variables = [
        ("MONOPOLL_ON_CONFLICT", "wait"),
        ("MONOPOLL_INSTANCE", "bench"),
        ("BOT_TOKEN", "123456:x"),
    ];
    let env = variables.map(|(name, value)| (name.into(), value.into())).to_vec();
    loading(
        bencher,
        &Sources { config: Some(file), env, cwd: std::env::temp_dir(), ..Sources::default() },
    );
}

fn loading(bencher: Bencher<'_, '_>, sources: &Sources) {
    bencher.bench_local(|| Config::load(black_box(sources)).unwrap());
}
