//! Values written as strings: their validation and parsing. The original text is kept.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::problem::Fault;
use crate::text::{closest_name, join_and};

pub(crate) trait TextValue: Sized {
    const PATTERN: Option<&'static str> = None;

    const NUMBER_HINT: NumberHint = NumberHint::General;

    const HINT: &'static str = "";

    fn hint() -> String {
        Self::HINT.to_owned()
    }

    /// Parses `text`, which contains no NUL.
    fn parse(text: &str) -> Result<Self, Fault>;

    /// Splits a string that was written in place of a list.
    fn split(text: &str) -> Vec<&str> {
        text.split(',').map(str::trim).collect()
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct TextKind {
    pub(crate) check: fn(&str) -> Result<(), Fault>,
    pub(crate) hint: fn() -> String,
    pub(crate) number_hint: NumberHint,
    pub(crate) split: fn(&str) -> Vec<&str>,
}

/// The hint if a number is written where a string is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberHint {
    General,
    Quoted,
    Seconds,
}

impl TextKind {
    pub(crate) const fn of<T: TextValue>() -> TextKind {
        TextKind {
            check: |text| parse::<T>(text).map(drop),
            hint: T::hint,
            number_hint: T::NUMBER_HINT,
            split: T::split,
        }
    }
}

fn parse<T: TextValue>(text: &str) -> Result<T, Fault> {
    if text.contains('\0') {
        let what = "has a NUL character, which is not allowed in paths and command lines";
        return Err(Fault::of(text, what).help("remove it"));
    }
    T::parse(text)
}

/// A value with the string it was parsed from.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Parsed<T> {
    text: String,
    #[serde(skip)]
    value: T,
}

impl<T> Parsed<T> {
    #[expect(clippy::expect_used, reason = "a test reads every default")]
    pub(crate) fn default_of(text: &str) -> Parsed<T>
    where
        T: TextValue,
    {
        let value = parse(text).map_err(|fault| fault.message).expect("a default is valid");
        Parsed { text: text.to_owned(), value }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T> Deref for Parsed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Parsed<T> {
    fn eq(&self, other: &Parsed<T>) -> bool {
        self.text == other.text
    }
}

impl<'de, T: TextValue> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Parsed<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = parse(&text).map_err(|fault| D::Error::custom(fault.message))?;
        Ok(Parsed { text, value })
    }
}

impl<T: TextValue> JsonSchema for Parsed<T> {
    fn schema_name() -> Cow<'static, str> {
        "String".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        match T::PATTERN {
            Some(pattern) => json_schema!({ "type": "string", "pattern": pattern }),
            None => json_schema!({ "type": "string" }),
        }
    }
}

/// An enum whose variants are the allowed words.
pub(crate) trait Choice: DeserializeOwned {}

impl<T: Choice> TextValue for T {
    fn hint() -> String {
        format!("allowed are {}", join_and(choices::<T>()))
    }

    fn parse(text: &str) -> Result<T, Fault> {
        T::deserialize(StrDeserializer::new(text))
            .map_err(|UnknownWord(words)| unknown_word(text, words, &T::hint()))
    }
}

pub(crate) fn choices<T: Choice>() -> &'static [&'static str] {
    match T::deserialize(StrDeserializer::new("")) {
        Err(UnknownWord(words)) => words,
        Ok(_) => &[],
    }
}

/// An error that keeps the names of the variants, which serde's derive passes to it.
#[derive(Debug, thiserror::Error)]
#[error("unknown")]
struct UnknownWord(&'static [&'static str]);

impl Error for UnknownWord {
    fn custom<T: fmt::Display>(_: T) -> UnknownWord {
        UnknownWord(&[])
    }

    fn unknown_variant(_: &str, words: &'static [&'static str]) -> UnknownWord {
        UnknownWord(words)
    }
}

pub(super) fn unknown_word(text: &str, words: &[&str], hint: &str) -> Fault {
    if text.is_empty() {
        return Fault::new("is empty").help(hint);
    }
    let fault = Fault::of(text, "is unknown");
    match closest_name(text, words.iter().copied()) {
        Some(word) => fault.help(format!("did you mean `{word}`? {hint}")),
        None => fault.help(hint),
    }
}
