//! What processes may use. How they are held to it is the provider's affair.

/// What a process may use, with all that it starts; `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    pub milli_cpus: Option<u64>,
    /// How many processes.
    pub pids: Option<u32>,
    /// How many files each of them may have open.
    pub open_files: Option<u64>,
    /// How willingly it lets others go first: -20 to 19.
    pub nice: Option<i32>,
}

/// What all processes of an agent may use together; `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    pub milli_cpus: Option<u64>,
    /// How many processes.
    pub pids: Option<u32>,
}
