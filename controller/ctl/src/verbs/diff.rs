//! `ctl diff`: how the specs would change, and which steps would follow.

use std::path::PathBuf;

use agent_harness_model::api::{ApplyRequest, DiffAnswer, SpecDiff};
use similar::{ChangeTag, TextDiff};

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::specs::Specs;
use crate::ui::{Tone, Ui};

/// Show what an apply would change and do
///
/// Without -f it shows what is still to be done about the specs as they are.
///
/// Exit codes: 0 no difference and nothing to do · 1 there is something · 2 it could not be found out
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct DiffArgs {
    /// A spec file, a folder of them, or - for standard input; may be given several times
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Carries it out.
pub async fn run(args: DiffArgs, client: &Client, ui: &mut Ui) -> Result {
    // Whatever it is, it is no difference.
    compare(&args, client, ui).await.map_err(|failure| Failure { exit: Exit::Usage, ..failure })
}

async fn compare(args: &DiffArgs, client: &Client, ui: &mut Ui) -> Result {
    let request = if args.files.is_empty() {
        ApplyRequest { files: Vec::new(), dry_run: true }
    } else {
        Specs::read(&args.files)?.request(ui, true)?
    };
    let answer: DiffAnswer = client.post("/v1/diff", Some(&request)).await?;
    let mut differs = answer.steps > 0;
    for spec in answer.specs.iter().filter(|spec| spec.before != spec.after) {
        differs = true;
        let text = unified(ui, spec);
        ui.data(&text)?;
    }
    if !answer.plan.trim().is_empty() {
        if answer.specs.iter().any(|spec| spec.before != spec.after) {
            ui.line("")?;
        }
        let title = match answer.steps {
            0 => "nothing to do now".to_owned(),
            1 => "1 step".to_owned(),
            steps => format!("{steps} steps"),
        };
        ui.line(&ui.paint(Tone::Strong, &format!("plan: {title}")))?;
        for line in answer.plan.lines() {
            let tone = if line.starts_with("held ") { Tone::Quiet } else { Tone::Plain };
            ui.line(&format!("  {}", ui.paint(tone, line)))?;
        }
    }
    Ok(if differs { Exit::Failed } else { Exit::Done })
}

/// The change of one object in unified form.
fn unified(ui: &Ui, spec: &SpecDiff) -> String {
    let (before, after) = (spec.before.as_str(), spec.after.as_str());
    let name = |text: &str, side: &str| {
        if text.is_empty() { "/dev/null".to_owned() } else { format!("{side}/{}", spec.object) }
    };
    let mut text = String::new();
    let mut push = |tone, line: &str| {
        text.push_str(&ui.paint(tone, line.trim_end_matches('\n')));
        text.push('\n');
    };
    push(Tone::Strong, &format!("--- {}", name(before, "now")));
    push(Tone::Strong, &format!("+++ {}", name(after, "new")));
    let diff = TextDiff::from_lines(before, after);
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        push(Tone::Info, &hunk.header().to_string());
        for change in hunk.iter_changes() {
            let (sign, tone) = match change.tag() {
                ChangeTag::Delete => ('-', Tone::Bad),
                ChangeTag::Insert => ('+', Tone::Good),
                ChangeTag::Equal => (' ', Tone::Plain),
            };
            push(tone, &format!("{sign}{}", change.value()));
        }
    }
    text
}
