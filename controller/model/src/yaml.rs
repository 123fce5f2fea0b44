//! YAML out, and back in what we wrote ourselves: statuses, `ctl get -o yaml`, diffs.
//!
//! What users write is read by [`crate::spec`], which keeps positions and says what is wrong.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that YAML cannot hold, or text that is not what we wrote.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// A value could not be written as YAML.
    #[error("cannot be written as YAML")]
    Write(#[source] Box<serde_saphyr::ser_error::Error>),
    /// A text is not the YAML that was expected.
    #[error("is not the YAML that was expected")]
    Read(#[source] Box<serde_saphyr::Error>),
}

/// One document in block style, indented by two, that ends with a line end.
pub fn to_yaml<T: Serialize + ?Sized>(value: &T) -> Result<String, YamlError> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(&value, options)
        .map_err(|error| YamlError::Write(Box::new(error)))
}

/// Reads one document that [`to_yaml`] wrote.
pub fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| YamlError::Read(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let value = serde_json::json!({
            "words": ["no", "on", "12:30", "0x10", "1_000", "~", "", " a ", "a: b", "# c"],
            "long": "a message of many words that is longer than the eighty columns at which it might be folded",
            "lines": "first\nsecond\n",
            "nested": {"empty": {}, "none": null, "list": [{"a": 1, "b": [true, 1.5]}]},
        });
        let text = to_yaml(&value).unwrap();
        insta::assert_snapshot!(text, @r##"
        words:
        - "no"
        - "on"
        - "12:30"
        - "0x10"
        - "1_000"
        - "~"
        - ""
        - " a "
        - "a: b"
        - "# c"
        long: a message of many words that is longer than the eighty columns at which it might be folded
        lines: |
          first
          second
        nested:
          empty: {}
          none: null
          list:
          - a: 1
            b:
            - true
            - 1.5
        "##);
        assert_eq!(from_yaml::<serde_json::Value>(&text).unwrap(), value);
    }
}
