//! With too few file descriptors to pin every process, no process is taken for ended.

use monopoll_test_bots::stage::{Stage, is_alive};

/// Repeats a flag and its value thirty times.
fn thirty(flag: &'static str, of: &'static str) -> Vec<&'static str> {
    std::iter::repeat_n([flag, of], 30).flatten().collect()
}

#[test]
fn a_tree_with_more_members_than_descriptors_is_ended_completely() {
    let bot = [thirty("--child", "--as member").as_slice(), &["--exit", "7"]].concat();
    for _ in 0..10 {
        let stage = Stage::new();
        stage.run(&bot).fd_limit(24).end().exits(7);
        stage.wait_until("the members", || {
            stage.pids_of("member").iter().all(|member| !is_alive(*member)).then_some(())
        });
        assert!(stage.lock_is_free());
    }
}

#[test]
fn processes_that_an_ending_bot_starts_are_ended_with_it_however_many() {
    let stage = Stage::new();
    let bot = [thirty("--heir", "--as heir").as_slice(), &["--slow", "60000"]].concat();
    let _old = stage.bot(&bot).start();
    stage.ready(1);
    // After its timeout, it sees all of them and kills the old bot, after which nothing tells whose
    // they are.
    let second =
        stage.run(&bot).on_conflict("graceful").set("timeouts.graceful='3s'").fd_limit(28).start();
    stage.ready(2);
    let heirs = stage.pids_of("heir");
    assert_eq!(heirs.len(), 30, "{}", second.stderr());
    assert!(heirs.iter().all(|heir| !is_alive(*heir)), "{}", second.stderr());
    stage.assert_no_overlap();
}
