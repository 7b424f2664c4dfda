//! `wharf serve` on Windows: Ctrl-Break stops it in order. (Ctrl-C can't be sent to one group of processes alone, which is what
//! keeps a test from stopping itself; `ci/windows.sh` sends it by hand.)

#![cfg(windows)]
#![allow(unsafe_code, reason = "the standard library sends no Ctrl-Break")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::windows::process::CommandExt,
    process::{Command, Stdio},
};

use windows_sys::Win32::System::{
    Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent},
    Threading::CREATE_NEW_PROCESS_GROUP,
};

#[test]
fn ctrl_break_stops_the_server_in_order() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .creation_flags(CREATE_NEW_PROCESS_GROUP)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("wharf starts");
    let mut output = BufReader::new(server.stdout.take().expect("it was piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a first line");
    let address = line.split(' ').nth(2).expect("an address");
    assert!(line.contains(" driver=windows "), "{line}");

    let mut client = TcpStream::connect(address).expect("it listens");
    client.write_all(b"ahoy").expect("a connection");
    let mut answer = [0; 4];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"ahoy");

    // SAFETY: it touches no memory.
    let sent = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, server.id()) };
    assert!(sent != 0, "{}", std::io::Error::last_os_error());
    line.clear();
    output.read_line(&mut line).expect("a last line");
    assert_eq!(line.trim_end(), "stopped clients=1 received=4 sent=4 cut=0");
    assert!(server.wait().expect("it ends").success());
    assert_eq!(client.read(&mut answer).expect("an orderly end"), 0);
}
