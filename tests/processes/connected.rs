//! The connection of a bot to the Bot API, as seen by `plan`, `explain` and rules.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use monopoll_test_bots::botapi::Server;
use monopoll_test_bots::programs::testbot;
use monopoll_test_bots::stage::{Running, Stage, Start, is_root, token};
use serde_json::{Value, json};

use crate::other_bots::{plan, unnamed};
use crate::same_command::{PYTHON, bot, found, program, write};

/// A network namespace with an address of Telegram's for each family.
const TELEGRAM: [&str; 6] = [
    "unshare",
    "--net",
    "sh",
    "-c",
    "ip link set lo up && ip addr add 149.154.167.220/32 dev lo && \
     ip addr add 2001:67c:4e8:f004::9/128 dev lo nodad && \
     until ip route get 2001:67c:4e8:f004::9 >/dev/null 2>&1; do sleep 0.01; done; exec \"$@\"",
    "sh",
];

fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A stage with one bot, which is also COMMAND.
struct Scene {
    stage: Stage,
    token: String,
    args: Vec<String>,
}

impl Scene {
    fn new(args: &[&str]) -> Scene {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Scene { stage: Stage::new(), token: token(), args }
    }

    fn connecting(address: SocketAddr) -> Scene {
        Scene::new(&["--connect", &address.to_string()])
    }

    fn args(&self) -> Vec<&str> {
        self.args.iter().map(String::as_str).collect()
    }

    fn bot(&self) -> Start<'_> {
        self.stage.bot(&self.args()).env("BOT_TOKEN", &self.token)
    }

    fn plan(&self) -> Start<'_> {
        self.stage.plan(&self.args()).flag("--json").env("BOT_TOKEN", &self.token)
    }

    fn plan_with_server(&self, server: SocketAddr) -> Start<'_> {
        self.plan().set(&format!("telegram.api_url=http://{server}"))
    }
}

