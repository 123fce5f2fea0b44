//! Bugs that the fault campaigns plant, to show that they would see them. Each is one that an honest hand could make. Where
//! it would be, the code asks for it by its name; without the feature `plants` the answer is a constant, and nothing is
//! left of it.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// What cannot be seen passes for absent.
    UnknownIsGone,
    /// What is to go to the trash is destroyed.
    TrashIsGone,
    /// No step waits for another.
    OrderIsLost,
    /// A process that was started from another spec is taken for the one that is wanted.
    EditIsMissed,
    /// A process that is not ready yet is started once more.
    StartsTwice,
    /// What nobody wants any more is not looked at.
    LeavingIsForgotten,
    /// What is about to be done is not written down.
    IntentIsLate,
    /// What is deleted is kept for no time at all.
    RetentionIsNothing,
    /// Secrets can be read by everybody.
    SecretsAreOpen,
    /// A database is dropped where it is to go to the trash.
    TrashIsDropped,
    /// A worktree leaves without what git does not know.
    TreeIsCleaned,
    /// The processes of whoever leaves are not looked for.
    LeaversAreOverlooked,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::UnknownIsGone,
        Self::TrashIsGone,
        Self::OrderIsLost,
        Self::EditIsMissed,
        Self::StartsTwice,
        Self::LeavingIsForgotten,
        Self::IntentIsLate,
        Self::RetentionIsNothing,
        Self::SecretsAreOpen,
        Self::TrashIsDropped,
        Self::TreeIsCleaned,
        Self::LeaversAreOverlooked,
    ];
}

/// Whether this bug is planted.
#[cfg(not(feature = "plants"))]
#[inline]
pub const fn is_planted(_: Bug) -> bool {
    false
}

/// Whether this bug is planted.
#[cfg(feature = "plants")]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

#[cfg(feature = "plants")]
static EVERYWHERE: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

#[cfg(feature = "plants")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = std::cell::Cell::new(EVERYWHERE.get().copied());
}

/// Plants a bug in this thread, in place of the one before.
#[cfg(feature = "plants")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Plants the bug of this name in all threads that begin from now on, if there is one.
#[cfg(feature = "plants")]
pub fn plant_everywhere(name: &str) {
    if let Some(bug) = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name) {
        let _ = EVERYWHERE.set(bug);
        plant(Some(bug));
    }
}
