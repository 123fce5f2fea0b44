//! A field as the JSON Schema describes it.

use serde_json::Value;

/// A field, with the schema that its references point into.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    root: &'a Value,
    schema: &'a Value,
}

impl<'a> Field<'a> {
    /// A whole object.
    pub fn root(schema: &'a Value) -> Self {
        Self { root: schema, schema }
    }

    fn of(self, schema: &'a Value) -> Self {
        Self { root: self.root, schema }
    }

    /// What it is, in the words at the field, else at its type.
    pub fn description(&self) -> String {
        [self.schema, self.followed().schema]
            .iter()
            .find_map(|schema| schema.get("description")?.as_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// What its type is in general, where that is more than its description.
    pub fn type_description(&self) -> String {
        let described = |field: Self| field.schema.get("description").and_then(Value::as_str);
        let mut alternatives = self.alternatives().into_iter().map(Self::followed);
        let general = alternatives.find_map(described).unwrap_or_default();
        if self.description() == general { String::new() } else { general.to_owned() }
    }

    /// A field of it; in a map also a field of its values, or any name.
    pub fn child(&self, name: &str) -> Option<Self> {
        let children = self.children();
        let known = children.iter().find(|(child, _)| *child == name).map(|(_, field)| *field);
        known.or_else(|| {
            // The name of an entry. What is known of it is what is known of all.
            self.entries().map(|entries| self.of(entries))
        })
    }

    /// Its fields, or those of its values, in the order of the schema.
    pub fn children(&self) -> Vec<(&'a str, Self)> {
        let holder = self.entries().map_or(*self, |entries| self.of(entries)).shape("properties");
        let Some(properties) = holder.schema.get("properties").and_then(Value::as_object) else {
            return Vec::new();
        };
        properties.iter().map(|(name, schema)| (name.as_str(), holder.of(schema))).collect()
    }

    /// Whether it holds entries under names of the user's own.
    pub fn is_map(&self) -> bool {
        self.entries().is_some()
    }

    /// Whether a field of it has to be there.
    pub fn requires(&self, name: &str) -> bool {
        let holder = self.entries().map_or(*self, |entries| self.of(entries)).shape("properties");
        let required = holder.schema.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|word| word == name))
    }

    /// What it may be, where that is a choice of words, with what each means.
    pub fn values(&self) -> Vec<(String, &'a str)> {
        let mut values = Vec::new();
        for alternative in self.alternatives() {
            let schema = alternative.followed();
            let meaning = |schema: &'a Value| schema.get("description").and_then(Value::as_str);
            for one in schema.alternatives() {
                if let Some(word) = one.schema.get("const").and_then(Value::as_str) {
                    values.push((word.to_owned(), meaning(one.schema).unwrap_or_default()));
                }
                for word in one.schema.get("enum").and_then(Value::as_array).into_iter().flatten() {
                    values.extend(word.as_str().map(|word| (word.to_owned(), "")));
                }
            }
        }
        values.dedup();
        values
    }

    /// What it holds: `string`, `list of string`, `map of Process`, `integer or string`.
    pub fn kind(&self) -> String {
        let mut kinds: Vec<String> = Vec::new();
        for one in self.alternatives() {
            let kind = one.kind_of_one();
            if !kind.is_empty() && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if kinds.is_empty() { "any".to_owned() } else { kinds.join(" or ") }
    }

    fn kind_of_one(self) -> String {
        let name = self.schema.get("$ref").and_then(Value::as_str);
        let name = name.and_then(|name| name.rsplit('/').next());
        let target = self.followed();
        let named = ["properties", "pattern"].iter().any(|key| target.schema.get(key).is_some());
        if let (Some(name), true) = (name, named) {
            return name.strip_suffix("Patch").unwrap_or(name).to_owned();
        }
        if target.schema.get("oneOf").or(target.schema.get("anyOf")).is_some() {
            return target.kind();
        }
        if target.schema.get("const").is_some() || target.schema.get("enum").is_some() {
            return "word".to_owned();
        }
        let types: Vec<&str> = match target.schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let words = types.into_iter().filter(|one| *one != "null").map(|one| match one {
            "array" => match target.schema.get("items") {
                Some(items) => format!("list of {}", self.of(items).kind()),
                None => "list".to_owned(),
            },
            "object" => match target.schema.get("additionalProperties") {
                Some(entries) if entries.is_object() => {
                    format!("map of {}", self.of(entries).kind())
                }
                _ => "object".to_owned(),
            },
            other => other.to_owned(),
        });
        words.collect::<Vec<_>>().join(" or ")
    }

    /// The schema of the entries, where it is a map.
    fn entries(&self) -> Option<&'a Value> {
        let map = self.shape("additionalProperties").schema;
        map.get("additionalProperties").filter(|entries| entries.is_object())
    }

    /// The alternative that has a key, references followed.
    fn shape(self, key: &str) -> Self {
        let all = self.alternatives().into_iter().map(Self::followed);
        let nested = all.flat_map(Self::alternatives).map(Self::followed);
        nested.into_iter().find(|one| one.schema.get(key).is_some()).unwrap_or(self)
    }

    fn alternatives(self) -> Vec<Self> {
        let choice = ["anyOf", "oneOf"].iter().find_map(|key| self.schema.get(*key)?.as_array());
        match choice {
            Some(all) => all.iter().map(|one| self.of(one)).collect(),
            None => vec![self],
        }
    }

    fn followed(self) -> Self {
        let target = self.schema.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| self.root.pointer(target.strip_prefix('#')?));
        target.map_or(self, |target| self.of(target))
    }
}
