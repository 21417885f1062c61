//! The evidence that a process is not this bot: each row is a process, and what speaks against it.

use std::path::PathBuf;

use crate::fixture::*;

use monopoll::internals::engine::action::OnConflict;
use monopoll::internals::engine::counter_evidence::{
    AnotherBot, CounterEvidence, Doubt, weigh_against,
};
use monopoll::internals::engine::decide::decide;
use monopoll::internals::engine::fact::Fact::{self, Known, Unknown};
use monopoll::internals::engine::instance::{BotId, NameSource};
use monopoll::internals::engine::likeness::{CommandDoubt, CommandLikeness};
use monopoll::internals::engine::policy::Purpose;
use monopoll::internals::engine::process::{GuardedInstance, OtherGuard, Process, Role};
use monopoll::internals::engine::reason::RefusalCause;
use monopoll::internals::engine::snapshot::{Caller, Snapshot};
use monopoll::internals::engine::token::CarriedTokens;

const NOTHING: CounterEvidence = CounterEvidence::Nothing;
const UNREADABLE_ENVIRONMENT: CounterEvidence =
    CounterEvidence::Doubt(Doubt::UnreadableEnvironment);
const SEVERAL_BOTS: CounterEvidence = CounterEvidence::Doubt(Doubt::SeveralBots);

const SAME: Fact<CommandLikeness> = Known(CommandLikeness::Same);
const DIFFERENT: Fact<CommandLikeness> = Known(CommandLikeness::Different);

/// Another bot's token on a process, for a start that has no token to compare.
const ANY_TOKEN: CarriedTokens = CarriedTokens { mine: NOT_COMPARED.mine, ..ANOTHER_BOTS };

/// Returns a guard above a process.
fn below(
    guards: GuardedInstance,
    instance: &str,
    name_source: NameSource,
) -> Fact<Option<OtherGuard>> {
    let (instance, process) = (instance.to_owned(), process(10).id);
    Known(Some(OtherGuard { instance, name_source, process, guards }))
}

fn below_mine() -> Fact<Option<OtherGuard>> {
    below(GuardedInstance::Mine, "voice-insight", NameSource::Given)
}

/// Returns a guard whose guessed name proves nothing.
fn below_a_guess() -> Fact<Option<OtherGuard>> {
    below(GuardedInstance::Another, "main.py-0123456789ab", NameSource::Command)
}

#[track_caller]
fn says(me: &Caller, process: &Process, expected: &CounterEvidence) {
    assert_eq!(weigh_against(me, process), *expected, "{me:#?} {process:#?}");
}

#[test]
fn another_bots_token_is_proof_unless_mine_is_there_or_nothing_can_be_compared() {
    let doubt = CounterEvidence::Doubt;
    for (bots, tokens, expected) in [
        (1, NO_TOKEN, NOTHING),
        (1, ANOTHER_BOTS, CounterEvidence::AnotherBot(AnotherBot::Token(BotId(9)))),
        (1, TWO_BOTS, doubt(Doubt::AlsoAnotherToken(BotId(9)))),
        (0, ANY_TOKEN, doubt(Doubt::NoTokenOfMine(BotId(9)))),
    ] {
        let me = Caller { bots, ..caller() };
        says(&me, &Process { tokens, ..process(5) }, &expected);
        let blocked = Process { blocks_reads: true, tokens, ..process(5) };
        says(&me, &blocked, &doubt(Doubt::BlocksReads));
    }
}

#[test]
fn without_a_token_only_a_given_name_tells_whose_bot_it_is() {
    let (given, guessed) = (NameSource::Given, NameSource::Command);
    let (start, stop) = (Purpose::Start, Purpose::Stop);
    let free = || process(5);
    let holder = || Process { holds_lock: Known(true), ..process(5) };
    let under = |guard| Process { guard, ..process(5) };
    for (name_source, instance, purpose, process, is_mine) in [
        // The name of the bot whose token the process carries.
        (given, "bot9", start, free(), true),
        (given, "bot8", start, free(), false),
        (guessed, "bot9", start, free(), false),
        // A person who names an instance wants what has its lock stopped, whatever its token.
        (given, "voice-insight", stop, holder(), true),
        (given, "voice-insight", stop, under(below_mine()), true),
        (given, "voice-insight", stop, under(below_a_guess()), false),
        (given, "voice-insight", stop, free(), false),
        (guessed, "voice-insight", stop, holder(), false),
        (given, "voice-insight", start, holder(), false),
        (given, "voice-insight", start, under(below_mine()), false),
    ] {
        let me = |bots| {
            let instance = instance.to_owned();
            Caller { bots, name_source, instance, purpose, ..caller() }
        };
        let process = Process { tokens: ANY_TOKEN, ..process };
        let doubt = CounterEvidence::Doubt(Doubt::NoTokenOfMine(BotId(9)));
        says(&me(0), &process, if is_mine { &NOTHING } else { &doubt });
        // With a token to compare, the name counts for nothing.
        let process = Process { tokens: ANOTHER_BOTS, ..process };
        says(&me(1), &process, &CounterEvidence::AnotherBot(AnotherBot::Token(BotId(9))));
    }
}

