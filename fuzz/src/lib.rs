//! What is fuzzed: the files of the command in which strangers' bytes and users' words are read.
//!
//! The command is a program and no library, so its files are taken in by their paths; they need nothing of the rest of it, but for the library.

// Not all of them is called from here, and what they document is the command's.
#![allow(dead_code, missing_docs)]

#[path = "../../wharf-cli/src/address.rs"]
pub mod address;
#[path = "../checks.rs"]
pub mod checks;
#[path = "../../wharf-cli/src/http_answer.rs"]
pub mod http_answer;
#[path = "../../wharf-cli/src/quantity.rs"]
pub mod quantity;
#[path = "../../wharf-cli/src/work.rs"]
pub mod work;
