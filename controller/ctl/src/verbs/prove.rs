//! `ctl prove`: shows that agents are kept apart, by trying. Of two that are there it changes nothing; with `--stack` it
//! makes two of its own, tries the same, and ends one after the other to see that the one that stays is not harmed, and
//! that nothing of them is left.

use std::time::Instant;

use agent_harness_model::api::{
    Applied, ApplyRequest, Belongings, Deleted, Proof, ProveRequest, SpecFile,
};
use agent_harness_model::id::{ObjectKey, ObjectKind, Uid};
use agent_harness_model::spec::API_VERSION;
use serde::Serialize;

use crate::client::{Client, path};
use crate::error::{Exit, Failure, Result};
use crate::ui::{Tone, Ui, seconds};
use crate::waiting::{self, Goal, Limit, Target};

/// Show that agents are kept apart
///
/// Each of the two tries to get at what the other has: its database, its bucket, its files and secrets. With --stack two
/// agents are made for it, and purged again: it is seen, too, that the end of one harms nothing of the other, and that
/// nothing is left of either. Exit code 0 when all of it is as it should be, 1 otherwise, 3 when it could not be tried.
#[derive(Debug, clap::Args)]
pub struct ProveArgs {
    /// Two agents that are there
    #[arg(value_name = "NAME", num_args = 2, required_unless_present = "stack")]
    names: Vec<ObjectKey>,
    /// Make two agents of this Stack for it, and purge them afterwards
    #[arg(long, value_name = "STACK", conflicts_with = "names")]
    stack: Option<String>,
    /// How long each of them may take to be ready, or gone
    #[arg(long, value_name = "TIME", default_value = "10m")]
    timeout: agent_harness_model::spec::Duration,
    /// How to print it
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
}

/// How it is printed, where not for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// One JSON object
    Json,
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    status: &'static str,
    agents: Vec<String>,
    proofs: Vec<Proof>,
    duration_ms: u64,
}

/// Carries it out.
pub async fn run(args: ProveArgs, client: &Client, ui: &mut Ui) -> Result {
    prove(args, client, ui).await.map_err(|failure| match failure.exit {
        Exit::Usage => failure,
        _ => Failure { exit: Exit::NotReady, ..failure },
    })
}

async fn prove(args: ProveArgs, client: &Client, ui: &mut Ui) -> Result {
    let begun = Instant::now();
    let mut course = Course { client, ui, args: &args, proofs: Vec::new() };
    let agents = match &args.stack {
        Some(stack) => course.with_agents_of_its_own(stack).await?,
        None => {
            let named = args.names.iter().map(|key| agent(key).map(|()| key.name.clone()));
            let names = named.collect::<Result<Vec<_>>>()?;
            course.apart(&names).await?;
            names
        }
    };
    let proofs = course.proofs;
    let passed = proofs.iter().all(|proof| proof.passed);
    if args.output == Some(Form::Json) {
        let report = Report {
            status: if passed { "pass" } else { "fail" },
            agents,
            proofs,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        ui.line(&serde_json::to_string_pretty(&report)?)?;
    } else {
        let failed = proofs.iter().filter(|proof| !proof.passed).count();
        let words = match failed {
            0 => ui.paint(Tone::Good, "they are kept apart"),
            1 => ui.paint(Tone::Bad, "one thing is not as it should be"),
            some => ui.paint(Tone::Bad, &format!("{some} things are not as they should be")),
        };
        ui.line(&format!("{words}, by {} proofs in {}", proofs.len(), seconds(begun.elapsed())))?;
    }
    Ok(if passed { Exit::Done } else { Exit::Failed })
}

fn agent(key: &ObjectKey) -> Result<()> {
    if key.kind == ObjectKind::Agent {
        return Ok(());
    }
    Err(Failure::usage(format!("{key} is no agent"))
        .hint("name two agents, or a Stack with --stack NAME"))
}

struct Course<'a> {
    client: &'a Client,
    ui: &'a mut Ui,
    args: &'a ProveArgs,
    proofs: Vec<Proof>,
}

