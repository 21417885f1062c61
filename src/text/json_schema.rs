//! JSON schemas, made from the types so that they cannot say anything else.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of a document that monopoll prints.
pub fn output_schema<T: JsonSchema>() -> Schema {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    with_unwrapped_descriptions(generator.into_root_schema_for::<T>())
}

/// Joins the lines of each description: where a comment is wrapped in the source means nothing to
/// the reader of a schema.
pub fn with_unwrapped_descriptions(mut schema: Schema) -> Schema {
    RecursiveTransform(|schema: &mut Schema| {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            let paragraphs: Vec<String> =
                text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
            *text = paragraphs.join("\n\n");
        }
    })
    .transform(&mut schema);
    schema
}
