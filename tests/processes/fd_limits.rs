//! Too few file descriptors to keep everybody in view: nobody is taken for ended by that.

use monopoll_test_bots::stage::{Stage, is_alive};

/// Thirty of them, each given by `flag`.
fn thirty(flag: &'static str, of: &'static str) -> Vec<&'static str> {
    std::iter::repeat_n([flag, of], 30).flatten().collect()
}

#[test]
fn a_tree_with_more_members_than_descriptors_is_ended_whole() {
    let bot = [thirty("--child", "--as member").as_slice(), &["--exit", "7"]].concat();
    for _ in 0..10 {
        let stage = Stage::new();
        stage.run(&bot).with_descriptors(24).end().exits(7);
        stage.wait_until("the members", || {
            stage.who_said("member").iter().all(|member| !is_alive(*member)).then_some(())
        });
        assert!(stage.lock_is_free());
    }
}

#[test]
fn what_an_old_bot_starts_at_its_end_is_ended_with_it_however_much_that_is() {
    let stage = Stage::new();
    let bot = [thirty("--heir", "--as heir").as_slice(), &["--slow", "60000"]].concat();
    let _old = stage.bot(&bot).start();
    stage.ready(1);
    // At the end of its patience it sees all of them, and kills the old one, without which nobody
    // tells whose they are.
    let second = stage
        .run(&bot)
        .on_conflict("graceful")
        .set("timeouts.graceful='3s'")
        .with_descriptors(28)
        .start();
    stage.ready(2);
    let heirs = stage.who_said("heir");
    assert_eq!(heirs.len(), 30, "{}", second.said());
    assert!(heirs.iter().all(|heir| !is_alive(*heir)), "{}", second.said());
    stage.assert_no_overlap();
}
