//! The lines of a log from its oldest file on, and then what is new, whatever is rotated meanwhile.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::rotated::{self, Rotated};
use super::{From, Joiner, Line, Stream};

/// A line is at most this much older than the time at which its file was changed last.
const CLOCKS: Duration = Duration::from_secs(2);
/// Between the looks at a log that is rotated at this very moment.
const LOOKS: usize = 10;

/// A position in a log that may be rotated meanwhile.
pub struct Follower {
    path: PathBuf,
    file: Option<BufReader<File>>,
    inode: u64,
    /// The number that the current file gets when it is rotated.
    number: u64,
    reader: Reader,
}

/// Makes lines of the bytes of one file after another.
#[derive(Default)]
struct Reader {
    /// The beginning of a line whose end is not written yet.
    torn: Vec<u8>,
    joiner: Joiner,
}

/// The files of a log at one moment.
struct Files {
    current: Option<File>,
    inode: u64,
    rotated: Vec<Rotated>,
    next: u64,
}

impl Follower {
    /// Opens a log and gives the lines that are there, rotated files included; a log that does not
    /// exist yet has none.
    pub fn open(path: &Path, from: From) -> io::Result<(Self, Vec<Line>)> {
        // The last lines are in the current file as a rule; the others are large.
        if let Some(tail) = from.tail {
            let mut begun = Begun::new(from);
            let follower = Self::begin(path, &mut begun, false)?;
            if begun.seen > tail {
                return Ok((follower, begun.kept.into()));
            }
        }
        let mut begun = Begun::new(from);
        let follower = Self::begin(path, &mut begun, true)?;
        Ok((follower, begun.kept.into()))
    }

    fn begin(path: &Path, begun: &mut Begun, older: bool) -> io::Result<Self> {
        let files = Files::look(path)?;
        let mut reader = Reader::default();
        let since_ms = begun.from.since_ms;
        let mut keep = |line: Line| begun.keep(line);
        for rotated in files.rotated.iter().filter(|_| older) {
            // All of its lines are from before the last change of it.
            let is_old = since_ms.is_some_and(|since| {
                let since = UNIX_EPOCH + Duration::from_millis(since);
                rotated.written().is_some_and(|written| written + CLOCKS < since)
            });
            if !is_old {
                reader.rotated(rotated, &mut keep)?;
            }
        }
        let mut follower = Self {
            path: path.to_owned(),
            file: files.current.map(BufReader::new),
            inode: files.inode,
            number: files.next,
            reader,
        };
        follower.read(&mut keep)?;
        Ok(follower)
    }

    /// The lines written since the last call.
    pub fn next_lines(&mut self) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        self.read_new(&mut |line| lines.push(line))?;
        Ok(lines)
    }

    fn read_new(&mut self, keep: &mut impl FnMut(Line)) -> io::Result<()> {
        self.read(keep)?;
        match std::fs::metadata(&self.path) {
            Ok(metadata) if self.file.is_some() && metadata.ino() == self.inode => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        let files = Files::look(&self.path)?;
        // The old file is read to its end once more: it grew until it was renamed.
        self.read(keep)?;
        // Under a flood, whole files come and go between two looks.
        let read = self.number + u64::from(self.file.is_some());
        for rotated in files.rotated.iter().filter(|it| it.number >= read) {
            self.reader.rotated(rotated, keep)?;
        }
        (self.file, self.inode) = (files.current.map(BufReader::new), files.inode);
        self.number = files.next;
        self.read(keep)
    }

    fn read(&mut self, keep: &mut impl FnMut(Line)) -> io::Result<()> {
        match &mut self.file {
            Some(file) => self.reader.read(file, keep),
            None => Ok(()),
        }
    }
}

impl Files {
    /// Looks until nothing was rotated meanwhile.
    fn look(path: &Path) -> io::Result<Self> {
        let mut looks = 0;
        loop {
            looks += 1;
            let current = match File::open(path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let inode = current.as_ref().map(File::metadata).transpose()?.map_or(0, |it| it.ino());
            let listing = rotated::list(path)?;
            let now = std::fs::metadata(path).map_or(0, |metadata| metadata.ino());
            if now == inode || looks == LOOKS {
                return Ok(Self { current, inode, rotated: listing.files, next: listing.last + 1 });
            }
        }
    }
}

impl Reader {
    /// Reads a rotated file to its end. What cannot be read of it is said in its place, and hides nothing of the others.
    fn rotated(&mut self, rotated: &Rotated, keep: &mut impl FnMut(Line)) -> io::Result<()> {
        let read = rotated.open().and_then(|file| match file {
            Some(mut file) => self.read(&mut file, keep),
            None => Ok(()),
        });
        match read {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                self.torn.clear();
                let text =
                    format!("the rest of {} is not readable: {error}", rotated.path.display());
                keep(Line { at_ms: None, stream: Stream::Shim, text: text.into_bytes() });
                Ok(())
            }
            read => read,
        }
    }

    fn read(&mut self, file: &mut impl BufRead, keep: &mut impl FnMut(Line)) -> io::Result<()> {
        loop {
            if file.read_until(b'\n', &mut self.torn)? == 0 {
                return Ok(());
            }
            if self.torn.last() != Some(&b'\n') {
                return Ok(());
            }
            let mut raw = std::mem::take(&mut self.torn);
            raw.pop();
            self.joiner.push(raw, keep);
        }
    }
}

/// The lines to begin with.
struct Begun {
    from: From,
    kept: VecDeque<Line>,
    /// How many there were, with those that were dropped again.
    seen: usize,
}

impl Begun {
    fn new(from: From) -> Self {
        Self { from, kept: VecDeque::new(), seen: 0 }
    }

    fn keep(&mut self, line: Line) {
        if self.from.since_ms.is_some_and(|since| line.at_ms.is_some_and(|at| at < since)) {
            return;
        }
        self.seen += 1;
        self.kept.push_back(line);
        if self.from.tail.is_some_and(|tail| self.kept.len() > tail) {
            self.kept.pop_front();
        }
    }
}
