//! Every example is right: the parser, the validation and the published schema take it, and its first
//! line names that schema, so that an editor completes and checks it.

use std::path::{Path, PathBuf};

use agent_harness_model::spec::controller::Controller;
use agent_harness_model::spec::parse::{Document, parse};
use agent_harness_model::spec::schema::{KINDS, schema};
use agent_harness_model::validate::{LastGood, validate};

use super::{files, read, report, root};

#[test]
fn every_spec_names_its_schema_in_its_first_line() {
    let mut problems = Vec::new();
    for file in files("examples", "yaml") {
        let text = read(&file);
        let first = text.lines().next().unwrap_or_default();
        let Some(path) = first.strip_prefix("# yaml-language-server: $schema=") else {
            problems.push(format!("{}: no schema in the first line", file.display()));
            continue;
        };
        let kind = text.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap_or("?");
        let path = root().join(&file).parent().unwrap().join(path);
        if !path.is_file() {
            problems.push(format!("{}: {} does not exist", file.display(), path.display()));
        } else if path.file_stem().unwrap().to_string_lossy() != kind.to_lowercase() {
            problems.push(format!("{}: {first} is not the schema of {kind}", file.display()));
        }
    }
    report("a spec names its schema in its first line", &problems);
}

/// Each example is a set of its own.
#[test]
fn every_spec_is_valid() {
    let mut problems = Vec::new();
    let mut native = files("examples/lightdash/specs", "yaml");
    native.retain(|file| !file.ends_with("infra.yaml"));
    native.extend(files("examples/lightdash/native", "yaml"));
    let mut shared = files("specs", "yaml");
    let shared_native = files("specs/native", "yaml");
    shared.retain(|file| !shared_native.contains(file));
    let mut sets = vec![files("examples/lightdash/specs", "yaml"), native, shared, shared_native];
    let mut examples: Vec<_> = files("examples", "yaml")
        .into_iter()
        .map(|file| file.iter().take(2).collect::<PathBuf>())
        .filter(|example| !example.ends_with("lightdash"))
        .collect();
    examples.dedup();
    assert!(examples.len() > 2, "{examples:?}");
    sets.extend(examples.iter().map(|example| files(example.to_str().unwrap(), "yaml")));
    for set in sets {
        let documents = documents(&set, &mut problems);
        let valid = validate(documents, &LastGood::new());
        problems.extend(valid.problems.iter().map(ToString::to_string));
    }
    report("an example is wrong", &problems);
}

/// Agent 8 of Lightdash has the API port of an ordinary development server. It may: whoever listens there is named then.
#[test]
fn an_agent_may_have_a_port_that_is_much_in_use() {
    let mut problems = Vec::new();
    let mut set = documents(&files("examples/lightdash/specs", "yaml"), &mut problems);
    let eighth = read("examples/lightdash/specs/agent-5.yaml").replace("agent-5", "agent-8");
    set.extend(parse("agent-8.yaml", eighth.as_bytes()).documents);
    let valid = validate(set, &LastGood::new());
    problems.extend(valid.problems.iter().map(ToString::to_string));
    report("agent 8 of Lightdash is refused", &problems);
}

#[test]
fn every_spec_fits_its_schema() {
    let mut problems = Vec::new();
    for document in documents(&files("examples", "yaml"), &mut problems) {
        let kind = KINDS.into_iter().find(|kind| *kind == document.key.kind).unwrap();
        let validator = jsonschema::validator_for(schema(kind)).unwrap();
        for error in validator.iter_errors(&document.node.to_json()) {
            problems.push(format!("{}: {error} at {}", document.file, error.instance_path()));
        }
    }
    report("an example does not fit its schema", &problems);
}

/// The README's own specs are specs.
#[test]
fn the_readme_s_specs_are_valid() {
    let text = read("README.md");
    let blocks: Vec<&str> = text.split("   ```yaml\n").skip(1).collect();
    assert_eq!(blocks.len(), 3, "an Infra, a Stack and an Agent");
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for (number, block) in blocks.iter().enumerate() {
        let block = &block[..block.find("```").unwrap()];
        let lines: Vec<&str> = block.lines().map(|line| line.get(3..).unwrap_or("")).collect();
        let yaml = lines.join("\n") + "\n";
        let parsed = parse(&format!("README.md, block {}", number + 1), yaml.as_bytes());
        problems.extend(parsed.problems.iter().map(ToString::to_string));
        all.extend(parsed.documents);
    }
    problems.extend(validate(all, &LastGood::new()).problems.iter().map(ToString::to_string));
    report("a spec of the README is wrong", &problems);
    let (_, controller) = text.split_once("\n```yaml\n").unwrap();
    let controller = Controller::parse(&controller[..controller.find("```").unwrap()]).unwrap();
    let sources = controller.sources(PathBuf::clone).unwrap();
    assert_eq!((sources.git.len(), sources.folders.len()), (1, 1));
}

fn documents(files: &[PathBuf], problems: &mut Vec<String>) -> Vec<Document> {
    let mut all = Vec::new();
    for file in files {
        let parsed = parse(&absolute(file), read(file).as_bytes());
        problems.extend(parsed.problems.iter().map(ToString::to_string));
        all.extend(parsed.documents);
    }
    all
}

fn absolute(file: &Path) -> String {
    root().join(file).display().to_string()
}
