//! The conformance suite: what a completion port does, statement by statement, on every driver.
//!
//! The statements are numbered, and each test is named after the one that it holds the library to: `s23_...` is about
//! statement 23. Every test runs once for each driver, in a process of its own ([`runner`]), through the public API alone; what
//! it leaves behind, threads or descriptors, is a failure. No test sleeps where something can be awaited, and none hangs: what
//! must come has a guard, and what must not come is looked for for a while.
//!
//! - [`ports`]: 1 to 10, the port, its keys, and which thread runs.
//! - [`blocking`]: 9, threads that block in their handlers.
//! - [`waiting`]: 11 to 18, what a wait answers and what a start is told.
//! - [`streams`]: 19 to 33, connected streams, accepting and connecting.
//! - [`setup`]: 17, 29, 30 and 32, first bytes, files that are sent, results without a packet.
//! - [`reuse`]: 31, disconnecting for reuse, which Windows has.
//! - [`datagrams`]: 34. [`files`]: 35. [`local`]: 36, local sockets.
//! - [`timers`]: 37, timers, and 48, timers that are cancelled without a packet.
//! - [`ends`]: 38 to 43, closing, panics, and threads that go.
//! - [`hooks`]: 45 to 47, contexts, what is beneath a handle, and attempts on memory that is lent.
//! - [`quiet_posts`]: 49, posts that release no thread at first.
//! - [`time_outs`]: 50, operations with a time-out.
//!
//! Statements that a test has to change the whole process for (descriptors that run out, forks, signals) are in
//! `tests/process.rs`, memory that is left behind in `tests/leaks.rs`, the raw layer in
//! `tests/raw.rs`. What is not covered, [`NOT_COVERED`] says, and what a driver can't be held to, [`EXCEPTIONS`].

#![cfg_attr(
    windows,
    allow(
        unused_variables,
        irrefutable_let_patterns,
        reason = "there is but one kind of kernel"
    )
)]

#[macro_use]
#[allow(unused_macros, reason = "other test targets use them")]
mod harness;
mod blocking;
mod datagrams;
mod ends;
mod files;
mod hooks;
#[cfg(unix)]
mod local;
mod ports;
mod quiet_posts;
#[cfg(windows)]
mod reuse;
mod runner;
mod setup;
mod streams;
mod time_outs;
mod timers;
mod waiting;

use std::process::ExitCode;

use harness::Driver;
use runner::{Exception, Statement};

/// Statements that no test here holds the library to, in full or in part, and why.
const NOT_COVERED: [(&str, &str); 4] = [
    (
        "2, a handle associated twice",
        "does not compile: `associate` takes the handle",
    ),
    (
        "3, starting before associating",
        "does not compile: operations are started on what `associate` returns",
    ),
    (
        "30, a connect that timed out",
        "takes the system two minutes, and its settings to shorten; tests/faults has the call fail so",
    ),
    (
        "44, on uring: the end of a port interrupts nothing that its threads do elsewhere",
        "the kernel signals the threads that used a ring when it is torn down, and an epoll_wait of theirs fails with EINTR",
    ),
];

