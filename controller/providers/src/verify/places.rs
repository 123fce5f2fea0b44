//! Where problems are: tools name files as they see them, from wherever they run. Here they become paths of the worktree.

use std::path::{Path, PathBuf};

use agent_harness_model::layout::normal;

use crate::fs;

/// Looks files of one worktree up.
#[derive(Debug)]
pub struct Places {
    root: PathBuf,
    /// All that Git knows of there; read when it is needed.
    tracked: Option<Vec<String>>,
}

impl Places {
    /// Of a worktree; nothing is read yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root, tracked: None }
    }

    /// The path in the worktree that a tool means by `file`, which ran in one of `folders`; as it is written where that
    /// is not known.
    pub fn find(&mut self, file: &str, folders: &[&Path]) -> String {
        let written = Path::new(file);
        for folder in folders {
            let path = normal(&folder.join(written));
            if fs::metadata(&path).is_ok_and(|found| found.is_some()) {
                return self.below(&path).unwrap_or_else(|| file.to_owned());
            }
        }
        if written.is_absolute() {
            return file.to_owned();
        }
        let ending = format!("/{}", normal(written).display());
        let tracked = self.tracked.get_or_insert_with(|| tracked(&self.root).unwrap_or_default());
        let mut ending_so = tracked.iter().filter(|path| format!("/{path}").ends_with(&ending));
        match (ending_so.next(), ending_so.next()) {
            (Some(one), None) => one.clone(),
            _ => file.to_owned(),
        }
    }

    fn below(&self, path: &Path) -> Option<String> {
        let path = path.strip_prefix(&self.root).ok()?;
        Some(path.display().to_string())
    }
}

fn tracked(root: &Path) -> Result<Vec<String>, git2::Error> {
    let index = git2::Repository::open(root)?.index()?;
    Ok(index.iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_from_wherever_a_tool_runs() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        let repo = git2::Repository::init(&root).unwrap();
        let mut index = repo.index().unwrap();
        for path in ["packages/backend/src/Foo.ts", "packages/common/src/index.ts", "src/index.ts"]
        {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), "").unwrap();
            index.add_path(Path::new(path)).unwrap();
        }
        index.write().unwrap();
        let mut places = Places::new(root.clone());
        let mut find = |file: &str, folder: &str| places.find(file, &[&root.join(folder)]);
        assert_eq!(find("src/Foo.ts", "packages/backend"), "packages/backend/src/Foo.ts");
        assert_eq!(find("./src/Foo.ts", ""), "packages/backend/src/Foo.ts", "only one ends so");
        assert_eq!(find("src/index.ts", ""), "src/index.ts");
        assert_eq!(find("index.ts", ""), "index.ts", "two end so");
        assert_eq!(
            find("../common/src/index.ts", "packages/backend"),
            "packages/common/src/index.ts"
        );
        let whole = root.join("src/index.ts").display().to_string();
        assert_eq!(find(&whole, ""), "src/index.ts");
        assert_eq!(find("/usr/include/stdio.h", ""), "/usr/include/stdio.h");
        assert_eq!(find("no/such.rs", ""), "no/such.rs");
    }
}
