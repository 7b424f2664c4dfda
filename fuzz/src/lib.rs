//! What is fuzzed: the files of the command and of the toolkit in which strangers' bytes and users' words are read.
//!
//! The command is a program and no library, and of the toolkit they are no part that others see; so these files are taken in by their
//! paths, and need nothing of the rest but the library.

// Not all of them is called from here, and what they document is the command's.
#![allow(dead_code, missing_docs)]

#[path = "../../wharf-cli/src/address.rs"]
pub mod address;
#[path = "../checks.rs"]
pub mod checks;
#[path = "../../wharf-server/src/header.rs"]
pub mod header;
#[path = "../../wharf-cli/src/http_answer.rs"]
pub mod http_answer;
#[path = "../../wharf-cli/src/quantity.rs"]
pub mod quantity;
#[path = "../../wharf-cli/src/work.rs"]
pub mod work;