#[test]
fn a_guard_above_is_proof_only_if_neither_name_is_a_guess() {
    let (given, token, guessed) = (NameSource::Given, NameSource::Token, NameSource::Command);
    let (mine, another) = (GuardedInstance::Mine, GuardedInstance::Another);
    let proof = |name: &str| CounterEvidence::AnotherBot(AnotherBot::Guard(name.to_owned()));
    let doubt = |name: &str| CounterEvidence::Doubt(Doubt::BelowGuard(name.to_owned()));
    for (my_source, guards, name, its_source, likeness, tokens, expected) in [
        (given, mine, "admin", given, DIFFERENT, NO_TOKEN, NOTHING),
        (guessed, mine, "a-1", guessed, DIFFERENT, NO_TOKEN, NOTHING),
        (given, another, "admin", given, DIFFERENT, NO_TOKEN, proof("admin")),
        (token, another, "bot9", token, DIFFERENT, NO_TOKEN, proof("bot9")),
        (given, another, "admin", given, SAME, NO_TOKEN, proof("admin")),
        (given, another, "admin", given, DIFFERENT, MINE, proof("admin")),
        (given, another, "admin", given, Unknown, MINE, proof("admin")),
        // One bot under two names: both would poll.
        (given, another, "admin", given, SAME, MINE, doubt("admin")),
        // The same name with other locks.
        (given, another, "voice-insight", given, SAME, NO_TOKEN, doubt("voice-insight")),
        (guessed, another, "admin", given, SAME, NO_TOKEN, doubt("admin")),
        (guessed, another, "bot9", token, DIFFERENT, NO_TOKEN, doubt("bot9")),
        // Guessed names differ between versions, so the command decides.
        (given, another, "a-1", guessed, SAME, NO_TOKEN, NOTHING),
        (guessed, another, "a-1", guessed, SAME, NO_TOKEN, NOTHING),
        (given, another, "a-1", guessed, DIFFERENT, NO_TOKEN, NOTHING),
        (token, another, "a-1", guessed, DIFFERENT, NO_TOKEN, NOTHING),
        (guessed, another, "a-1", guessed, DIFFERENT, NO_TOKEN, doubt("a-1")),
        (given, another, "a-1", guessed, Unknown, NO_TOKEN, doubt("a-1")),
        (guessed, another, "a-1", guessed, Unknown, NO_TOKEN, doubt("a-1")),
    ] {
        let me = Caller { name_source: my_source, ..caller() };
        let guard = below(guards, name, its_source);
        says(&me, &Process { guard, likeness, tokens, ..process(5) }, &expected);
    }
}

#[test]
fn an_unreadable_environment_is_doubt_unless_this_bots_token_is_seen_elsewhere() {
    let other_unknown = CarriedTokens { other: Unknown, ..MINE };
    let variable = |tokens| Process { other_variable: Unknown, tokens, ..process(5) };
    for (process, expected) in [
        (Process { tokens: other_unknown, ..process(5) }, UNREADABLE_ENVIRONMENT),
        (Process { tokens: UNREADABLE, ..process(5) }, UNREADABLE_ENVIRONMENT),
        (Process { guard: Unknown, tokens: MINE, ..process(5) }, UNREADABLE_ENVIRONMENT),
        (variable(NO_TOKEN), UNREADABLE_ENVIRONMENT),
        (variable(MINE), NOTHING),
        // What cannot be read comes before a guard that proves nothing.
        (
            Process {
                guard: below(GuardedInstance::Another, "voice-insight", NameSource::Given),
                ..variable(NO_TOKEN)
            },
            UNREADABLE_ENVIRONMENT,
        ),
        (
            Process {
                guard: below(GuardedInstance::Another, "admin", NameSource::Given),
                command_doubt: Unknown,
                tokens: MINE,
                ..same_command(5)
            },
            UNREADABLE_ENVIRONMENT,
        ),
    ] {
        says(&caller(), &process, &expected);
    }
}

