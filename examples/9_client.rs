//! A client of many servers at once: each is asked, and each answer, or what was there instead, is printed.
//!
//! One thread and one port serve all of them. Connecting and receiving have a time-out each, which the port keeps.
//!
//! `cargo run -p wharf-examples --example client -- 127.0.0.1:21001 127.0.0.1:21005`: as many addresses as you like.

use std::{error::Error, time::Duration};

use wharf::{Buffer, CompletionPort, Finished, Wait};

const TIMEOUT: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let port = CompletionPort::<String>::new(1)?;
    let mut under_way = 0;
    for server in std::env::args().skip(1) {
        let connect = port.with_timeout(TIMEOUT).connect_send(
            server.parse()?,
            b"GET / HTTP/1.1\r\n\r\n",
            server,
        );
        connect.map_err(|refused| refused.error)?;
        under_way += 1;
    }
    while under_way > 0 {
        let Wait::Completed(completion) = port.wait(None)? else {
            break;
        };
        let server = completion.key;
        match (completion.result, completion.what) {
            (Ok(_), Finished::ConnectedSent { socket, .. }) => {
                socket
                    .with_timeout(TIMEOUT)
                    .receive(Buffer::with_capacity(1_024))?;
                continue;
            }
            (Ok(_), Finished::Received { buffer, .. }) => {
                let answer = String::from_utf8_lossy(&buffer);
                println!("{server}: {}", answer.lines().next().unwrap_or("nothing"));
            }
            (result, _) => println!(
                "{server}: {}",
                result
                    .err()
                    .map_or("what?".into(), |error| error.to_string())
            ),
        }
        under_way -= 1;
    }
    Ok(())
}
