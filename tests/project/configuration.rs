//! `docs/configuration.md` lists every key with its type, default and meaning from the schema.
//! `UPDATE_SNIPPETS=1` updates the page.

use std::{env, fs};

use monopoll::internals::cli::config_command::schema;
use serde_json::Value;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
const BEGIN: &str = "<!-- keys: written by tests/project/configuration.rs -->\n";
const END: &str = "<!-- end of keys -->\n";

/// Durations without a default, by which they could be recognized.
const DURATIONS: [&str; 2] = ["older_than", "younger_than"];

/// Returns a heading and a table of keys for the top level and for each nested table.
fn key_tables(schema: &Value) -> String {
    let top = schema["properties"].as_object().unwrap();
    let table = |key: &str| resolved(schema, &top[key]).get("properties").is_some();
    let plain: Vec<&String> = top
        .keys()
        .filter(|key| !table(key) && top[*key].get("items").is_none_or(is_plain))
        .collect();
    let mut out = heading("Top level", "") + &rows(schema, &plain, &schema["properties"]);
    for (key, value) in top {
        let (title, inner) = match value.get("items") {
            Some(items) if !is_plain(items) => (format!("`[[{key}]]`"), resolved(schema, items)),
            _ if table(key) => (format!("`[{key}]`"), resolved(schema, value)),
            _ => continue,
        };
        let keys: Vec<&String> = inner["properties"].as_object().unwrap().keys().collect();
        out += &heading(&title, text(value));
        out += &rows(schema, &keys, &inner["properties"]);
    }
    let conditions = &schema["$defs"]["ConditionsTable"];
    let keys: Vec<&String> = conditions["properties"].as_object().unwrap().keys().collect();
    out += &heading("Conditions of `[[rules]]`", text(conditions));
    out + &rows(schema, &keys, &conditions["properties"])
}

/// Returns whether a list has plain values instead of tables.
fn is_plain(items: &Value) -> bool {
    items.get("type").is_some()
}

fn heading(title: &str, meaning: &str) -> String {
    let mut out = format!("\n### {title}\n\n");
    if !meaning.is_empty() {
        out.extend([&wrapped(meaning), "\n\n"]);
    }
    out + "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
}

/// Wraps text at 100 columns.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.chars().count() + word.chars().count() < 100 {
            *line += if line.is_empty() { "" } else { " " };
            *line += word;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

fn rows(schema: &Value, keys: &[&String], properties: &Value) -> String {
    let row = |key: &&String| {
        let value = &properties[key.as_str()];
        let inner = resolved(schema, value);
        let default = match value.get("default") {
            None | Some(Value::Null) => String::new(),
            Some(Value::Object(_)) => "`{}`".to_owned(),
            Some(default) => format!("`{}`", toml_of(default)),
        };
        let meaning = [text(value).to_owned(), choices(inner)].join(" ");
        let kind = kind(key, value, inner);
        format!("| `{key}` | {kind} | {default} | {} |\n", meaning.trim().replace('|', "\\|"))
    };
    keys.iter().map(row).collect()
}

/// Formats a list as TOML. Strings, numbers and booleans are the same in JSON.
fn toml_of(default: &Value) -> String {
    match default {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(Value::to_string).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn text(value: &Value) -> &str {
    value["description"].as_str().unwrap_or_default()
}

/// Resolves a `$ref`.
fn resolved<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value.get("$ref").or_else(|| value.get("anyOf")?.get(0)?.get("$ref"));
    match reference.and_then(Value::as_str) {
        Some(reference) => &schema["$defs"][reference.trim_start_matches("#/$defs/")],
        None => value,
    }
}

/// Returns the allowed words with their meanings.
fn choices(inner: &Value) -> String {
    let choice = |it: &Value| Some(format!("`{}`: {}", it["const"].as_str()?, text(it)));
    let all: Vec<String> =
        inner["oneOf"].as_array().into_iter().flatten().filter_map(choice).collect();
    all.join(" ")
}

fn kind(key: &str, value: &Value, inner: &Value) -> String {
    if inner.get("oneOf").is_some() {
        let words = inner["oneOf"].as_array().into_iter().flatten();
        let words: Vec<String> =
            words.filter_map(|it| Some(format!("`{}`", it["const"].as_str()?))).collect();
        return words.join(", ");
    }
    if value["anyOf"].is_array() || value["$ref"].is_string() {
        return "table".into();
    }
    let types = match &value["type"] {
        Value::Array(types) => types[0].as_str(),
        one => one.as_str(),
    };
    let is_duration =
        value["default"].as_str().is_some_and(|it| humantime::parse_duration(it).is_ok());
    match types.unwrap() {
        "string" if is_duration || DURATIONS.contains(&key) => "duration".into(),
        "array" => "list of strings".into(),
        "boolean" => "`true` or `false`".into(),
        "integer" => match value["maximum"].as_u64() {
            Some(most) => format!("number, at most {most}"),
            None => "number".into(),
        },
        "object" => "table".into(),
        other => other.to_owned(),
    }
}

#[test]
fn the_page_has_every_key_as_the_schema_has_it() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has no mark where keys begin");
    let (keys, after) = rest.split_once(END).expect("the page has no mark where keys end");
    let wanted = key_tables(&schema) + "\n";
    if env::var_os("UPDATE_SNIPPETS").is_some() {
        fs::write(PAGE, [before, BEGIN, &wanted, END, after].concat()).unwrap();
    } else {
        assert!(keys == wanted, "stale: run this test with UPDATE_SNIPPETS=1\n{wanted}");
    }
}
