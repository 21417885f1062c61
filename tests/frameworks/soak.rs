//! A test of any duration: `.ci/soak MINUTES`.

use std::time::{Duration, Instant};
use std::{env, thread};

use crate::scene::{Scene, with_each};
use monopoll_test_bots::botapi::Kind;
use monopoll_test_bots::stage::Running;
use serde_json::json;

/// Updates per second.
const RATE: f64 = 5.0;
const BETWEEN_TAKEOVERS: Duration = Duration::from_mins(1);

#[test]
#[ignore = "takes as long as `$MONOPOLL_SOAK_MINUTES` says; `.ci/soak` runs it"]
fn a_takeover_each_minute_loses_and_repeats_no_update() {
    let minutes =
        env::var("MONOPOLL_SOAK_MINUTES").ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    with_each(|scene| soak(scene, Duration::from_mins(minutes)));
}

fn soak(scene: &Scene, time: Duration) {
    let began = Instant::now();
    let traffic = scene.server.flow(RATE, &[Kind::Text]);
    let mut running: Running<'_> = scene.run("graceful").start();
    let mut takeovers = 0;
    scene.poller(1);
    while began.elapsed() + BETWEEN_TAKEOVERS <= time {
        thread::sleep(BETWEEN_TAKEOVERS);
        let next = scene.run("graceful").start();
        takeovers += 1;
        scene.poller(1 + takeovers);
        std::mem::replace(&mut running, next).end().exits(0).says("took over");
    }
    scene.processes(20);
    let report = scene.close_without_a_loss(running, traffic);
    let mut gaps: Vec<f64> = report.hand_overs.iter().map(|it| it.gap_ms).collect();
    gaps.sort_by(f64::total_cmp);
    let figures = json!({
        "bot": format!("{:?}", scene.framework()).to_lowercase(),
        "seconds": began.elapsed().as_secs(),
        "takeovers": takeovers,
        "updates": report.injected,
        "processed": report.processed,
        "processed_twice": report.processed_twice.len(),
        "lost": report.lost.len(),
        "most_at_once": report.most_at_once,
        "conflicts": report.conflicts,
        "gap_ms": {
            "least": gaps.first(),
            "median": gaps.get(gaps.len() / 2),
            "most": gaps.last(),
        },
    });
    println!("soak {figures}");
}