/// Statements that one driver can't be held to.
const EXCEPTIONS: &[Exception] = &[
    (
        "s28_an_accept_and_a_connect_can_be_cancelled",
        Driver::Simulated,
        "its backlogs never fill",
    ),
    (
        "s30_a_connection_on_its_way_completes_when_it_is_made",
        Driver::Simulated,
        "its backlogs never fill",
    ),
    (
        "s31_a_disconnect_ends_the_connection_in_order_behind_what_was_sent",
        Driver::Readiness,
        "only Windows has it, and elsewhere the API does not pretend",
    ),
    (
        "s31_a_disconnect_ends_the_connection_in_order_behind_what_was_sent",
        Driver::Uring,
        "only Windows has it, and elsewhere the API does not pretend",
    ),
    (
        "s31_a_disconnect_ends_the_connection_in_order_behind_what_was_sent",
        Driver::Simulated,
        "only Windows has it, and elsewhere the API does not pretend",
    ),
    (
        "s31_a_disconnected_socket_can_be_connected_again",
        Driver::Readiness,
        "only Windows has it, and elsewhere the API does not pretend",
    ),
    (
        "s31_a_disconnected_socket_can_be_connected_again",
        Driver::Uring,
        "only Windows has it, and elsewhere the API does not pretend",
    ),
    (
        "s31_a_disconnected_socket_can_be_connected_again",
        Driver::Simulated,
        "only Windows has it, and elsewhere the API does not pretend",
    ),
    (
        "s33_urgent_data_hides_nothing_of_the_stream",
        Driver::Simulated,
        "it has no urgent data",
    ),
    (
        "s35_errors_are_those_of_the_system",
        Driver::Simulated,
        "it has no device that is full and no file that is read-only",
    ),
    (
        "s35_a_file_that_was_opened_to_be_read_is_not_written",
        Driver::Simulated,
        "it has no file that is read-only",
    ),
    (
        "s36_local_sockets_carry_bytes_like_any_stream",
        Driver::Simulated,
        "it has no local sockets",
    ),
    (
        "s36_a_local_peer_that_is_gone_is_an_end_or_a_failure",
        Driver::Simulated,
        "it has no local sockets",
    ),
    (
        "s36_connecting_where_nobody_listens_fails",
        Driver::Simulated,
        "it has no local sockets",
    ),
    (
        "s36_a_backlog_that_is_full_refuses_and_does_not_hang",
        Driver::Simulated,
        "it has no local sockets",
    ),
    (
        "s36_local_sockets_carry_bytes_like_any_stream",
        Driver::Windows,
        "local sockets are for Unix",
    ),
    (
        "s36_a_local_peer_that_is_gone_is_an_end_or_a_failure",
        Driver::Windows,
        "local sockets are for Unix",
    ),
    (
        "s36_connecting_where_nobody_listens_fails",
        Driver::Windows,
        "local sockets are for Unix",
    ),
    (
        "s36_too_long_a_path_is_refused",
        Driver::Windows,
        "local sockets are for Unix",
    ),
    (
        "s36_a_backlog_that_is_full_refuses_and_does_not_hang",
        Driver::Windows,
        "local sockets are for Unix",
    ),
    (
        "s22_a_receive_that_waits_for_memory_sees_the_end_and_a_reset",
        Driver::Windows,
        "the kernel tells that something is there, and what when it is received",
    ),
    (
        "s35_errors_are_those_of_the_system",
        Driver::Windows,
        "it has no device that is full",
    ),
    (
        "s07_the_gate_holds_over_a_million_packets",
        Driver::Windows,
        "the kernel does not tell whom it released for whom",
    ),
    (
        "s09_a_pool_that_is_busy_does_not_grow",
        Driver::Windows,
        "nobody is told when all are blocked, so a pool that may grow keeps one that waits",
    ),
    (
        "s09_to_say_that_one_blocks_is_harmless_where_one_does_not_run",
        Driver::Windows,
        "the kernel does not tell who is blocked",
    ),
    (
        "s09_a_snapshot_tells_who_is_blocked_since_when_and_what_waits",
        Driver::Windows,
        "the kernel does not tell who is blocked",
    ),
    (
        "s36_local_sockets_know_their_addresses",
        Driver::Simulated,
        "it has no local sockets",
    ),
    (
        "s36_local_sockets_know_their_addresses",
        Driver::Windows,
        "local sockets are for Unix",
    ),
    (
        "s36_an_address_may_be_a_name_outside_of_the_file_system",
        Driver::Simulated,
        "it has no local sockets",
    ),
    (
        "s36_an_address_may_be_a_name_outside_of_the_file_system",
        Driver::Windows,
        "local sockets are for Unix",
    ),
    (
        "s46_what_is_beneath_stays_open_while_it_is_borrowed",
        Driver::Simulated,
        "it has no descriptors of the system's",
    ),
    (
        "s46_a_blocking_mode_that_is_set_beneath_stops_no_thread",
        Driver::Simulated,
        "it has no descriptors of the system's",
    ),
    (
        "s46_what_is_beneath_stays_open_while_it_is_borrowed",
        Driver::Windows,
        "the handle is locked meanwhile, and must not be used",
    ),
    (
        "s46_a_blocking_mode_that_is_set_beneath_stops_no_thread",
        Driver::Windows,
        "overlapped calls know no such mode",
    ),
    (
        "s49_the_thread_that_posts_quietly_goes_on_with_the_packet",
        Driver::Windows,
        "the kernel has the queue, and releases a thread as for any post",
    ),
];

