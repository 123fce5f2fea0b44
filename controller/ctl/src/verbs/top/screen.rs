//! The terminal: taken, given back at any end, and the keys that come from it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event;
use tokio::sync::mpsc::UnboundedSender;

use super::model::Event;

/// How often the thread that waits for keys looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// The terminal is ours for as long as this lives.
pub struct Screen {
    /// Where it is drawn.
    pub terminal: DefaultTerminal,
    is_over: Arc<AtomicBool>,
    keys: Option<JoinHandle<()>>,
}

impl Screen {
    /// Takes it. Keys and sizes are sent from now on. A panic gives it back before it says anything: the library's
    /// hook does that.
    pub fn begin(sender: UnboundedSender<Event>) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut screen = Self { terminal, is_over: Arc::clone(&is_over), keys: None };
        let keys = std::thread::Builder::new().name("keys".to_owned());
        screen.keys = Some(keys.spawn(move || listen(&Sender(sender), &is_over))?);
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Whatever is typed from now on is the shell's.
        let is_whole = self.keys.take().is_none_or(|keys| keys.join().is_ok());
        // After a panic it was given back, and what was said since then must stay.
        if is_whole && !std::thread::panicking() {
            ratatui::restore();
        }
    }
}

/// Says at the end, whichever it is, that no more keys come.
struct Sender(UnboundedSender<Event>);

impl Drop for Sender {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.0.send(Event::Closed);
    }
}

fn listen(sender: &Sender, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let event = match event::poll(LOOK) {
            Ok(true) => event::read(),
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        let event = match event {
            Ok(event::Event::Key(key)) if !key.is_release() => Event::Key(key),
            Ok(event::Event::Resize(columns, lines)) => Event::Resize(columns, lines),
            Ok(_) => continue,
            Err(_) => return,
        };
        if sender.0.send(event).is_err() {
            return;
        }
    }
}
