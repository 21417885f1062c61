//! The JSON schema of a configuration file, for editors: made from the types, so that it cannot say
//! anything else.

use schemars::schema_for;
use serde_json::{Map, Value, json};

use crate::{config::settings::Settings, text::with_unwrapped_descriptions};

/// The schema of a whole file: the settings, and under `profile` the settings again, each profile
/// by its name.
#[must_use]
pub fn schema() -> Value {
    let mut schema = with_unwrapped_descriptions(schema_for!(Settings)).to_value();
    let Some(root) = schema.as_object_mut() else { return schema };
    let profile = json!({
        "type": "object",
        "description": "Keys that hold only where this profile is selected; its rules come first, its match entries are added, the rest replaces.",
        "properties": root.get("properties").map_or_else(Map::new, without_defaults),
        "additionalProperties": false,
    });
    put(root, "$defs", "Profile", profile);
    let profiles = json!({
        "type": "object",
        "description": "Settings that hold only where the profile of that name is selected, by --profile or $MONOPOLL_PROFILE.",
        "propertyNames": { "pattern": "^[A-Za-z0-9._-]{1,64}$" },
        "additionalProperties": { "$ref": "#/$defs/Profile" },
    });
    put(root, "properties", "profile", profiles);
    schema
}

/// What a profile leaves out is what the file says, not a default.
fn without_defaults(properties: &Value) -> Map<String, Value> {
    let mut properties = properties.as_object().cloned().unwrap_or_default();
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        property.remove("default");
    }
    properties
}

/// Adds `name` to the object that `root` has under `table`.
fn put(root: &mut Map<String, Value>, table: &str, name: &str, value: Value) {
    let mut entries = match root.remove(table) {
        Some(Value::Object(entries)) => entries,
        _ => Map::new(),
    };
    entries.insert(name.to_owned(), value);
    root.insert(table.to_owned(), Value::Object(entries));
}