/// Statements that are for real Windows to judge: Wine, where this system is that, does what it says there.
const WINE: &[(&str, &str)] = &[
    (
        "s20_a_reset_is_no_end_of_file_however_the_receive_is_made",
        "Wine takes the error of a reset from the socket itself, and a receive that is started then finds an end",
    ),
    (
        "s31_a_disconnect_ends_the_connection_in_order_behind_what_was_sent",
        "Wine 8 says that the call is pending, ends it at once, and queues no packet where a handle skips those",
    ),
    (
        "s31_a_disconnected_socket_can_be_connected_again",
        "Wine 8 ends the connection, and knows no reuse of the socket",
    ),
    (
        "s06_waiting_threads_are_released_last_in_first_out",
        "Wine 8 releases the first to wait first",
    ),
    (
        "s06_s08_a_thread_that_comes_late_takes_what_is_queued_before_a_parked_one_is_woken",
        "Wine ignores the port's concurrency",
    ),
    (
        "s07_a_packet_stays_queued_while_as_many_run_as_may",
        "Wine ignores the port's concurrency",
    ),
    (
        "s07_never_more_run_than_the_concurrency",
        "Wine ignores the port's concurrency",
    ),
    (
        "s09_a_thread_that_computes_keeps_its_place",
        "Wine ignores the port's concurrency",
    ),
    (
        "s09_the_overshoot_ends_when_a_thread_next_waits",
        "Wine ignores the port's concurrency",
    ),
    (
        "s10_a_thread_that_exits_gives_its_place_back",
        "Wine ignores the port's concurrency",
    ),
    (
        "s10_a_thread_that_waits_on_another_port_gives_its_place_back",
        "Wine ignores the port's concurrency",
    ),
];

macro_rules! statements {
    ($($chapter:ident { $($statement:ident)* })*) => {
        /// All of them, in the order of their numbers.
        const STATEMENTS: &[Statement] = &[$($(
            Statement {
                name: stringify!($statement),
                test: $chapter::$statement,
            },
        )*)*];
    };
}

/// Statements that do not compile on this system, where they are not judged.
macro_rules! elsewhere {
    ($chapter:ident { $($statement:ident)* }) => {
        mod $chapter {
            $(pub fn $statement(_: crate::harness::Driver) {
                unreachable!("it is not judged here");
            })*
        }
    };
}

#[cfg(windows)]
elsewhere! {
    local {
        s36_local_sockets_carry_bytes_like_any_stream
        s36_a_local_peer_that_is_gone_is_an_end_or_a_failure
        s36_connecting_where_nobody_listens_fails
        s36_too_long_a_path_is_refused
        s36_a_backlog_that_is_full_refuses_and_does_not_hang
        s36_local_sockets_know_their_addresses
        s36_an_address_may_be_a_name_outside_of_the_file_system
    }
}

#[cfg(unix)]
elsewhere! {
    reuse {
        s31_a_disconnect_ends_the_connection_in_order_behind_what_was_sent
        s31_a_disconnected_socket_can_be_connected_again
    }
}

