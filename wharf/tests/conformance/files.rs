//! Statement 35: files.

use std::{collections::HashSet, fs, io::ErrorKind};

use wharf::{Buffer, Completion, CompletionPort, File, Finished};

use crate::harness::*;

#[track_caller]
fn read<K: Key>(completion: Completion<K>) -> Buffer {
    let bytes = *completion.result.as_ref().expect("the read succeeds");
    let Finished::Read { buffer, .. } = completion.what else {
        panic!("a read is due, it was {:?}", completion.what);
    };
    assert_eq!(bytes, buffer.len());
    buffer
}

pub fn s35_what_is_written_at_an_offset_is_read_there(driver: Driver) {
    let port = port(driver, 1);
    let file = file_on(&port, b"0123456789", "key");
    let write = file.write_at(&b"abc"[..], 4).expect("a start");
    let completion = next(&port);
    assert_eq!((completion.key, completion.operation), ("key", write));
    assert_eq!(completion.result.expect("success"), 3);
    assert!(matches!(completion.what, Finished::Written { payload, .. } if payload[..] == *b"abc"));
    file.read_at(Buffer::with_capacity(5), 3).expect("a start");
    assert_eq!(read(next(&port))[..], *b"3abc7");
    // Beyond the end there is room as well.
    file.write_at(&b"end"[..], 100).expect("a start");
    let _ = next(&port);
    assert_eq!(file.length().expect("an open file"), 103);
}

pub fn s35_reads_end_where_the_file_does(driver: Driver) {
    let port = port(driver, 1);
    let file = file_on(&port, b"0123456789", ());
    for (offset, expected) in [(6, &b"6789"[..]), (10, b""), (1000, b"")] {
        let buffer = Buffer::with_capacity(64);
        file.read_at(buffer, offset).expect("a start");
        assert_eq!(read(next(&port))[..], *expected);
    }
    file.read_at(Buffer::with_capacity(0), 0).expect("a start");
    assert!(read(next(&port)).is_empty());
    file.write_at(&b""[..], 0).expect("a start");
    assert_eq!(next(&port).result.expect("success"), 0);
}

pub fn s35_many_operations_on_one_file_are_under_way_at_once(driver: Driver) {
    const BLOCK: usize = 4096;
    const BLOCKS: usize = 200;
    let port = port(driver, 1);
    let file = file_on(&port, b"", ());
    let block = |number: usize| vec![number as u8; BLOCK];
    let offset = |number: usize| (number * BLOCK) as u64;
    let writes: HashSet<_> = (0..BLOCKS)
        .map(|number| file.write_at(block(number), offset(number)))
        .map(|started| started.expect("a start"))
        .collect();
    let written: HashSet<_> = (0..BLOCKS).map(|_| next(&port).operation).collect();
    assert_eq!(writes, written);
    let mut reads: Vec<_> = (0..BLOCKS)
        .map(|number| file.read_at(Buffer::with_capacity(BLOCK), offset(number)))
        .map(|started| started.expect("a start"))
        .collect();
    for _ in 0..BLOCKS {
        let completion = next(&port);
        let number = reads.iter().position(|id| *id == completion.operation);
        let number = number.expect("one of those that were started, once");
        reads[number] = completion.operation;
        assert!(read(completion)[..] == block(number));
    }
}

pub fn s35_a_flush_completes(driver: Driver) {
    let port = port(driver, 1);
    let file = file_on(&port, b"", ());
    file.write_at(&b"ahoy"[..], 0).expect("a start");
    let _ = next(&port);
    let flush = file.flush().expect("a start");
    let completion = next(&port);
    assert_eq!(completion.operation, flush);
    assert_eq!(completion.result.expect("success"), 0);
    assert!(matches!(completion.what, Finished::Flushed { .. }));
}

pub fn s35_errors_are_those_of_the_system(driver: Driver) {
    let port = port(driver, 1);
    let open = |path| fs::File::options().write(true).open(path);
    let full = open("/dev/full").expect("a device");
    let full = port.associate(full, ()).expect("an association");
    full.write_at(&b"ahoy"[..], 0).expect("a start");
    assert_eq!(failed(&next(&port)), ErrorKind::StorageFull);
    let read_only = fs::File::open("/dev/null").expect("a device");
    let read_only = port.associate(read_only, ()).expect("an association");
    read_only.write_at(&b"ahoy"[..], 0).expect("a start");
    let completion = next(&port);
    let error = completion.result.expect_err("it is read-only");
    assert_eq!(error.raw_os_error(), Some(platform::NOT_OPEN_FOR_IT));
    assert!(
        matches!(completion.what, Finished::Written { payload, .. } if payload[..] == *b"ahoy")
    );
}

pub fn s35_a_file_that_was_opened_to_be_read_is_not_written(driver: Driver) {
    let port = port(driver, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, b"ahoy").expect("a file");
    let file = fs::File::open(&path).expect("a file");
    let file = port.associate(file, ()).expect("an association");
    file.write_at(&b"lost"[..], 0).expect("a start");
    next(&port).result.expect_err("it is not open for that");
    file.read_at(Buffer::with_capacity(8), 0).expect("a start");
    let Finished::Read { buffer, .. } = next(&port).what else {
        panic!("it was a read");
    };
    assert_eq!(buffer[..], *b"ahoy");
    assert_eq!(fs::read(&path).expect("the file"), b"ahoy");
}

const READS: usize = 100;

/// A file with more reads under way than there are threads for files.
fn with_reads(port: &CompletionPort<()>) -> File<()> {
    let file = file_on(port, &pattern(1 << 20), ());
    for _ in 0..READS {
        let buffer = Buffer::with_capacity(1 << 20);
        file.read_at(buffer, 0).expect("a start");
    }
    file
}

pub fn s35_closing_a_file_gives_everything_back(driver: Driver) {
    let port = port(driver, 1);
    let file = with_reads(&port);
    assert!(file.close());
    for _ in 0..READS {
        let completion = next(&port);
        // Those that had begun end with their results.
        assert!(completion.is_cancelled() || completion.transferred == 1 << 20);
        assert!(
            matches!(completion.what, Finished::Read { buffer, .. } if buffer.capacity() == 1 << 20)
        );
    }
    expect_nothing(&port);
    let refused = file.read_at(Buffer::with_capacity(8), 0);
    assert_eq!(refused.expect_err("it is closed").given.capacity(), 8);
}

pub fn s35_closing_the_port_gives_everything_back(driver: Driver) {
    let port = port(driver, 1);
    let file = with_reads(&port);
    assert_eq!(port.close().len(), READS);
    file.flush().expect_err("it is closed");
}

pub fn s35_files_take_no_operations_of_streams(driver: Driver) {
    use wharf::raw::{Kind, Overlapped, Port, Request};
    let port = Port::new(&driver.options()).expect("the driver is available here");
    let handle = port.associate(file(driver, b""), 0, Kind::File);
    let mut operation = Overlapped::new(0, Request::ReceiveNothing);
    let started = std::ptr::NonNull::from(&mut operation);
    // SAFETY: the operation stays in place until it is refused.
    let refused = unsafe { port.start(handle.expect("an association"), started) };
    let error = refused.expect_err("files have no readiness");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