#[test]
fn another_value_of_a_choosing_variable_is_doubt_without_this_bots_token() {
    let differs = |process| {
        let other_variable = Known(Some("BOT_PROFILE".to_owned()));
        Process { other_variable, ..process }
    };
    let doubt = CounterEvidence::Doubt(Doubt::Variable("BOT_PROFILE".to_owned()));
    says(&caller(), &differs(process(5)), &doubt);
    says(&caller(), &differs(Process { holds_lock: Known(true), ..process(5) }), &doubt);
    says(&caller(), &differs(Process { tokens: MINE, ..process(5) }), &NOTHING);
}

#[test]
fn another_way_to_start_the_command_is_doubt_unless_its_token_or_instance_is_mine() {
    let doubt = CounterEvidence::Doubt(Doubt::Command(CommandDoubt::Modules));
    for (seen, is_mine) in [
        (process(5), false),
        (Process { tokens: MINE, ..process(5) }, true),
        (Process { holds_lock: Known(true), ..process(5) }, true),
        (Process { holds_lock: Unknown, ..process(5) }, false),
        (Process { guard: below_mine(), ..process(5) }, true),
        (Process { guard: below_a_guess(), ..process(5) }, false),
    ] {
        for (command_doubt, if_not_mine) in [
            (Known(Some(CommandDoubt::Modules)), &doubt),
            (Unknown, &UNREADABLE_ENVIRONMENT),
            (Known(None), &NOTHING),
        ] {
            // Not every doubt is settled by the token.
            let may_be_another = command_doubt == Unknown && seen.tokens == MINE;
            let seen = Process { command_doubt, ..seen.clone() };
            let is_mine = is_mine && !may_be_another;
            says(&caller(), &seen, if is_mine { &NOTHING } else { if_not_mine });
        }
    }
}

#[test]
fn a_script_hands_the_token_to_all_that_it_starts() {
    let of = |doubt| Process { command_doubt: Known(Some(doubt)), ..process(5) };
    for (doubt, is_settled) in [
        (CommandDoubt::Script, true),
        (CommandDoubt::Launcher, true),
        (CommandDoubt::Setup(".env".to_owned()), true),
        (CommandDoubt::SetupCommand("git checkout bob".to_owned()), true),
        (CommandDoubt::OtherFolder, true),
        (CommandDoubt::EntryPoint, true),
        (CommandDoubt::CallerFolder, true),
        (CommandDoubt::Question, true),
        (CommandDoubt::GoRun, true),
        (CommandDoubt::RemovedRelease, false),
        (CommandDoubt::Variable("TZ".to_owned()), true),
        (CommandDoubt::PartOfScript, false),
        (CommandDoubt::StartsAgain, false),
        (CommandDoubt::UnclearScript, false),
    ] {
        let expected = CounterEvidence::Doubt(Doubt::Command(doubt.clone()));
        says(&caller(), &of(doubt.clone()), &expected);
        let with_token = Process { tokens: MINE, ..of(doubt.clone()) };
        says(&caller(), &with_token, if is_settled { &NOTHING } else { &expected });
        let with_lock = Process { holds_lock: Known(true), ..of(doubt) };
        says(&caller(), &with_lock, &NOTHING);
    }
}

#[test]
fn with_the_tokens_of_several_bots_only_the_same_command_is_this_bot() {
    let (given, token) = (NameSource::Given, NameSource::Token);
    let elsewhere = || Process { cwd: Known(PathBuf::from("/srv/other")), ..process(5) };
    let with_two = || Process { tokens: CarriedTokens { count: 2, ..MINE }, ..elsewhere() };
    for (bots, name_source, process, expected) in [
        (2, token, with_two(), SEVERAL_BOTS),
        (2, given, with_two(), SEVERAL_BOTS),
        (1, token, with_two(), NOTHING),
        // In my folder, its `env_file` is mine.
        (2, token, process(5), SEVERAL_BOTS),
        (2, token, Process { cwd: Unknown, ..process(5) }, SEVERAL_BOTS),
        (2, token, elsewhere(), NOTHING),
        (2, token, Process { tokens: MINE, ..elsewhere() }, NOTHING),
        // The same command is the same bot; one that cannot be compared may be another.
        (2, token, Process { likeness: SAME, ..with_two() }, NOTHING),
        (2, token, Process { likeness: Unknown, ..with_two() }, SEVERAL_BOTS),
        (
            2,
            token,
            Process {
                likeness: SAME,
                command_doubt: Known(Some(CommandDoubt::OtherFolder)),
                ..with_two()
            },
            SEVERAL_BOTS,
        ),
        // The program of a guard is its child.
        (2, token, Process { role: Role::Monopoll, ..with_two() }, NOTHING),
        // A given name has one bot; the first of several tokens names them all.
        (2, given, Process { holds_lock: Known(true), ..with_two() }, NOTHING),
        (2, given, Process { guard: below_mine(), ..with_two() }, NOTHING),
        (2, token, Process { holds_lock: Known(true), ..with_two() }, SEVERAL_BOTS),
        (2, token, Process { guard: below_mine(), ..with_two() }, SEVERAL_BOTS),
    ] {
        says(&Caller { bots, name_source, ..caller() }, &process, &expected);
    }
}

