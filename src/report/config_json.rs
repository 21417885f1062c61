//! The effective configuration as JSON.

use serde::Serialize;
use serde_json::Value;

use crate::config::Config;
use crate::report::effective_config::{
    Applied, BUILT_IN_RULES, BuiltInRule, EffectiveValue, ShownKeys, effective_values,
};

#[derive(Serialize)]
pub(crate) struct ConfigDocument {
    version: u32,
    file: Option<String>,
    profile: Option<String>,
    instance: Option<String>,
    locks: Vec<String>,
    values: Vec<ValueDocument>,
    builtin_rules: &'static [BuiltInRule],
}

#[derive(Serialize)]
struct ValueDocument {
    key: String,
    value: Value,
    origin: String,
}

pub(crate) fn document(config: &Config, applied: &Applied, shown: ShownKeys) -> ConfigDocument {
    let value = |EffectiveValue { key, value, origin }| ValueDocument { key, value, origin };
    ConfigDocument {
        version: 1,
        file: config.file.as_ref().map(|path| path.to_string_lossy().into_owned()),
        profile: config.profile.clone(),
        instance: applied.instance.clone(),
        locks: applied.locks.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        values: effective_values(config, shown).into_iter().map(value).collect(),
        builtin_rules: &BUILT_IN_RULES,
    }
}
