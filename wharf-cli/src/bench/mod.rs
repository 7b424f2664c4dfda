//! `wharf bench`: a load generator for servers that send back what they receive, and for HTTP servers.
//!
//! A [`Plan`] says what to do; [`load`] runs it, with a [`loader`] for each thread, itself on a completion port; the
//! [`Outcome`] is what came of it; [`report`] tells it to people, and [`report_json`] to programs.

mod arguments;
mod arrivals;
mod bars;
mod connection;
mod connections;
mod content;
mod deadline;
mod dialer;
mod event;
mod http;
mod http_path;
mod living;
mod load;
mod load_share;
mod loader;
mod measurement;
mod open_loop;
mod outcome;
mod own_server;
mod pace;
mod patience;
mod plan;
mod point;
mod process;
mod report;
mod report_json;
mod sender;
mod server_address;
mod service;
mod shared;
mod source;
mod sweep;
mod sweep_plot;
mod threshold;
mod traffic;
mod workers_range;

use std::{net::SocketAddr, process::ExitCode};

pub use self::arguments::Arguments;
use self::{
    content::Content,
    load::{Ended, Load},
    outcome::Outcome,
    own_server::OwnServer,
    pace::Pace,
    plan::Plan,
    report::{Report, check_output, print},
    server_address::resolve,
};
use crate::{
    exit,
    quantity::{show_count, show_duration},
};

/// Runs it; the exit codes are those of the help text.
pub fn run(arguments: &Arguments) -> ExitCode {
    if let Err(error) = check_output() {
        return exit::fail(exit::USAGE, &error);
    }
    let load = match Load::prepare() {
        Ok(load) => load,
        Err(error) => return exit::fail(exit::COULD_NOT_RUN, &format!("can't begin: {error}")),
    };
    if let Some(range) = &arguments.sweep_workers {
        return sweep::run(arguments, range, &load);
    }
    let plan = match Plan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => return exit::fail(exit::USAGE, &error),
    };
    let content = Plan::content(arguments);
    match run_once(arguments, &plan, &content, &load) {
        Ok((address, outcome)) => conclude(&Report {
            arguments,
            plan: &plan,
            content: &content,
            address,
            outcome: &outcome,
        }),
        Err(error) => exit::fail(exit::COULD_NOT_RUN, &error),
    }
}

/// One run, against the server that was named or one of our own.
fn run_once(
    arguments: &Arguments,
    plan: &Plan,
    content: &Content,
    load: &Load,
) -> Result<(SocketAddr, Outcome), String> {
    let own = match &arguments.address {
        Some(_) => None,
        None => Some(OwnServer::start(arguments)?),
    };
    let (addresses, pid) = match (&arguments.address, &own) {
        (_, Some(own)) => (vec![own.address()], own.pid()),
        (Some(address), None) => {
            let address = address.clone();
            let found = load.attend(move || resolve(&address));
            let found = found.map_err(|ended| ended.to_string())?;
            (found?, arguments.server_pid)
        }
        (None, None) => unreachable!("there is an address or a server of our own"),
    };
    let mut unreachable = Vec::new();
    for address in addresses {
        match load.run(plan, content, address, pid, arguments.quiet) {
            Ok(outcome) => {
                if let Some(own) = own {
                    own.stop()?;
                }
                return Ok((address, outcome));
            }
            // A name may have an address that is not the server's.
            Err(Ended::Unreachable(why)) => unreachable.push(format!("{address}: {why}")),
            Err(ended) => return Err(format!("{address}: {ended}")),
        }
    }
    Err(unreachable.join("; "))
}

fn conclude(report: &Report) -> ExitCode {
    let Report {
        arguments,
        plan,
        outcome,
        ..
    } = *report;
    let printed = match (arguments.json, arguments.quiet) {
        (true, _) => print(&report_json::json(report)),
        (false, false) => print(&report.for_people()),
        (false, true) => Ok(()),
    };
    if let Err(error) = printed {
        return exit::fail(exit::COULD_NOT_RUN, &error);
    }
    if let Some(message) = unanswered(plan, outcome, arguments.http.is_some()) {
        return exit::fail(exit::WRONG_BYTES, &message);
    }
    let failures: Vec<String> = arguments
        .fail_if
        .iter()
        .filter_map(|threshold| threshold.failure(outcome))
        .collect();
    if !failures.is_empty() {
        return exit::fail(exit::THRESHOLD, &format!("failed: {}", failures.join("; ")));
    }
    match not_as_asked(plan, outcome) {
        None => ExitCode::SUCCESS,
        Some(why) => exit::fail(
            exit::COULD_NOT_RUN,
            &format!("not as it was asked to: {why}"),
        ),
    }
}

/// What is wrong with the answers.
fn unanswered(plan: &Plan, outcome: &Outcome, is_http: bool) -> Option<String> {
    if outcome.wrong + outcome.missing + outcome.timed_out == 0 {
        return None;
    }
    let what = match is_http {
        true => "wrong answers",
        false => "wrong bytes",
    };
    let mut message = format!(
        "{} connections brought {what}, {} requests were not answered",
        outcome.wrong, outcome.missing
    );
    if outcome.timed_out > 0 {
        let timeout = show_duration(plan.timeout.unwrap_or_default());
        message += &format!(", {} not within {timeout}", outcome.timed_out);
    }
    Some(message)
}

/// Why a run is no success of which all answers are right.
fn not_as_asked(plan: &Plan, outcome: &Outcome) -> Option<String> {
    if outcome.requests == 0 {
        let measured = show_duration(outcome.measured);
        let why = match plan.pace {
            _ if outcome.late > 0 => format!(
                "{} answers came later; measure longer with -d",
                show_count(outcome.late)
            ),
            Pace::Open { .. } if outcome.unsent == 0 => {
                "no request was due; use a higher --rate, or measure longer with -d".into()
            }
            _ => "measure longer with -d".into(),
        };
        return Some(format!(
            "nothing was answered in the {measured} that were measured: {why}"
        ));
    }
    if outcome.unmade > 0 {
        let unmade = show_count(outcome.unmade);
        return Some(format!(
            "{unmade} requests were not made, since no connection was left"
        ));
    }
    // Connections that were made again are what was asked for.
    if plan.reconnect && outcome.down == 0 {
        return None;
    }
    let groups = outcome.errors.groups();
    let (what, count) = groups.first()?;
    Some(format!("{what} ({count} times)"))
}
