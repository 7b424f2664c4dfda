//! What was measured, kept in files: one a row.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::Machine;

/// The folder of results.
#[derive(Debug)]
pub struct Results(PathBuf);

/// The figures of a row, and where they were taken.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    pub machine: Machine,
    pub figures: Value,
}

impl Results {
    pub fn in_folder(lab: &Path) -> Self {
        Results(lab.join("results"))
    }

    fn file(&self, row: u8) -> PathBuf {
        self.0.join(format!("row-{row}.json"))
    }

    pub fn keep(&self, row: u8, figures: Value) -> Result<(), String> {
        let kept = Kept {
            machine: Machine::now(),
            figures,
        };
        let text = serde_json::to_string_pretty(&kept).map_err(|error| error.to_string())?;
        let file = self.file(row);
        fs::create_dir_all(&self.0)
            .and_then(|()| fs::write(&file, text + "\n"))
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    /// What was kept of a row, if anything.
    pub fn of(&self, row: u8) -> Option<Kept> {
        let text = fs::read(self.file(row)).ok()?;
        serde_json::from_slice(&text).ok()
    }
}
