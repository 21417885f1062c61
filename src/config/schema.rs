//! The JSON schema of a configuration file, for editors.

use schemars::schema_for;
use serde_json::{Value, json};

use crate::config::parsed_text::TextValue;
use crate::config::settings::Settings;
use crate::engine::instance::Instance;
use crate::text::with_unwrapped_descriptions;

/// The schema of a whole file: the settings, and under `profile` the settings again, each profile
/// by its name.
pub fn schema() -> Value {
    let mut schema = with_unwrapped_descriptions(schema_for!(Settings)).to_value();
    let mut of_profile = schema["properties"].clone();
    // A key that a profile leaves out has the file's value, not the default.
    for property in of_profile.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
    }
    schema["$defs"]["Profile"] = json!({
        "type": "object",
        "description": "Keys that hold only where this profile is selected; its rules come first, \
                        its match entries are added, the rest replaces.",
        "properties": of_profile,
        "additionalProperties": false,
    });
    schema["properties"]["profile"] = json!({
        "type": "object",
        "description": "Settings that hold only where the profile of that name is selected, by \
                        --profile or $MONOPOLL_PROFILE.",
        "propertyNames": { "pattern": Instance::PATTERN },
        "additionalProperties": { "$ref": "#/$defs/Profile" },
    });
    schema
}