#[test]
fn a_process_not_younger_than_the_env_file_is_in_doubt_without_token_or_guard() {
    let doubt = CounterEvidence::Doubt(Doubt::ChangedEnvFile {
        name: ".env".to_owned(),
        other_place: ".env.alice:1".to_owned(),
        bot: BotId(9),
    });
    let me = Caller { changed_env_file: Some(changed_env_file(5)), ..caller() };
    for (process, is_in_doubt) in [
        (process(4), true),
        (process(5), true),
        (process(6), false),
        (Process { likeness: SAME, ..process(5) }, true),
        (Process { guard: below_a_guess(), likeness: SAME, ..process(5) }, true),
        // Its token, its guard or its lock says which bot it is.
        (Process { tokens: MINE, ..process(5) }, false),
        (Process { guard: below_mine(), ..process(5) }, false),
        (Process { holds_lock: Known(true), ..process(5) }, false),
        (Process { holds_lock: Unknown, ..process(5) }, true),
        // The program of a guard is its child.
        (Process { role: Role::Monopoll, ..process(5) }, false),
    ] {
        says(&caller(), &process, &NOTHING);
        for name_source in [NameSource::Given, NameSource::Token, NameSource::Command] {
            let me = Caller { name_source, ..me.clone() };
            says(&me, &process, if is_in_doubt { &doubt } else { &NOTHING });
        }
    }
    // Stronger evidence comes first.
    let another = CounterEvidence::AnotherBot(AnotherBot::Token(BotId(9)));
    says(&me, &Process { tokens: ANOTHER_BOTS, ..process(5) }, &another);
    let command_doubt = Known(Some(CommandDoubt::Modules));
    let command = CounterEvidence::Doubt(Doubt::Command(CommandDoubt::Modules));
    says(&me, &Process { command_doubt, ..process(5) }, &command);
    let in_dotenv = Some(BotId(8));
    let own = CounterEvidence::Doubt(Doubt::OwnDotenv(BotId(8)));
    says(&Caller { in_dotenv, ..me.clone() }, &process(5), &own);
    let dotenv = CounterEvidence::Doubt(Doubt::Dotenv(BotId(8)));
    let env_file_bot = Fact::Known(Some(BotId(8)));
    says(&me, &Process { env_file_bot, ..process(5) }, &dotenv);
}

/// A browser that the bot has started clears its environment, and is in its folder.
#[test]
fn the_env_file_of_the_start_says_nothing_of_what_the_bot_started_but_that_of_another_folder_does()
{
    let root = || Process { tokens: MINE, ..same_command(5) };
    let (other, own) = (Doubt::Dotenv(BotId(8)), Doubt::OwnDotenv(BotId(8)));
    for (in_dotenv, env_file_bot, of_member, of_root) in [
        (None, Known(Some(BotId(8))), Some(other.clone()), Some(other)),
        (None, Unknown, Some(Doubt::UnreadableDotenv), Some(Doubt::UnreadableDotenv)),
        (Some(BotId(8)), Known(None), None, Some(own)),
        (None, Known(None), None, None),
    ] {
        let decide = |processes| {
            let me = Caller { in_dotenv, ..caller() };
            decide(&policy(OnConflict::Graceful), &Snapshot { me, ..snapshot(processes) })
        };
        let refusal = |doubt: Option<Doubt>| doubt.map(RefusalCause::InDoubt);
        let member = child_of(5, Process { env_file_bot, ..process(6) });
        assert_eq!(only(&decide(vec![root(), member])).refusal, refusal(of_member));
        let alone = Process { env_file_bot, ..same_command(5) };
        assert_eq!(only(&decide(vec![alone])).refusal, refusal(of_root));
    }
}