impl Course<'_> {
    /// Notes a proof, and shows it to a person.
    fn note(&mut self, proof: Proof) -> Result<()> {
        if self.args.output.is_none() {
            let (tone, word) =
                if proof.passed { (Tone::Good, "pass") } else { (Tone::Bad, "fail") };
            let found = match proof.found.as_str() {
                "" => String::new(),
                found => self.ui.paint(Tone::Quiet, &format!(" ({found})")),
            };
            let line = format!("{}  {}{found}", self.ui.paint(tone, word), proof.claim);
            self.ui.line(&line)?;
        }
        self.proofs.push(proof);
        Ok(())
    }

    /// Tries what each must not be able to do.
    async fn apart(&mut self, names: &[String]) -> Result<()> {
        let [a, b] = names else { return Ok(()) };
        let request = ProveRequest { agents: [a.clone(), b.clone()] };
        let proofs: Vec<Proof> = self.client.post("/v1/prove", Some(&request)).await?;
        proofs.into_iter().try_for_each(|proof| self.note(proof))
    }

    async fn with_agents_of_its_own(&mut self, stack: &str) -> Result<Vec<String>> {
        let names = self.free_names().await?;
        let keys = names.clone().map(|name| ObjectKey::agent(&name));
        let begun = self.begin(stack, &names).await;
        let proved = match begun {
            Ok(()) => self.life(&keys).await,
            Err(failure) => Err(failure),
        };
        // Whatever came of it, they are not to stay.
        for key in &keys {
            match self.purge(key).await {
                Ok(()) => {}
                Err(failure) => self.ui.warn(&format!("{key} stays: {}", failure.message))?,
            }
        }
        proved.map(|()| names.to_vec())
    }

    /// Names whose numbers nobody has, also not in the trash.
    async fn free_names(&self) -> Result<[String; 2]> {
        let objects = self.client.objects().await?;
        let taken = objects.iter().filter_map(|object| {
            let digits = object.metadata.name.rsplit(|c: char| !c.is_ascii_digit()).next()?;
            let written = object.spec.pointer("/id").and_then(serde_json::Value::as_u64);
            written.or_else(|| digits.parse().ok())
        });
        let first = taken.max().unwrap_or(0) + 1;
        Ok([first, first + 1].map(|number| format!("prove-{number}")))
    }

    async fn begin(&mut self, stack: &str, names: &[String; 2]) -> Result<()> {
        let text = |name: &String| {
            format!(
                "apiVersion: {API_VERSION}\nkind: Agent\nmetadata: {{name: {name}}}\nspec: {{stack: {stack}}}\n"
            )
        };
        let file = |name: &String| SpecFile {
            name: format!("{name}.yaml"),
            folder: None,
            text: text(name),
        };
        let request = ApplyRequest { files: names.iter().map(file).collect(), dry_run: false };
        let applied: Vec<Applied> = self.client.post("/v1/apply", Some(&request)).await?;
        let targets = applied.into_iter().map(|one| target(one.object, one.generation, Vec::new()));
        self.until(&Goal::Ready, targets.collect()).await
    }

    /// The end of one, then of the other.
    async fn life(&mut self, [first, second]: &[ObjectKey; 2]) -> Result<()> {
        self.apart(&[first.name.clone(), second.name.clone()]).await?;
        let (of_first, before) = (self.belongings(first).await?, self.belongings(second).await?);
        for (key, has) in [(first, &of_first), (second, &before)] {
            self.note(Proof::of(format!("{} is healthy", key.name), &has.unhealthy, has.words()))?;
        }
        self.purge(first).await?;
        self.nothing_left(first, &of_first).await?;
        let now = self.belongings(second).await?;
        let claim = format!("the end of {} harms nothing of {}", first.name, second.name);
        self.note(Proof::of(claim, &before.harmed(&now), now.words()))?;
        self.purge(second).await?;
        self.nothing_left(second, &before).await
    }

    async fn belongings(&self, key: &ObjectKey) -> Result<Belongings> {
        Ok(self.client.get(&path(key, "/belongings")).await?)
    }

    async fn nothing_left(&mut self, key: &ObjectKey, had: &Belongings) -> Result<()> {
        let left: Vec<String> = self.client.post("/v1/remains", Some(&had.places)).await?;
        let places = &had.places;
        let names = [&places.database, &places.bucket].into_iter().flatten().cloned();
        let tree = places.worktree.iter().map(|path| path.display().to_string());
        let gone: Vec<String> = names.chain(tree).collect();
        let claim = format!("nothing is left of {}", key.name);
        self.note(Proof::of(claim, &left, format!("gone: {}", gone.join(", "))))
    }

    async fn purge(&self, key: &ObjectKey) -> Result<()> {
        match self.client.delete::<Deleted>(&path(key, "?purge=true&all=true")).await {
            Ok(gone) => self.until(&Goal::Purged, vec![target(key.clone(), 0, gone.uids)]).await,
            Err(error) if error.is_absent() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits, as `ctl wait` does; what that says are words here, and no data.
    async fn until(&self, goal: &Goal, targets: Vec<Target>) -> Result<()> {
        let (mut words, limit) = (self.ui.for_words(), Limit::new(self.args.timeout));
        waiting::until(self.client, &mut words, goal, &targets, limit).await.map(drop)
    }
}

fn target(key: ObjectKey, generation: u64, uids: Vec<Uid>) -> Target {
    Target { key, generation, uids }
}
