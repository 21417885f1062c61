//! The description of a key: its values, checks, error messages and schema. `settings` and
//! `rule_tables` use it to describe each key in one place.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::parsed_text::{Parsed, TextKind, TextValue};
use crate::config::problem::Fault;
use crate::config::spanned_value::Value;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: ValueKind,
    /// Checks the whole value after its parts are valid. In a list of tables, checks each table.
    pub(crate) check: Option<fn(&Value) -> Option<Fault>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ValueKind {
    Text(TextKind),
    Bool,
    /// An integer from 0 to this maximum.
    Count(u32),
    List(TextKind),
    Table(&'static [Key]),
    Tables(&'static [Key]),
    /// Any value, for the user's own settings.
    Free,
}

impl ValueKind {
    pub(crate) const fn keys(&self) -> &'static [Key] {
        if let ValueKind::Table(keys) = self { keys } else { &[] }
    }
}

pub(crate) trait KeyType {
    const KIND: ValueKind;

    /// Returns whether the key is omitted when settings are printed.
    fn is_unset(&self) -> bool {
        false
    }
}

impl<T: TextValue> KeyType for T {
    const KIND: ValueKind = ValueKind::Text(TextKind::of::<T>());
}

impl<T: TextValue> KeyType for Parsed<T> {
    const KIND: ValueKind = T::KIND;
}

impl KeyType for bool {
    const KIND: ValueKind = ValueKind::Bool;
}

impl KeyType for u32 {
    const KIND: ValueKind = ValueKind::Count(u32::MAX);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct AtMost<const MAX: u32>(#[schemars(range(max = MAX))] pub u32);

impl<const MAX: u32> KeyType for AtMost<MAX> {
    const KIND: ValueKind = ValueKind::Count(MAX);
}

impl<T: KeyType> KeyType for Option<T> {
    const KIND: ValueKind = T::KIND;

    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl<T: KeyType> KeyType for Vec<T> {
    const KIND: ValueKind = match T::KIND {
        ValueKind::Text(item) => ValueKind::List(item),
        ValueKind::Table(keys) => ValueKind::Tables(keys),
        _ => panic!("a list has strings or tables"),
    };
}

impl KeyType for BTreeMap<String, toml::Value> {
    const KIND: ValueKind = ValueKind::Free;

    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl Key {
    pub(crate) fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
        keys.iter().find(|key| key.name == name)
    }

    pub(crate) fn paths(keys: &'static [Key]) -> impl Iterator<Item = String> {
        keys.iter().flat_map(|key| {
            let inner = key.kind.keys().iter();
            let inner = inner.map(|inner| format!("{}.{}", key.name, inner.name));
            std::iter::once(key.name.to_owned()).chain(inner)
        })
    }

    /// Returns the first path that ends with `name`, for a key that was written in the wrong table.
    pub(crate) fn path_to(keys: &'static [Key], name: &str) -> Option<String> {
        Key::paths(keys).find(|path| path.rsplit('.').next() == Some(name))
    }
}

/// Declares a table of settings: each key with its doc comment, type and default.
///
/// `as` gives a key a different name than its field, and `where` a check of its whole value. The
/// struct, its defaults, its schema and its validation are generated. A table implements `Default`
/// only if every key has a default.
macro_rules! settings_table {
    (
        $(#[$meta:meta])*
        pub struct $table:ident {
            $(
                $(#[$doc:meta])*
                $field:ident $(as $key:literal)?: $type:ty $(where $check:path)? = $default:expr,
            )*
        }
    ) => {
        settings_table! {
            $(#[$meta])*
            #[serde(default)]
            pub struct $table {
                $($(#[$doc])* $field $(as $key)?: $type $(where $check)?,)*
            }
        }

        impl Default for $table {
            fn default() -> Self {
                $table { $($field: $default,)* }
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $table:ident {
            $(
                $(#[$doc:meta])*
                $field:ident $(as $key:literal)?: $type:ty $(where $check:path)?,
            )*
        }
    ) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$meta])*
        pub struct $table {
            $(
                $(#[$doc])*
                $(#[serde(rename = $key)])?
                #[serde(skip_serializing_if = "KeyType::is_unset")]
                pub $field: $type,
            )*
        }

        impl KeyType for $table {
            const KIND: ValueKind = ValueKind::Table(&[$(
                Key {
                    name: [$($key,)? stringify!($field)][0],
                    kind: <$type as KeyType>::KIND,
                    check: [$(Some($check as fn(&Value) -> Option<Fault>),)? None][0],
                },
            )*]);
        }
    };
}
pub(crate) use settings_table;
