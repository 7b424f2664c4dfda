//! A server of our own, for a run without an address: this same program, as a process of its own.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
};

use clap::ValueEnum;

use super::arguments::Arguments;
use crate::{framing::Framing, system::apart};

/// A `wharf serve` that ends with us.
#[derive(Debug)]
pub(super) struct OwnServer {
    child: Child,
    /// Its end is the sign for the server to stop; so it also stops if we are killed.
    stdin: Option<ChildStdin>,
    address: SocketAddr,
}

impl OwnServer {
    pub(super) fn start(arguments: &Arguments) -> Result<Self, String> {
        let program =
            env::current_exe().map_err(|error| format!("can't find ourselves: {error}"))?;
        let mut command = Command::new(program);
        command.args([
            "--log",
            "error",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--stop-with-stdin",
        ]);
        // Connections that are replaced are still there for a moment.
        let clients_max = (2 * arguments.connections).clamp(16_384, 1 << 20);
        command.args(["--max-clients", &clients_max.to_string()]);
        if arguments.work.is_some() {
            // Whatever is asked for is meant.
            command.args(["--app", "work", "--work-max", "10s"]);
        }
        if arguments.frames != Framing::None {
            command.args(["--frames", &arguments.frames.name()]);
            command.args(["--max-frame", &arguments.size().max(16).to_string()]);
        }
        for (option, value) in [
            ("--workers", arguments.workers),
            ("--max-workers", arguments.max_workers),
            ("--concurrency", arguments.concurrency),
        ] {
            if let Some(value) = value {
                command.args([option, &value.to_string()]);
            }
        }
        if let Some(value) = arguments
            .driver
            .and_then(|driver| driver.to_possible_value())
        {
            command.args(["--driver", value.get_name()]);
        }
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        apart(&mut command);
        let mut child = command
            .spawn()
            .map_err(|error| format!("can't start a server of our own: {error}"))?;
        let stdin = child.stdin.take();
        let mut first_line = String::new();
        if let Some(output) = child.stdout.take() {
            // What can't be read is not what we look for.
            let _ = BufReader::new(output).read_line(&mut first_line);
        }
        let address = first_line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split(' ').next()?.parse().ok());
        let Some(address) = address else {
            // It has said why on standard error.
            let _ = child.kill();
            let _ = child.wait();
            return Err("the server of our own did not start".into());
        };
        Ok(OwnServer {
            child,
            stdin,
            address,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number, where what it uses can be told.
    pub(super) fn pid(&self) -> Option<u32> {
        cfg!(unix).then(|| self.child.id())
    }

    /// Stops it in order.
    pub(super) fn stop(mut self) -> Result<(), String> {
        drop(self.stdin.take());
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the server of our own ended with {status}")),
            Err(error) => Err(format!("the server of our own: {error}")),
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // After an orderly stop it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
