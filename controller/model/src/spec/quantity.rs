//! Durations, sizes and file modes: scalars with a unit, each with errors that say what is right.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written with units: `500ms`, `60s`, `20m`, `1h30m`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub std::time::Duration);

impl Duration {
    /// That many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(std::time::Duration::from_secs(secs))
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not a duration: write a number and a unit, such as 500ms, 60s, 20m, 1h30m or 1d"
            )
        };
        // The months and years of humantime are of no fixed length: leave them out.
        let without_days = text.replace("day", "d");
        if without_days.contains(['M', 'y']) || text.contains("month") {
            return Err(bad());
        }
        humantime::parse_duration(text).map(Self).map_err(|_| bad())
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0.as_secs(), self.0.subsec_millis());
        if secs == 0 && millis == 0 {
            return f.write_str("0s");
        }
        for (unit, size, last) in
            [("d", 86_400, u64::MAX), ("h", 3_600, 24), ("m", 60, 60), ("s", 1, 60)]
        {
            let n = if last == u64::MAX { secs / size } else { secs / size % last };
            if n > 0 {
                write!(f, "{n}{unit}")?;
            }
        }
        if millis > 0 { write!(f, "{millis}ms") } else { Ok(()) }
    }
}

/// A number of bytes, written with units: `256Mi`, `1Gi`, `500M`, `1073741824`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
    ("", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not a size: write a whole number and a unit, such as 256Mi, 1Gi or 500M"
            )
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor =
            UNITS.iter().find(|(name, _)| *name == unit).map(|(_, f)| *f).ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| bad())?;
        number
            .checked_mul(factor)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is more bytes than can be counted (the most is 16Ei)"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS[..4]
            .iter()
            .find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor))
            .unwrap_or(&("", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// The permissions of a file in octal, in quotes: `"0644"`, `"0600"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileMode(pub u32);

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("`{text}` is not a file mode: write octal digits, such as \"0644\" or \"0600\"")
        };
        if text.is_empty() || text.len() > 4 || !text.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
            return Err(bad());
        }
        let mode = u32::from_str_radix(text, 8).map_err(|_| bad())?;
        if mode > 0o777 {
            return Err(format!("`{text}` sets special bits: a mode is \"0777\" at most"));
        }
        Ok(Self(mode))
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// Serde and schema of a scalar that is read with `FromStr` and written with `Display`.
macro_rules! scalar {
    ($name:ident, $what:literal, $pattern:literal, $description:literal, number: $number:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_str<E: de::Error>(self, v: &str) -> Result<$name, E> {
                        v.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: de::Error>(self, v: u64) -> Result<$name, E> {
                        v.to_string().parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!({
                    "type": "string",
                    "description": $description,
                    "pattern": $pattern
                });
                if $number {
                    schema.insert("type".to_owned(), serde_json::json!(["string", "integer"]));
                    schema.insert("minimum".to_owned(), serde_json::json!(0));
                }
                schema
            }
        }
    };
}

scalar!(
    Duration,
    "a duration such as 60s, 20m or 1d",
    "^([0-9]+ ?(ns|us|ms|s|sec|secs|second|seconds|m|min|mins|minute|minutes|h|hr|hrs|hour|hours|d|day|days|w|week|weeks) ?)+$",
    "A length of time with units. Examples: `500ms`, `60s`, `20m`, `1h30m`, `1d`.",
    number: false
);
scalar!(
    Size,
    "a size such as 256Mi or 1Gi",
    "^[0-9]+(Ki|Mi|Gi|Ti|k|M|G|T)?$",
    "A number of bytes with a unit. Examples: `256Mi`, `1Gi`, `500M`.",
    number: true
);
scalar!(
    FileMode,
    "a file mode such as \"0600\"",
    "^0?[0-7]{1,3}$",
    "The permissions of a file in octal, in quotes. Examples: `\"0644\"`, `\"0600\"`.",
    number: false
);
