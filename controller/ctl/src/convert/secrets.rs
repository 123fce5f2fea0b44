//! Variables by their names: which names there may be, and which hold what should not be seen.

use super::field::Field;
use super::report::Report;
use super::stack::object_name_of;

/// Whether a spec takes a name for a variable.
pub fn is_variable(name: &str) -> bool {
    let fits = |(index, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || index > 0 && c.is_ascii_digit()
    };
    !name.is_empty() && name.chars().enumerate().all(fits)
}

/// Says of a secret that it is written out. `owner`: the service or process that has it.
pub fn note(field: &Field<'_>, owner: &str, name: &str, value: &str, report: &mut Report) {
    if value.is_empty() || !is_secret(name) {
        return;
    }
    let secret = object_name_of(&format!("{owner}-{name}"));
    report.note(
        field,
        format!(
            "it is written out; to keep it out of the spec, write `{name}: {{secret: {secret}}}` \
             and put its value into `secrets/spec-{secret}` of the state folder"
        ),
    );
}

/// Whether a variable holds what should not be seen, by its name.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let holds = ["PASSWORD", "SECRET", "TOKEN"].iter().any(|word| name.contains(word));
    // A path of a file that holds it may be seen.
    (holds || name.ends_with("_KEY")) && !name.ends_with("_FILE")
}
