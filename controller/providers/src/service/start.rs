//! The start of a server: settings that it refuses neither stop one that runs, nor keep one down that came up
//! before with others.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::limits::{Budget, Limits};
use agent_harness_model::kinds::service::{Desired, Observed};
use agent_harness_shim::logs;

use super::look::{Look, look};
use super::{Backend, How, Program, Refused, ServiceError, Services};
use crate::process::{Launch, ProcessId, ports, process_id};
use crate::provider::Context;

/// Between two questions whether a server that was just started answers.
const POLL: Duration = Duration::from_millis(15);
/// How long one of them waits: a stranger on the port may never answer, and ours has ended meanwhile.
const ANSWER: Duration = Duration::from_secs(2);

impl<B: Backend> Services<B> {
    /// Prepares first: what is wrong in the spec stops no server that runs.
    pub(super) async fn start(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        want: &Desired,
        again: bool,
    ) -> Result<(), ServiceError<B::Error>> {
        let Some(How::Embedded(embedded)) = B::how(&want.runtime) else {
            return Err(ServiceError::NotOurs(B::NAME));
        };
        self.claim(cx, id, B::root(embedded))?;
        let prepared = tokio::select! {
            prepared = self.backend.prepare(cx, id, embedded) => prepared,
            () = cx.stop.cancelled() => return Err(ServiceError::Unwanted(B::NAME)),
        };
        let mut program = prepared.map_err(ServiceError::Server)?;
        let process = process_id(id)?;
        if let Some(words) = program.refused.take() {
            let words = B::secrets(embedded).apply(&words);
            let runs = again || self.start_as_before(cx, id, want, embedded, &program).await?;
            return Err(refused::<B>(words, runs));
        }
        if again {
            if let Some(words) = self.refused_before(&process, &want.fingerprint) {
                return Err(refused::<B>(words, true));
            }
            self.refuse_taken_port(&process, B::port(embedded))?;
            let (signal, grace) = B::STOP;
            self.supervisor.stop(&process, signal, grace).await?;
        }
        let can_be_put_back = self.backend.put_in_force(embedded).map_err(ServiceError::Server)?;
        match self.run(cx, id, want, &want.fingerprint, embedded, &program).await {
            Err(ended @ ServiceError::Ended { .. }) if can_be_put_back => {
                if !self.start_as_before(cx, id, want, embedded, &program).await? {
                    return Err(ended);
                }
                let words = format!(
                    "{ended}; that is tried again when it has changed, or by the next controller"
                );
                self.note_refused(process, &want.fingerprint, &words);
                Err(refused::<B>(words, true))
            }
            done => done,
        }
    }

    /// Starts it with the last settings that it came up with. Its fingerprint is nobody's wish, so that a corrected
    /// spec is seen to be another one. Whether it runs.
    async fn start_as_before(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        want: &Desired,
        embedded: &B::Embedded,
        program: &Program,
    ) -> Result<bool, ServiceError<B::Error>> {
        if !self.backend.put_back(embedded).map_err(ServiceError::Server)? {
            return Ok(false);
        }
        let fingerprint = format!("{} refused", want.fingerprint);
        match self.run(cx, id, want, &fingerprint, embedded, program).await {
            Ok(()) => Ok(true),
            // It was not the settings, or not they alone: the first error says more.
            Err(ServiceError::Ended { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn run(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        want: &Desired,
        fingerprint: &str,
        embedded: &B::Embedded,
        program: &Program,
    ) -> Result<(), ServiceError<B::Error>> {
        let (stop_signal, stop_grace) = B::STOP;
        let launch = Launch {
            id: process_id(id)?,
            argv: program.argv.clone(),
            env: program.env.clone(),
            cwd: program.cwd.clone(),
            user: program.user,
            umask: Some(0o077),
            log_path: logs::path(&self.log_root, &id.owner.slug(), id.kind.as_str(), &id.name),
            fingerprint: fingerprint.to_owned(),
            mark: cx.mark(id).to_string(),
            stop_signal,
            stop_grace,
            limits: Limits::default(),
            budget: Budget::default(),
        };
        self.supervisor.start(&launch).await?;
        tokio::select! {
            done = self.wait(cx, id, &want.place.infra, embedded) => done,
            () = cx.stop.cancelled() => Err(ServiceError::Unwanted(B::NAME)),
        }
    }

    /// What the server said to these settings when this controller tried them. Each other try would cost those who
    /// use the server that runs with others.
    fn refused_before(&self, process: &ProcessId, fingerprint: &str) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let known = refused.get(process).filter(|known| known.fingerprint == fingerprint);
        known.map(|known| known.words.clone())
    }

    fn note_refused(&self, process: ProcessId, fingerprint: &str, words: &str) {
        let note = Refused { fingerprint: fingerprint.to_owned(), words: words.to_owned() };
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(process, note);
    }

    /// An edit to a port that a stranger has must not cost a server that works.
    fn refuse_taken_port(
        &self,
        process: &ProcessId,
        port: u16,
    ) -> Result<(), ServiceError<B::Error>> {
        match ports::stranger(&self.supervisor, process, port)? {
            Some(who) => Err(ServiceError::PortTaken { port, who: who.to_string() }),
            None => Ok(()),
        }
    }

    /// Until it answers, so that those who wait for it can go on at once, or has ended; not for ever.
    async fn wait(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        infra: &str,
        embedded: &B::Embedded,
    ) -> Result<(), ServiceError<B::Error>> {
        let deadline = Instant::now() + B::PATIENCE;
        loop {
            match look(&self.supervisor, &cx.mark(id), id, None) {
                Ok(Look::Running { pid, .. }) => {
                    let answer = self.backend.answers(cx, infra, embedded, pid);
                    match tokio::time::timeout(ANSWER, answer).await {
                        Ok(Ok(())) => {
                            return self.backend.came_up(embedded).map_err(ServiceError::Server);
                        }
                        Ok(Err(error)) if B::passes(&error) => {}
                        Ok(Err(error)) => return Err(ServiceError::Server(error)),
                        Err(_) => {}
                    }
                }
                Ok(Look::Down(Observed::Exited { exit, .. })) => {
                    let mask = B::secrets(embedded);
                    let last_lines: Vec<_> =
                        exit.last_lines.iter().map(|line| mask.apply(line)).collect();
                    let last_lines = last_lines.join("; ");
                    return Err(ServiceError::Ended { name: B::NAME, how: exit.how, last_lines });
                }
                Ok(Look::Down(_) | Look::Absent) | Err(_) => {}
            }
            if Instant::now() >= deadline {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn refused<B: Backend>(words: String, runs: bool) -> ServiceError<B::Error> {
    ServiceError::Refused { name: B::NAME, place: B::SETTINGS, words, runs }
}
