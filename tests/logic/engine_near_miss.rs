//! Near misses: what is almost the same command is listed, and nothing else is.

use std::path::PathBuf;

use crate::fixture::*;

use monopoll::internals::engine::action::OnConflict;
use monopoll::internals::engine::fact::Fact::{Known, Unknown};
use monopoll::internals::engine::likeness::{CommandDifference, CommandLikeness};
use monopoll::internals::engine::managed_by::ManagedBy;
use monopoll::internals::engine::near_miss::NearMissReason;
use monopoll::internals::engine::plan::Plan;
use monopoll::internals::engine::process::{Launcher, Process, Relation, Role};

fn near(difference: CommandDifference) -> Process {
    Process { likeness: Known(CommandLikeness::Near(difference)), ..process(5) }
}

fn near_misses(plan: &Plan) -> Vec<(u32, NearMissReason)> {
    plan.near_misses.iter().map(|it| (it.process.id.pid, it.reason.clone())).collect()
}

#[test]
fn almost_the_same_command_is_listed_unless_it_could_never_be_this_bot() {
    use CommandDifference::{
        OtherArguments, OtherFolder, OtherSubcommand, PartOfScript, RewrittenTitle,
    };
    let connected = |connected| Process { connected, ..near(OtherSubcommand) };
    let deploy = || Known(user("deploy"));
    for (process, expected) in [
        (near(OtherFolder), Some(NearMissReason::Command(OtherFolder))),
        (near(OtherArguments), Some(NearMissReason::Command(OtherArguments))),
        (near(RewrittenTitle), Some(NearMissReason::Command(RewrittenTitle))),
        (near(PartOfScript), Some(NearMissReason::Command(PartOfScript))),
        // Another subcommand is another program, unless it polls.
        (connected(Known(true)), Some(NearMissReason::Command(OtherSubcommand))),
        (connected(Known(false)), None),
        (connected(Unknown), None),
        // Another user may only run the same command.
        (
            Process { user: deploy(), ..same_command(5) },
            Some(NearMissReason::OtherUser("deploy".to_owned())),
        ),
        (Process { user: deploy(), ..near(OtherFolder) }, None),
        (Process { user: Unknown, ..near(OtherFolder) }, None),
        // These have other evidence, or none.
        (Process { role: Role::Monopoll, ..near(OtherFolder) }, None),
        (Process { role: Role::ServesOthers, ..near(OtherFolder) }, None),
        (Process { relation: Known(Relation::Ancestor), ..near(OtherFolder) }, None),
        (Process { relation: Unknown, ..near(OtherFolder) }, None),
        (Process { container: Known(Some("c0ffee".to_owned())), ..near(OtherFolder) }, None),
        (Process { container: Unknown, ..near(OtherFolder) }, None),
        (Process { tokens: ANOTHER_BOTS, ..near(OtherFolder) }, None),
    ] {
        let plan = plan(&policy(OnConflict::Graceful), vec![process.clone()]);
        let expected: Vec<_> = expected.into_iter().map(|reason| (5, reason)).collect();
        assert_eq!(near_misses(&plan), expected, "{process:#?}");
        assert!(plan.conflicts.is_empty(), "{process:#?}");
    }
}

#[test]
fn a_connected_process_is_listed_only_in_my_folder() {
    let (here, elsewhere) = (Known(PathBuf::from("/srv/bot")), Known(PathBuf::from("/srv/other")));
    for (cwd, connected, is_listed) in [
        (here.clone(), Known(true), true),
        (here.clone(), Known(false), false),
        (here, Unknown, false),
        (elsewhere, Known(true), false),
        (Unknown, Known(true), false),
    ] {
        for likeness in [Known(CommandLikeness::Different), Unknown] {
            let process = Process { cwd: cwd.clone(), connected, likeness, ..process(5) };
            let plan = plan(&policy(OnConflict::Graceful), vec![process]);
            let expected = if is_listed { vec![(5, NearMissReason::Connected)] } else { vec![] };
            assert_eq!(near_misses(&plan), expected, "{cwd:?} {connected:?} {likeness:?}");
        }
    }
}

#[test]
fn a_near_miss_within_a_conflict_is_not_listed_twice() {
    let near = |pid, parent| {
        let near = near(CommandDifference::OtherArguments);
        child_of(parent, Process { id: process(pid).id, ..near })
    };
    let processes = vec![same_command(5), near(6, 5), near(7, 1)];
    let plan = plan(&policy(OnConflict::Graceful), processes);
    let listed: Vec<u32> = near_misses(&plan).into_iter().map(|(pid, _)| pid).collect();
    assert_eq!((pids(only(&plan)), listed), (vec![5, 6], vec![7]));
}

/// A conflict is shown with its nearest launcher, if it has neither a guard nor a manager.
#[test]
fn a_launcher_is_a_near_miss_unless_its_conflict_is_shown_with_it() {
    let launcher = |pid| Launcher { id: process(pid).id, command: "npm start".to_owned() };
    let root = || Process {
        launchers: Known(vec![launcher(6), launcher(7)]),
        ..child_of(6, same_command(5))
    };
    let near = |pid| Process { id: process(pid).id, ..near(CommandDifference::PartOfScript) };
    let connected = Process { connected: Known(true), ..process(6) };
    let managed_by = Known(Some(ManagedBy::Supervisord(None)));
    for (root, nearest, expected) in [
        (root(), near(6), vec![7]),
        (root(), connected, vec![6, 7]),
        (Process { managed_by, ..root() }, near(6), vec![6, 7]),
    ] {
        let nearest = child_of(7, nearest);
        let plan = plan(&policy(OnConflict::Graceful), vec![root.clone(), nearest, near(7)]);
        let listed: Vec<u32> = near_misses(&plan).into_iter().map(|(pid, _)| pid).collect();
        assert_eq!((pids(only(&plan)), listed), (vec![5], expected), "{root:#?}");
    }
}