fn main() -> ExitCode {
    let mut exceptions = EXCEPTIONS.to_vec();
    if harness::platform::is_wine() {
        let of_wine = |&(name, reason)| (name, Driver::Windows, reason);
        exceptions.extend(WINE.iter().map(of_wine));
    }
    runner::run(STATEMENTS, &exceptions, &NOT_COVERED)
}

statements! {
    ports {
        s01_concurrency_0_is_the_processors_that_may_be_used
        s01_the_driver_is_the_one_that_was_asked_for
        s02_a_handle_keeps_its_port_and_its_key_until_it_is_closed
        s04_an_accept_has_the_listeners_key_and_the_new_socket_its_own
        s05_packets_leave_in_the_order_in_which_a_thread_posts_them
        s06_waiting_threads_are_released_last_in_first_out
        s06_s08_a_thread_that_comes_late_takes_what_is_queued_before_a_parked_one_is_woken
        s07_a_packet_stays_queued_while_as_many_run_as_may
        s07_never_more_run_than_the_concurrency
        s07_the_gate_holds_over_a_million_packets
        s07_a_released_waiter_runs_beside_one_that_runs_already
        s07_a_busy_thread_holds_back_no_other_sockets_data
        s07_no_packet_is_left_beside_a_thread_that_waits
        s07_posts_that_never_end_do_not_hold_data_back
        s07_a_thread_that_waits_already_sees_the_first_socket_and_the_first_timer
        s10_a_thread_that_exits_gives_its_place_back
        s10_a_thread_that_waits_on_another_port_gives_its_place_back
        s10_a_thread_that_waits_is_released_for_sockets_when_the_runner_leaves
    }
    blocking {
        s09_a_thread_that_blocks_gives_its_place_to_another
        s09_a_thread_that_computes_keeps_its_place
        s09_a_thread_that_says_that_it_blocks_needs_not_be_found_out
        s09_to_say_that_one_blocks_is_harmless_where_one_does_not_run
        s09_the_overshoot_ends_when_a_thread_next_waits
        s09_a_pool_grows_while_all_are_blocked_and_no_further_than_it_may
        s09_a_pool_that_grew_shrinks_again
        s09_a_pool_that_is_busy_does_not_grow
        s09_a_thread_that_blocks_hides_nothing_that_comes_meanwhile
        s09_what_a_blocked_thread_had_found_ready_is_served_by_others
        s09_a_snapshot_tells_who_is_blocked_since_when_and_what_waits
        s09_one_that_is_blocked_for_good_costs_a_close_nothing
        s09_the_gate_holds_for_those_that_block_now_and_then
    }
    waiting {
        s11_success_brings_the_bytes_the_key_and_the_operation
        s12_a_time_out_is_an_answer_of_its_own_and_never_early
        s12_zero_polls
        s12_no_time_out_waits_until_something_comes
        s12_a_very_long_time_out_does_not_overflow
        s12_events_that_complete_nothing_do_not_end_a_wait
        s13_a_failure_brings_key_operation_error_and_the_bytes_that_did_move
        s14_closing_releases_every_waiter_and_answers_every_later_wait
        s15_a_wait_for_many_takes_up_to_so_many_in_queue_order
        s15_a_wait_for_many_waits_for_at_least_one
        s15_failed_ones_among_many_are_marked_each_by_itself
        s15_a_wait_for_none_is_an_error
        s16_a_posted_packet_carries_what_was_posted
        s17_what_succeeds_at_once_still_completes_through_the_port_and_once
        s17_a_quiet_send_gives_no_packet_when_it_succeeds
        s17_a_quiet_send_gives_its_packet_when_it_fails
        s18_what_is_refused_at_the_start_gives_no_packet
        s18_a_closed_port_refuses_everything
        s18_no_more_is_under_way_than_the_port_takes
        s18_a_send_is_refused_on_a_side_that_is_shut_down
    }
    streams {
        s19_an_orderly_end_is_0_bytes_and_so_is_the_next_receive
        s19_several_receives_under_way_all_see_the_end
        s20_a_reset_fails_the_pending_receive_and_whatever_is_started_after_it
        s20_a_reset_is_no_end_of_file_however_the_receive_is_made
        s20_a_reset_fails_pending_sends_beside_a_pending_receive
        s20_a_reset_that_a_send_noticed_first_is_no_end_of_file
        s21_a_receive_brings_at_least_1_byte_and_at_most_its_buffer
        s22_a_receive_into_0_bytes_waits_for_data_and_takes_none
        s22_idle_receives_from_a_pool_own_no_buffer
        s22_a_failed_receive_from_a_pool_holds_no_buffer
        s22_receives_wait_for_a_pool_that_is_at_its_limit_and_go_on_in_order
        s22_many_clients_share_few_buffers_and_lose_nothing
        s22_a_buffer_goes_to_the_next_when_the_first_in_line_is_cancelled
        s22_a_buffer_goes_to_the_next_when_its_receive_is_cancelled_meanwhile
        s22_a_buffer_goes_to_the_next_when_the_first_in_line_has_its_own_by_now
        s22_a_receive_with_its_own_buffer_does_not_wait_for_a_pool
        s22_a_share_that_is_used_up_keeps_nobody_else_waiting
        s22_a_share_lets_the_next_in_when_the_first_goes_without
        s22_a_buffer_that_is_promised_to_a_receive_is_nobody_elses
        s22_a_receive_that_waits_for_memory_sees_the_end_and_a_reset
        s23_a_send_completes_when_all_of_its_bytes_are_taken
        s23_a_quiet_send_that_waits_keeps_no_buffer_of_its_pool
        s23_a_send_that_asks_for_it_is_refused_while_another_is_under_way
        s23_the_number_of_sends_under_way_is_bounded
        s23_a_send_of_nothing_completes
        s23_a_send_that_its_starter_leaves_behind_goes_out_through_another_thread
        s23_a_send_leaves_although_its_starter_does_not_come_back
        s24_sends_leave_in_call_order_from_any_thread_and_whole
        s24_receives_fill_in_call_order
        s25_gathered_payloads_are_one_operation
        s25_scattered_buffers_are_one_operation
        s26_a_shutdown_follows_the_sends_before_it_and_receives_go_on
        s27_closing_completes_everything_as_cancelled
        s27_a_socket_is_closed_if_sent_only_when_nothing_is_on_its_way
        s27_a_socket_closes_with_the_last_that_holds_it
        s27_a_busy_socket_is_gone_for_its_peer_once_it_is_closed
        s27_the_descriptor_is_not_used_again_under_an_operation
        s28_a_cancelled_receive_gives_its_buffer_back_and_takes_no_data
        s28_cancelling_one_leaves_the_others_in_their_order
        s28_cancelling_what_has_finished_says_not_found_and_changes_nothing
        s28_cancelling_a_handle_covers_all_of_its_operations
        s28_cancelling_the_receives_leaves_the_sends
        s28_a_cancelled_send_says_how_much_of_it_is_out
        s28_a_cancelled_shutdown_leaves_the_sending_side_open
        s28_cancel_and_data_at_once_give_one_completion_and_lose_nothing
        s28_an_accept_and_a_connect_can_be_cancelled
        s29_an_accept_gives_the_new_socket_and_both_addresses
        s29_several_accepts_and_several_connections_find_each_other
        s29_a_peer_that_vanishes_in_the_backlog_does_not_stop_the_listener
        s29_closing_the_listener_cancels_its_accepts
        s30_a_connection_knows_its_addresses_and_carries_bytes
        s30_a_connection_comes_from_the_address_that_was_asked_for
        s30_refused_and_unreachable_are_told_apart
        s30_a_connection_on_its_way_completes_when_it_is_made
        s33_urgent_data_hides_nothing_of_the_stream
        s33_a_peer_that_ended_its_side_is_still_sent_to
        s33_sends_to_a_peer_that_stops_reading_are_bounded
        s33_small_sends_fill_the_limit_exactly
    }
    reuse {
        s31_a_disconnect_ends_the_connection_in_order_behind_what_was_sent
        s31_a_disconnected_socket_can_be_connected_again
    }
    setup {
        s17_what_is_done_at_once_comes_back_from_the_call_and_nothing_follows
        s17_what_is_not_done_at_once_gives_its_packet
        s17_an_accept_takes_what_has_come_within_the_call
        s17_what_stands_in_line_before_goes_first
        s17_what_fails_at_once_comes_back_from_the_call
        s29_an_accept_waits_for_the_first_bytes
        s29_a_peer_that_sends_nothing_holds_up_no_other_accept
        s29_a_peer_that_ends_or_resets_before_its_first_bytes_is_told_of
        s29_an_accept_that_waits_for_first_bytes_can_be_cancelled
        s29_closing_the_listener_cancels_accepts_that_wait_for_first_bytes
        s29_an_accept_into_no_memory_is_refused
        s30_a_connect_sends_its_first_bytes
        s30_a_connect_with_first_bytes_that_is_refused_gives_them_back
        s32_a_file_is_sent_with_head_and_tail_and_all_of_it_counts
        s32_a_part_of_a_file_is_sent_from_an_offset
        s32_a_large_file_is_one_send_in_its_place_among_the_others
        s32_a_file_that_ends_too_soon_is_a_failure_that_says_how_much_is_out
    }
    datagrams {
        s34_datagrams_keep_their_boundaries_and_bring_their_sender
        s34_an_empty_datagram_is_no_end
        s34_what_does_not_fit_is_cut_and_says_so
        s17_a_datagram_that_has_come_is_received_within_the_call
        s34_a_buffer_of_a_pool_is_taken_when_a_datagram_is_there
        s34_one_socket_sends_to_several_peers
        s34_a_datagram_that_is_too_long_to_send_fails_alone
        s34_receives_are_cancelled_and_refused_like_any
        s34_a_quiet_send_gives_no_packet
    }
    files {
        s35_what_is_written_at_an_offset_is_read_there
        s35_reads_end_where_the_file_does
        s35_many_operations_on_one_file_are_under_way_at_once
        s35_a_flush_completes
        s35_errors_are_those_of_the_system
        s35_a_file_that_was_opened_to_be_read_is_not_written
        s35_closing_a_file_gives_everything_back
        s35_closing_the_port_gives_everything_back
        s35_files_take_no_operations_of_streams
    }
    local {
        s36_local_sockets_carry_bytes_like_any_stream
        s36_a_local_peer_that_is_gone_is_an_end_or_a_failure
        s36_connecting_where_nobody_listens_fails
        s36_too_long_a_path_is_refused
        s36_a_backlog_that_is_full_refuses_and_does_not_hang
        s36_local_sockets_know_their_addresses
        s36_an_address_may_be_a_name_outside_of_the_file_system
    }
    timers {
        s37_timers_complete_in_deadline_order_and_never_early
        s37_a_delay_is_never_shorter_than_asked
        s37_a_timer_releases_whoever_waits
        s37_a_cancelled_timer_completes_once_and_at_once
        s37_a_timer_that_has_fired_is_not_found_though_nobody_took_it
        s37_a_very_long_timer_does_not_overflow
        s37_ten_thousand_at_one_instant_all_fire
        s37_a_queue_that_is_never_empty_does_not_put_a_timer_off
        s37_a_million_at_once_are_set_and_cancelled
        s48_a_quietly_cancelled_timer_gives_all_back_and_has_no_packet
        s48_a_timer_that_has_fired_is_not_cancelled_quietly
        s48_nothing_but_a_timer_is_cancelled_quietly
        s48_a_quietly_cancelled_timer_counts_as_ended
        s48_a_timer_that_is_gone_ends_no_wait
        s48_a_timer_fires_or_is_cancelled_quietly_and_never_both
        s48_a_timer_is_cancelled_quietly_or_given_back_by_a_close
    }
    ends {
        s38_closing_gives_everything_back_that_was_under_way
        s38_dropping_the_last_handle_closes_the_port
        s39_closing_twice_gives_everything_back_once
        s39_closing_from_two_threads_at_once_gives_everything_back_once
        s39_closing_from_inside_a_handler
        s39_closing_while_a_handler_runs_does_not_wait_for_it
        s39_closing_while_threads_start_and_wait_loses_nothing
        s40_a_handler_that_panics_costs_its_own_client_and_nobody_else
        s40_a_panic_tells_what_it_said
        s40_workers_have_ended_when_they_are_joined
        s40_joining_tells_which_workers_are_still_busy
        s40_a_worker_that_joins_does_not_wait_for_itself
        s40_a_very_long_join_does_not_overflow
        s41_an_operation_whose_handles_are_dropped_still_completes
        s41_a_quiet_send_whose_socket_is_dropped_still_goes_out
        s42_a_child_that_is_started_meanwhile_holds_nothing_of_the_port
        s43_what_a_thread_started_completes_though_it_has_exited
        s43_what_a_thread_put_off_in_its_handler_goes_out_when_it_exits
    }
    hooks {
        s45_a_context_comes_back_with_its_own_operation
        s45_every_kind_of_operation_takes_a_context
        s45_a_context_comes_back_with_failures_cancels_and_closes
        s45_contexts_go_with_a_port_that_nobody_closes
        s45_a_context_comes_back_with_what_is_refused
        s45_a_refused_context_can_be_given_again
        s45_a_context_of_another_type_stays
        s45_a_quiet_send_drops_its_context_with_its_payload_or_brings_it_with_its_failure
        s45_a_context_comes_back_from_the_call_or_with_the_packet
        s46_options_are_set_on_what_is_beneath
        s46_what_is_beneath_stays_open_while_it_is_borrowed
        s46_a_blocking_mode_that_is_set_beneath_stops_no_thread
        s47_attempts_on_lent_memory_are_done_at_once_or_would_block
        s47_receives_that_are_paused_wait_until_they_are_resumed
        s47_a_paused_receive_keeps_no_buffer_from_others
    }
    quiet_posts {
        s49_the_thread_that_posts_quietly_goes_on_with_the_packet
        s49_a_quiet_post_reaches_another_thread_while_its_poster_computes
        s49_a_quiet_post_reaches_another_thread_when_its_poster_posts_again
        s49_a_quiet_post_reaches_another_thread_when_its_poster_blocks
        s49_a_quiet_post_outlives_its_handler_that_panics
        s49_a_quiet_post_is_left_by_a_thread_that_ends_or_waits_elsewhere
        s49_outside_of_a_handler_of_the_port_it_is_an_ordinary_post
        s49_quiet_posts_have_their_turn_among_all_posts
        s49_a_quiet_post_is_refused_as_any_post_is
        s49_each_packet_that_is_posted_quietly_is_taken_once
    }
    time_outs {
        s50_an_operation_without_a_result_in_time_ends_as_timed_out
        s50_a_result_that_comes_in_time_leaves_nothing_of_its_time_out
        s50_a_time_out_that_strikes_too_late_ends_no_wait
        s50_many_time_outs_strike_one_after_the_other_and_at_once
        s50_what_was_moved_before_the_time_out_is_told
        s50_a_cancelled_operation_is_no_timed_out_one
        s50_what_is_refused_leaves_no_time_out_and_gives_all_back
    }
}
