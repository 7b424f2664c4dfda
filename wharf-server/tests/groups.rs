//! What the toolkit promises of groups, on every driver.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, mpsc},
    thread,
};

#[macro_use]
mod harness;

use harness::{GUARD, connect, expect, expect_end};
use wharf_server::{Client, Ended, Groups, Handler, Result, Server, Settings, codec::Lines};

/// `join GROUP`, `leave GROUP`, `GROUP TEXT`, and `from GROUP TEXT`, which does not come back.
struct Rooms {
    groups: Arc<Groups<String>>,
    gone: Mutex<mpsc::Sender<()>>,
}

impl Handler for Rooms {
    type Session = ();
    type Codec = Lines;
    type Message = ();

    fn codec(&self) -> Lines {
        Lines::new()
    }

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), line: &str) -> Result {
        let answer = match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            ["join", group] => self.groups.join(group, client).to_string(),
            ["leave", group] => self.groups.leave(group, client).to_string(),
            ["from", group, text] => {
                let sent = self.groups.send_from(group, client, format!("{text}\n"));
                sent.to_string()
            }
            [group, text] => {
                self.groups.send(group, format!("{text}\n"));
                return Ok(());
            }
            _ => return Err("no such command".into()),
        };
        client.send(format!("{answer}\n"))?;
        Ok(())
    }

    fn disconnected(&self, _: &Client, (): &mut (), _: &Ended) {
        let _ = self.gone.lock().unwrap().send(());
    }
}

/// The server, its groups, and an event for each client that is gone.
fn start(settings: &Settings) -> (Server, Arc<Groups<String>>, mpsc::Receiver<()>) {
    let groups = Arc::<Groups<String>>::default();
    let (sender, gone) = mpsc::channel();
    let rooms = Rooms {
        groups: groups.clone(),
        gone: Mutex::new(sender),
    };
    let server = Server::start(settings, rooms).unwrap();
    (server, groups, gone)
}

fn says(peer: &mut TcpStream, line: &str, answer: &str) {
    peer.write_all(format!("{line}\n").as_bytes()).unwrap();
    expect(peer, answer.as_bytes());
}

on_every_driver! {
    fn a_group_is_sent_to_and_nobody_else(settings) {
        let (server, groups, _gone) = start(&settings);
        let mut peers: Vec<TcpStream> = (0..3).map(|_| connect(&server)).collect();
        says(&mut peers[0], "join a", "true\n");
        says(&mut peers[0], "join a", "false\n");
        says(&mut peers[1], "join a", "true\n");
        says(&mut peers[1], "join b", "true\n");
        says(&mut peers[2], "join b", "true\n");
        says(&mut peers[0], "from a one", "1\n");
        expect(&mut peers[1], b"one\n");
        says(&mut peers[0], "b two", "");
        expect(&mut peers[1], b"two\n");
        expect(&mut peers[2], b"two\n");
        // One that is in no group of that name may send to it, and gets it back only if it is.
        says(&mut peers[2], "from a three", "2\n");
        expect(&mut peers[0], b"three\n");
        expect(&mut peers[1], b"three\n");
        says(&mut peers[1], "leave a", "true\n");
        says(&mut peers[1], "leave a", "false\n");
        says(&mut peers[2], "from c nobody", "0\n");
        says(&mut peers[0], "a alone", "alone\n");
        assert_eq!(groups.clients("a").len(), 1);
        let mut names = groups.names();
        names.sort();
        assert_eq!(names, ["a", "b"]);
        server.stop(GUARD);
    }

    fn a_client_that_is_gone_is_no_member(settings) {
        let (server, groups, gone) = start(&settings);
        let (mut stays, mut goes) = (connect(&server), connect(&server));
        says(&mut stays, "join a", "true\n");
        says(&mut goes, "join a", "true\n");
        says(&mut goes, "join b", "true\n");
        drop(goes);
        gone.recv_timeout(GUARD).unwrap();
        assert_eq!(groups.clients("a").len(), 1);
        assert_eq!(groups.names(), ["a"]);
        says(&mut stays, "from a hello", "0\n");
        server.stop(GUARD);
        expect_end(&mut stays);
    }

    fn all_members_get_messages_in_the_same_order(settings) {
        const EACH: usize = 200;
        let (server, ..) = start(&settings);
        let mut readers: Vec<TcpStream> = (0..3).map(|_| connect(&server)).collect();
        for reader in &mut readers {
            says(reader, "join a", "true\n");
        }
        let speakers = ["x", "y"].map(|name| {
            let mut speaker = connect(&server);
            thread::spawn(move || {
                for number in 0..EACH {
                    speaker.write_all(format!("a {name}{number:03}\n").as_bytes()).unwrap();
                }
                speaker
            })
        });
        let heard: Vec<Vec<u8>> = readers
            .iter_mut()
            .map(|reader| {
                let mut all = vec![0; 2 * EACH * "x000\n".len()];
                reader.read_exact(&mut all).unwrap();
                all
            })
            .collect();
        assert!(heard.iter().all(|one| *one == heard[0]));
        for speaker in speakers {
            drop(speaker.join().unwrap());
        }
        server.stop(GUARD);
    }
}