/// Returns the only conflict of a plan.
#[track_caller]
fn conflict(plan: Start<'_>) -> Value {
    let plan = plan.end();
    let plan: Value = serde_json::from_str(&plan.out).unwrap_or_else(|_| panic!("{plan:?}"));
    let conflicts = plan["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 1, "{plan:#}");
    conflicts[0].clone()
}

#[test]
fn a_bot_is_connected_to_the_server_of_the_configuration() {
    let (_listener, address) = server();
    let (_other_listener, other) = server();
    let scene = Scene::connecting(address);
    let _bot = scene.bot().start();
    scene.stage.ready(1);
    for (server, expected) in [
        (address, json!(true)),
        (other, json!(false)),
        (format!("127.0.0.2:{}", address.port()).parse().unwrap(), json!(false)),
    ] {
        assert_eq!(conflict(scene.plan_with_server(server))["connected"], expected, "{server}");
    }
    assert_eq!(conflict(scene.plan())["connected"], json!(false), "Telegram's own");
}

#[test]
fn a_server_whose_name_cannot_be_looked_up_leaves_it_unknown() {
    let (_listener, address) = server();
    let scene = Scene::connecting(address);
    let _bot = scene.bot().start();
    scene.stage.ready(1);
    let plan = scene.plan().set("telegram.api_url=http://monopoll.invalid:8081");
    assert_eq!(conflict(plan)["connected"], Value::Null);
}

#[test]
fn without_my_token_nobody_looks_for_connections() {
    let (_listener, address) = server();
    let scene = Scene::connecting(address);
    let _bot = scene.stage.bot(&scene.args()).start();
    scene.stage.ready(1);
    assert_eq!(conflict(scene.plan_with_server(address))["connected"], Value::Null);
}

#[test]
fn a_bot_that_may_use_a_proxy_is_not_known_to_be_unconnected() {
    let (_listener, address) = server();
    let (_other_listener, other) = server();
    let scene = Scene::connecting(address);
    let proxied = ("HTTPS_PROXY", "http://proxy:3128");
    let _bot = scene.bot().env(proxied.0, proxied.1).start();
    scene.stage.ready(1);
    assert_eq!(conflict(scene.plan_with_server(address))["connected"], json!(true));
    assert_eq!(conflict(scene.plan_with_server(other))["connected"], Value::Null);
}

#[test]
fn a_proxy_of_my_own_leaves_it_unknown_too() {
    let (_listener, address) = server();
    let (_other_listener, other) = server();
    let scene = Scene::connecting(address);
    let _bot = scene.bot().start();
    scene.stage.ready(1);
    for (value, expected) in [("socks5://proxy", Value::Null), ("", json!(false))] {
        let plan = scene.plan_with_server(other).env("all_proxy", value);
        assert_eq!(conflict(plan)["connected"], expected, "{value}");
    }
}

#[test]
fn a_connection_to_the_port_of_a_proxy_leaves_it_unknown() {
    // No other test uses this address.
    let _proxy = TcpListener::bind("127.99.0.2:1080").unwrap();
    let scene = Scene::connecting("127.99.0.2:1080".parse().unwrap());
    let _bot = scene.bot().start();
    scene.stage.ready(1);
    assert_eq!(conflict(scene.plan())["connected"], Value::Null);
}

/// Starts the bot in its own network namespace.
fn bot_in_its_own_network(scene: &Scene) -> Running<'_> {
    let bot = scene.bot().through(&TELEGRAM).start();
    scene.stage.ready(1);
    bot
}

#[test]
fn a_bot_in_another_network_namespace_is_seen_from_outside_and_from_within() {
    if !is_root() {
        return;
    }
    for (address, expected) in [
        ("149.154.167.220:443", true),
        ("[2001:67c:4e8:f004::9]:443", true),
        ("[::ffff:149.154.167.220]:443", true),
        ("149.154.167.220:80", false),
        ("127.0.0.1:443", false),
    ] {
        let scene = Scene::new(&["--listen", address, "--connect", address]);
        let bot = bot_in_its_own_network(&scene);
        let pid = bot.pid().to_string();
        let within = scene.plan().through(&["nsenter", "--net", "--target", &pid, "--"]);
        assert_eq!(conflict(within)["connected"], expected, "{address}, by the kernel");
        assert_eq!(conflict(scene.plan())["connected"], expected, "{address}, by its files");
    }
}

#[test]
fn a_rule_matches_a_connected_bot() {
    let (_listener, address) = server();
    let (_other_listener, other) = server();
    // The bot is below a guard, which has no connection itself.
    let scene = Scene::connecting(address);
    let _guard = scene.stage.run(&scene.args()).env("BOT_TOKEN", &scene.token).start();
    scene.stage.ready(1);
    let decides = |server: SocketAddr, condition: &str| {
        let rule =
            format!("[[rules]]\nname = 'asked'\nwhen = {{ {condition} }}\naction = 'wait'\n");
        let plan = scene.plan_with_server(server).config(&rule).on_conflict("refuse");
        conflict(plan)["rule"] == "asked"
    };
    assert!(decides(address, "connected = true") && !decides(address, "connected = false"));
    assert!(decides(other, "connected = false") && !decides(other, "connected = true"));
}

#[test]
fn explain_says_whether_a_bot_is_connected() {
    let (_listener, address) = server();
    let (_other_listener, other) = server();
    let scene = Scene::connecting(address);
    let bot = scene.bot().start();
    scene.stage.ready(1);
    let pid = bot.pid().to_string();
    let explain = |server: SocketAddr, with_token: bool| {
        let token = if with_token { scene.token.as_str() } else { "" };
        let start = scene.stage.monopoll(&["explain", &pid, "--"]).env("BOT_TOKEN", token);
        let start = scene
            .args()
            .iter()
            .fold(start.argument(&testbot().display().to_string()), |start, arg| {
                start.argument(arg)
            });
        start.set(&format!("telegram.api_url=http://{server}"))
    };
    for (server, with_token, expected) in [
        (address, true, "network  yes     connected to the Bot API"),
        (other, true, "network  no      not connected to the Bot API"),
        (address, false, "network  unknown connections are only looked for"),
    ] {
        let ended = explain(server, with_token).end();
        assert!(ended.out.contains(expected), "{ended:?}");
    }
}

/// A script that polls the URL on its standard input.
const POLLER: &str = "import os, sys, urllib.request\n\
                      url = sys.stdin.read() + '/getUpdates?timeout=5'\n\
                      open(f'ready-{os.getpid()}', 'w').close()\n\
                      while True:\n    urllib.request.urlopen(url).read()\n";

#[test]
fn another_script_of_my_folder_that_polls_is_a_near_miss_and_no_other_process() {
    let stage = Stage::new();
    let mine = token();
    let server = Server::start(&mine);
    let url = format!("{}/bot{mine}", server.url());
    write(&stage, "poll.py", POLLER);
    let port = server.address().port();
    let connects = format!("import socket\nit = socket.create_connection(('127.0.0.1', {port}))\n");
    let (first, rest) = PYTHON.split_once('\n').unwrap();
    let outside = Stage::new();
    write(&outside, "connect.py", &format!("{first}\n{connects}{rest}"));
    for script in ["main.py", "idle.py"] {
        write(&stage, script, PYTHON);
    }
    let folder = stage.folder().to_owned();
    let poller = stage.program("python3", &["poll.py"]).stdin_text(&url);
    let (_poller, poller) = bot(&stage, poller, &folder);
    let elsewhere = program(&outside, "python3 connect.py");
    let (_elsewhere, elsewhere) = bot(&outside, elsewhere, outside.folder());
    let (_idle, idle) = bot(&stage, program(&stage, "python3 idle.py"), &folder);
    let start = |args: &[&str]| {
        let api = format!("telegram.api_url='{}'", server.url());
        unnamed(&stage, args, "python3 main.py").set(&api)
    };
    let listed = || {
        let seen = plan(start(&["plan"]));
        assert_eq!(seen["verdict"], "clear", "{seen:#}");
        let near = seen["near_misses"].as_array().unwrap().iter();
        near.map(|it| (it["pid"].as_u64().unwrap(), it.clone())).collect::<BTreeMap<_, _>>()
    };
    // Between two polls it may not be connected.
    let near = stage.wait_until("the poller", || listed().remove(&u64::from(poller)));
    assert_eq!(near["reason"], "in this folder, and connected to the Bot API");
    let entry = near["match"].as_str().unwrap().replace(", cwd", "\ncwd");
    for other in [elsewhere, idle] {
        assert!(!listed().contains_key(&u64::from(other)));
    }
    let explained = start(&["explain", &poller.to_string()]).end().exits(0);
    assert!(explained.out.contains("connected to the Bot API"), "{explained:?}");
    let pasted = plan(start(&["plan"]).config(&format!("[[match]]\n{entry}\n")));
    assert_eq!(found(&pasted), [u64::from(poller)], "{pasted:#}");
    let (run, _) = bot(&stage, start(&["run"]), &folder);
    run.wait_for(&format!("(pid {poller}) may be a second poller: in this folder, and connected"));
}
