use std::time::Duration;

use super::*;
use crate::error::ServiceError;
use crate::media::Kind;
use crate::secret::Secret;
use monopoll_test_bots::endpoint::{Answer, Endpoint};
use serde_json::json;

const RETRY: Retry =
    Retry { tries: 3, first: Duration::from_millis(1), longest: Duration::from_secs(5) };

fn service(endpoint: &Endpoint, timeout: Duration) -> Service {
    let url = endpoint.url("/v1/x").parse().unwrap();
    Service {
        url,
        model: "m-1".to_owned(),
        key: Secret::parse("sk-hidden"),
        timeout,
        language: Some("de".to_owned()),
    }
}

fn recording() -> Recording {
    Recording::read(Kind::Voice, &json!({ "file_id": "abc" })).unwrap()
}

fn with_services<T>(ask: impl AsyncFnOnce(Services) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_tell, shutdown) = Shutdown::new();
        ask(Services::new(endpoint::client().unwrap(), RETRY, shutdown)).await
    })
}

fn heard(endpoint: &Endpoint, timeout: Duration) -> Result<Heard, Failed> {
    with_services(async |services| {
        services.transcript(&service(endpoint, timeout), &recording(), b"OggS\0\xff").await
    })
}

fn heard_of(answers: impl IntoIterator<Item = Answer>) -> (Result<Heard, Failed>, usize) {
    let endpoint = Endpoint::new(answers);
    let heard = heard(&endpoint, Duration::from_secs(20));
    (heard, endpoint.asked().len())
}

const PATIENT: Duration = Duration::from_secs(20);

#[test]
fn a_recording_is_sent_with_model_language_and_key() {
    let endpoint = Endpoint::new([Answer::text("hello")]);
    assert_eq!(heard(&endpoint, PATIENT), Ok(Heard::Words("hello".to_owned())));
    let asked = endpoint.asked().remove(0);
    assert!(asked.head.starts_with("POST /v1/x HTTP/1.1"), "{}", asked.head);
    assert!(asked.head.contains("authorization: Bearer sk-hidden"), "{}", asked.head);
    for part in [
        "filename=\"voice.ogg\"",
        "OggS",
        "name=\"model\"\r\n\r\nm-1",
        "name=\"language\"\r\n\r\nde",
        "name=\"response_format\"\r\n\r\njson",
    ] {
        assert!(asked.body.contains(part), "{part} is not in {}", asked.body);
    }
}

#[test]
fn a_service_that_fails_and_recovers_is_asked_until_it_does() {
    let broken = Answer::Status(500, "<html>".to_owned());
    let (heard, times) = heard_of([broken, Answer::Busy("0"), Answer::text("hello")]);
    assert_eq!((heard, times), (Ok(Heard::Words("hello".to_owned())), 3));
}

#[test]
fn what_goes_on_failing_is_given_up_after_as_many_tries_as_were_said() {
    for (answer, error) in [
        (Answer::Status(500, String::new()), ServiceError::Broken(500)),
        (Answer::Status(200, "<html>a login page</html>".to_owned()), ServiceError::Unreadable),
        (Answer::Status(200, r#"{"texts": []}"#.to_owned()), ServiceError::Unreadable),
        (Answer::Status(200, String::new()), ServiceError::Unreadable),
        (
            Answer::Raw(
                b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"text\":\"\xff\"}".to_vec(),
            ),
            ServiceError::Unreadable,
        ),
        (
            Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"text\":".to_vec()),
            ServiceError::CutOff,
        ),
        (Answer::Raw(b"SSH-2.0-not-http\r\n".to_vec()), ServiceError::CutOff),
        (Answer::Raw(Vec::new()), ServiceError::CutOff),
        (Answer::Busy("later"), ServiceError::Busy(None)),
    ] {
        let said = format!("{answer:?}");
        assert_eq!(heard_of([answer]), (Err(Failed::Service(error)), 3), "{said}");
    }
}

#[test]
fn what_cannot_get_better_is_asked_once() {
    let huge = format!(r#"{{"text": "{}"}}"#, "a".repeat(1 << 20));
    for (answer, error) in [
        (
            Answer::Status(401, r#"{"error": "the key sk-hidden is wrong"}"#.to_owned()),
            ServiceError::Refused(401),
        ),
        (Answer::Status(413, String::new()), ServiceError::Refused(413)),
        (
            Answer::Raw(
                b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
                    .to_vec(),
            ),
            ServiceError::Refused(307),
        ),
        (Answer::Busy("3600"), ServiceError::Busy(Some(Duration::from_hours(1)))),
        (Answer::json(&huge), ServiceError::TooLong),
    ] {
        assert_eq!(heard_of([answer]), (Err(Failed::Service(error)), 1));
    }
}

#[test]
fn a_service_that_does_not_answer_is_not_waited_for_for_ever() {
    let endpoint = Endpoint::new([Answer::Silence, Answer::text("hello")]);
    assert_eq!(heard(&endpoint, Duration::from_millis(300)), Ok(Heard::Words("hello".to_owned())));
}

#[test]
fn nobody_there_is_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = Service {
        url: format!("http://{free}/").parse().unwrap(),
        ..service(&Endpoint::new([]), PATIENT)
    };
    let heard =
        with_services(async |services| services.transcript(&service, &recording(), b"").await);
    assert_eq!(heard, Err(Failed::Service(ServiceError::Unreachable)));
}

#[test]
fn silence_is_heard_as_such() {
    assert_eq!(heard_of([Answer::text(" \n ")]), (Ok(Heard::Nothing), 1));
}

#[test]
fn an_insight_that_cannot_be_understood_is_asked_for_again() {
    let good = json!({ "summary": "A walk.", "action_items": [], "topics": ["walking"] });
    let endpoint = Endpoint::new([Answer::chat(&"I would rather not."), Answer::chat(&good)]);
    let insight = with_services(async |services| {
        services.insight(&service(&endpoint, PATIENT), "We \"walked\".").await
    })
    .unwrap();
    assert_eq!((insight.summary.as_str(), endpoint.asked().len()), ("A walk.", 2));
    let body: serde_json::Value = serde_json::from_str(&endpoint.asked()[0].body).unwrap();
    assert_eq!((&body["model"], &body["messages"][1]["role"]), (&json!("m-1"), &json!("user")));
}
