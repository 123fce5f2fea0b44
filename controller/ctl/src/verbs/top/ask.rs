//! What the view asks for: looks at all objects and what their parts use, again and again; pages, which other verbs
//! print; restarts. Each is a task, and what comes of it an event, so that no answer keeps a key waiting.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use agent_harness_model::api::{Info, Object};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use futures_util::StreamExt as _;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinSet};

use super::model::Event;
use super::page::Kind;
use super::rows::Id;
use crate::client::{Client, ClientError, path};
use crate::error::{Failure, Result};
use crate::ui::{Tone, Ui};
use crate::verbs::{describe, logs, restart};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// A controller that says nothing for this time is away.
const PATIENCE: Duration = Duration::from_secs(10);
/// Objects whose figures are asked for at once.
const AT_ONCE: usize = 6;
/// The last lines of each log that a page begins with.
const TAIL: usize = 500;

/// Whoever asks.
pub struct Asker {
    client: Client,
    sender: UnboundedSender<Event>,
    colour: bool,
    tasks: JoinSet<()>,
    page: Option<AbortHandle>,
}

impl Asker {
    /// Begins to look.
    pub fn new(client: Client, sender: UnboundedSender<Event>, colour: bool) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn_local(look(client.clone(), sender.clone()));
        Self { client, sender, colour, tasks, page: None }
    }

    /// Comes back with the panic of a task when there was one; else never.
    pub async fn fault(&mut self) {
        loop {
            match self.tasks.join_next().await {
                Some(Err(error)) if error.is_panic() => {
                    std::panic::resume_unwind(error.into_panic());
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Lets a verb print into the page of a number, and no other verb any more.
    pub fn page(&mut self, number: u64, kind: Kind, id: Id, width: usize) {
        self.no_page();
        let (client, sender, colour) = (self.client.clone(), self.sender.clone(), self.colour);
        let task = async move {
            let to = To { number, sender: sender.clone() };
            let mut ui = Ui::into_one(to, width, colour);
            let result = match kind {
                Kind::Describe => {
                    describe::run(describe::DescribeArgs::of(&id.key), &client, &mut ui).await
                }
                Kind::Logs => {
                    let args = logs::LogsArgs::following(&id.key, id.part.as_deref(), TAIL);
                    logs::run(args, &client, &mut ui).await
                }
            };
            if let Err(failure) = result {
                ui.failure(&failure);
            }
            // Nobody is left to be told.
            let _ = sender.send(Event::Ended(number));
        };
        self.page = Some(self.tasks.spawn_local(task));
    }

    /// Nothing is printed any more.
    pub fn no_page(&mut self) {
        if let Some(task) = self.page.take() {
            task.abort();
        }
    }

    /// Starts something anew.
    pub fn restart(&mut self, id: Id) {
        let (client, sender) = (self.client.clone(), self.sender.clone());
        self.tasks.spawn_local(async move {
            let printed = Printed::default();
            let mut ui = Ui::into_one(printed.clone(), usize::MAX, false);
            let args = restart::RestartArgs::of(&id.key, id.part.as_deref());
            let told = match restart::run(args, &client, &mut ui).await {
                Ok(_) => {
                    let text = String::from_utf8_lossy(&printed.0.borrow()).trim().to_owned();
                    Event::Told(Tone::Good, text)
                }
                Err(failure) => Event::Told(Tone::Bad, format!("{id}: {}", failure.message)),
            };
            // Nobody is left to be told.
            let _ = sender.send(told);
        });
    }
}

/// Looks again and again, until nobody listens.
async fn look(client: Client, sender: UnboundedSender<Event>) {
    let mut was_told = false;
    while !sender.is_closed() {
        // Nobody is left to be told where this fails, which the next turn sees.
        let _ = match objects(&client).await {
            Ok((objects, info)) => {
                was_told = true;
                let keys: Vec<_> = objects.iter().filter_map(Object::key).collect();
                let sent = sender.send(Event::Objects(objects, info));
                figures(&client, keys, &sender).await;
                sent
            }
            Err(failure) => {
                // What it wrote is of use where nothing is shown yet.
                let last = if was_told { None } else { client.state().snapshot().ok() };
                let last = last.map(|last| last.objects).unwrap_or_default();
                let hints = failure.hints.into_iter().map(|hint| format!("; {hint}"));
                let why = failure.message + &hints.collect::<String>();
                sender.send(Event::Away(why, last))
            }
        };
        tokio::time::sleep(INTERVAL).await;
    }
}

/// All objects, and who tells of them.
async fn objects(client: &Client) -> Result<(Vec<Object>, Option<Info>)> {
    let both = async {
        let objects = client.objects().await?;
        let info = client.get("/v1/info").await.ok();
        Ok::<_, ClientError>((objects, info))
    };
    match tokio::time::timeout(PATIENCE, both).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::failed("the controller does not answer")),
    }
}

/// What the parts of each object use.
async fn figures(client: &Client, keys: Vec<ObjectKey>, sender: &UnboundedSender<Event>) {
    let ask = async |key: ObjectKey| {
        let what = match key.kind {
            ObjectKind::Agent => "/processes?cpu=true",
            ObjectKind::Infra => "/services?cpu=true",
            ObjectKind::Stack => return,
        };
        let figures = match tokio::time::timeout(PATIENCE, client.get(&path(&key, what))).await {
            Ok(Ok(figures)) => Ok(figures),
            // The next look says that the controller is away, or that the object is.
            Ok(Err(error)) if error.is_absence() || error.is_absent() => return,
            Ok(Err(error)) => Err(Failure::from(error).message),
            Err(_) => Err("the controller does not say what it uses".to_owned()),
        };
        // Nobody is left to be told where this fails.
        let _ = sender.send(Event::Figures(key, figures));
    };
    futures_util::stream::iter(keys).for_each_concurrent(AT_ONCE, ask).await;
}

/// Prints into a page.
#[derive(Clone)]
struct To {
    number: u64,
    sender: UnboundedSender<Event>,
}

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.sender.send(Event::Printed(self.number, bytes.to_vec()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is printed.
#[derive(Clone, Default)]
struct Printed(Rc<RefCell<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
