//! `ctl get`: a table of objects, or the objects themselves.

use agent_harness_model::api::Object;
use agent_harness_model::status::Phase;

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::lookup::{self, Selector, Word};
use crate::object;
use crate::ui::{Cell, Table, Tone, Ui, age};

/// List objects
///
/// Without names it lists everything. While no controller runs it shows what was last written.
#[derive(Debug, clap::Args)]
pub struct GetArgs {
    /// Kinds (agents, stacks, infras), names, or a kind and its names: agent 3
    #[arg(value_name = "KIND|NAME")]
    words: Vec<Word>,
    /// How to print it
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
    /// Go on and print each change
    #[arg(short, long)]
    watch: bool,
}

/// How objects are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A table with everything in full
    Wide,
    /// Whole objects, spec and status
    Yaml,
    /// Whole objects, spec and status
    Json,
    /// KIND/NAME, one a line
    Name,
}

/// Carries it out.
pub async fn run(args: GetArgs, client: &Client, ui: &mut Ui) -> Result {
    let selectors = lookup::selectors(&args.words);
    let (objects, live) = lookup::objects(client, ui, &selectors).await?;
    let one = matches!(selectors.as_slice(), [Selector::One(_)]);
    print(ui, &objects, args.output, one)?;
    let for_people = matches!(args.output, None | Some(Form::Wide));
    if for_people && live && selectors.iter().all(|it| matches!(it, Selector::Kind(_))) {
        // They may be what somebody looks for in vain.
        for problem in lookup::problems(client).await? {
            ui.warn(&problem)?;
        }
    }
    if !args.watch {
        return Ok(Exit::Done);
    }
    if !live {
        return Err(Failure::failed("nothing changes while the controller does not run"));
    }
    watch(&args, &selectors, client, ui, objects).await
}

fn print(ui: &mut Ui, objects: &[Object], form: Option<Form>, one: bool) -> Result<()> {
    match form {
        None | Some(Form::Wide) if objects.is_empty() => {
            ui.say("nothing there yet: `ctl apply -f FILE` creates objects")?;
        }
        None | Some(Form::Wide) => ui.table(&table(ui, objects, form == Some(Form::Wide)))?,
        Some(Form::Name) => {
            for key in objects.iter().filter_map(Object::key) {
                ui.line(&key.to_string())?;
            }
        }
        Some(Form::Json) => {
            let text = match objects {
                [object] if one => serde_json::to_string_pretty(object)?,
                _ => serde_json::to_string_pretty(objects)?,
            };
            ui.line(&text)?;
        }
        Some(Form::Yaml) => {
            for (index, object) in objects.iter().enumerate() {
                let mark = if index > 0 { "---\n" } else { "" };
                ui.data(&format!("{mark}{}", agent_harness_model::yaml::to_yaml(object)?))?;
            }
        }
    }
    Ok(())
}

/// The table. The kind is part of the names as soon as there is more than one.
fn table(ui: &Ui, objects: &[Object], wide: bool) -> Table {
    let mixed = objects.windows(2).any(|pair| pair[0].kind != pair[1].kind);
    let mixed = mixed || objects.first().is_some_and(|object| object.kind != "Agent");
    let mut table = Table::new().column("NAME").column("PHASE").optional("READY");
    table = if wide {
        table
            .optional("BRANCH")
            .optional("URLS")
            .optional("VERIFIED")
            .column("AGE")
            .optional("SOURCE")
            .optional("MESSAGE")
    } else {
        table
            .dispensable("BRANCH", 12)
            .optional("URL")
            .optional("VERIFIED")
            .column("AGE")
            .flexible("MESSAGE", 20)
    };
    for object in objects {
        let name = &object.metadata.name;
        let name =
            if mixed { format!("{}/{name}", object.kind.to_lowercase()) } else { name.clone() };
        let phase = object::phase(object);
        let quiet = matches!(phase, Phase::Ready | Phase::Suspended);
        let urls = match &object.status {
            _ if !object::is_reachable(object) => String::new(),
            Some(status) if wide => {
                let urls = status.urls.iter().map(|(name, url)| format!("{name}={url}"));
                urls.collect::<Vec<_>>().join(" ")
            }
            _ => object::url(object).map(|(_, url)| url.to_owned()).unwrap_or_default(),
        };
        let mut row = vec![
            Cell::new(Tone::Plain, name),
            Cell::new(object::phase_tone(phase), phase.to_string()),
            Cell::from(object::ready(object)),
            Cell::from(object::branch(object)),
            Cell::new(Tone::Info, urls),
            object::verified(object, ui.now()),
            Cell::new(Tone::Quiet, age(object.metadata.creation_timestamp, ui.now())),
        ];
        if wide {
            row.push(Cell::new(Tone::Quiet, object.metadata.source.as_str()));
        }
        let tone = if quiet { Tone::Quiet } else { Tone::Plain };
        row.push(Cell::new(tone, object::message(object)));
        table.row(row);
    }
    table
}

/// Prints each object that changed in what is shown of it, until the controller ends.
async fn watch(
    args: &GetArgs,
    selectors: &[Selector],
    client: &Client,
    ui: &mut Ui,
    mut known: Vec<Object>,
) -> Result {
    let wide = args.output == Some(Form::Wide);
    let mut widths = table(ui, &known, wide).widths(ui.width());
    let mut news = client.follow("/v1/watch").await?;
    while let Some(object) = news.next::<Object>().await? {
        let Some(key) = object.key() else { continue };
        let wanted = selectors.is_empty()
            || selectors.iter().any(|selector| match selector {
                Selector::Kind(kind) => key.kind == *kind,
                Selector::One(one) => key == *one,
            });
        if !wanted {
            continue;
        }
        let old = known.iter().position(|old| old.key().as_ref() == Some(&key));
        if old.is_some_and(|old| known[old] == object) {
            continue;
        }
        match args.output {
            None | Some(Form::Wide) => {
                // In the widths of the whole, so that the columns stay where they are.
                match old {
                    Some(old) => known[old] = object.clone(),
                    None => known.push(object.clone()),
                }
                let row = table(ui, &known, wide).only(old.unwrap_or(known.len() - 1), &widths);
                widths = row.widths(ui.width());
                ui.table(&row)?;
            }
            Some(form) => {
                if form == Form::Yaml {
                    ui.line("---")?;
                }
                print(ui, std::slice::from_ref(&object), args.output, true)?;
                match old {
                    Some(old) => known[old] = object,
                    None => known.push(object),
                }
            }
        }
    }
    Err(Failure::failed("the controller ended"))
}
