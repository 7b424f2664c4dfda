//! A PostgreSQL of a test's own, of the programs that Debian's package `postgresql` has.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::harness::PATIENCE;

/// A PostgreSQL of the test's own, in a folder of its own, until it is dropped.
pub struct Postgres {
    server: Child,
    folder: PathBuf,
    pub url: String,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Debian's programs of PostgreSQL, of the newest version that is there.
pub fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<_> = versions.flatten().map(|it| it.path().join("bin")).collect();
    versions.retain(|programs| programs.join("initdb").exists());
    versions.sort();
    versions.pop()
}

impl Postgres {
    /// Starts one that listens on a socket in its folder alone.
    pub fn start(programs: &Path) -> Postgres {
        let folder = env::temp_dir().join(format!("wharf-postgres-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        // It refuses to run as root.
        let is_root = fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
        let command = |name: &str| match is_root {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
                command.arg(programs.join(name));
                command
            }
            false => Command::new(programs.join(name)),
        };
        if is_root {
            let owned = Command::new("chown").arg("postgres").arg(&folder).status();
            assert!(owned.expect("chown").success());
        }
        let data = folder.join("data");
        let made = command("initdb")
            .args([
                "--username=me",
                "--auth=trust",
                "--no-sync",
                "--no-instructions",
                "-D",
            ])
            .arg(&data)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("initdb").success());
        let mut server = command("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(&folder);
        server.args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        let server = server.current_dir(&folder).stderr(Stdio::null()).spawn();
        let server = server.expect("postgres");
        let socket = folder.join(".s.PGSQL.5432");
        let began = Instant::now();
        while !socket.exists() {
            assert!(began.elapsed() < PATIENCE, "PostgreSQL does not start");
            thread::sleep(Duration::from_millis(5));
        }
        let url = format!("postgres:///postgres?host={}&user=me", folder.display());
        Postgres {
            server,
            folder,
            url,
        }
    }
}
