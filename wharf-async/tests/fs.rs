//! What the runtime promises of files, on every driver of the system.

#[macro_use]
mod harness;

#[cfg(unix)]
use std::{
    fs::FileTimes,
    io::Read,
    time::{Instant, SystemTime},
};
use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice, SeekFrom},
    path::PathBuf,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    task::Poll,
    time::Duration,
};

use futures_util::future::join_all;
use harness::{PATIENCE, one_at_once, run, sleep_until_idle, soon};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use wharf::{Buffer, DriverChoice};
use wharf_async::{fs, time::timeout};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            a_file_is_read_and_written_at_offsets_and_keeps_its_position
            reads_at_offsets_run_beside_each_other
            a_write_at_an_offset_is_made_though_its_future_is_dropped
            a_read_at_an_offset_that_is_dropped_leaves_nothing
            // Windows' kernel begins with each read at once.
            #[cfg(unix)]
            a_read_at_an_offset_that_is_dropped_is_not_begun_any_more
            a_file_is_read_and_written_in_turn_with_a_position
            a_large_file_is_copied_whole
            a_file_to_append_to_is_written_at_its_end
            whole_files_and_folders_are_made_read_and_removed
            options_that_do_not_go_together_are_refused
            errors_of_operations_come_with_the_memory
            a_loop_of_calls_can_be_aborted_timed_out_and_stopped
            a_loop_of_reads_writes_or_seeks_leaves_others_their_turn_and_can_be_aborted
        }
    };
}

on_every_driver!(suite);

/// A folder of temporary files, removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("wharf-async-fs-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a folder");
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes of which each is told from its neighbours.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

fn a_file_is_read_and_written_at_offsets_and_keeps_its_position(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        let mut file = fs::File::create_new(folder.path("one")).await.expect("it");
        let (written, payload) = file.write_at(b"sailor".to_vec(), 6).await;
        assert_eq!((written.expect("it goes"), payload.len()), (6, 6));
        let (written, _) = file.write_at(&b"ahoy, "[..], 0).await;
        assert_eq!(written.expect("it goes"), 6);
        file.sync_data().await.expect("the disk has it");
        let (read, buffer) = file.read_at(Buffer::with_capacity(64), 4).await;
        assert_eq!((read.expect("bytes"), &buffer[..]), (8, &b", sailor"[..]));
        let (read, buffer) = file.read_at(buffer, 12).await;
        assert_eq!((read.expect("the end"), buffer.capacity()), (0, 64));
        // Its own position is where it was.
        let mut text = String::new();
        file.read_to_string(&mut text).await.expect("bytes");
        assert_eq!(text, "ahoy, sailor");
        assert_eq!(file.metadata().await.expect("a length").len(), 12);
        let std = file.into_std().await;
        assert_eq!(std.metadata().expect("a length").len(), 12);
    });
    sleep_until_idle(&runtime);
}

fn reads_at_offsets_run_beside_each_other(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        let bytes = pattern(200_000);
        fs::write(folder.path("one"), &bytes).await.expect("a file");
        let file = fs::File::open(folder.path("one")).await.expect("it");
        let reads = (0..20).map(|number| {
            let offset = number * 10_000;
            let read = file.read_at(Buffer::with_capacity(10_000), offset as u64);
            async move { (offset, read.await) }
        });
        for (offset, (read, buffer)) in join_all(reads).await {
            assert_eq!(read.expect("bytes"), 10_000);
            assert!(buffer[..] == bytes[offset..][..10_000], "at {offset}");
        }
    });
}

fn a_write_at_an_offset_is_made_though_its_future_is_dropped(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let folder = Folder::new();
    let path = folder.path("one");
    run(&runtime, async move {
        let file = fs::File::create(path).await.expect("it");
        for number in 0..10_u8 {
            let mut write = Box::pin(file.write_at(vec![number; 1_000], u64::from(number) * 1_000));
            let _ = poll_fn(|context| Poll::Ready(write.as_mut().poll(context))).await;
        }
    });
    sleep_until_idle(&runtime);
    let bytes = std::fs::read(folder.path("one")).expect("bytes");
    let expected: Vec<u8> = (0..10_u8).flat_map(|number| [number; 1_000]).collect();
    assert!(bytes == expected);
}

fn a_read_at_an_offset_that_is_dropped_leaves_nothing(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        let path = folder.path("one");
        fs::write(&path, b"ahoy").await.expect("a file");
        let file = fs::File::open(path).await.expect("it");
        for _ in 0..100 {
            let mut read = Box::pin(file.read_at(Buffer::with_capacity(4), 0));
            let _ = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
        }
        let (read, buffer) = file.read_at(Buffer::with_capacity(4), 0).await;
        assert_eq!((read.expect("bytes"), &buffer[..]), (4, &b"ahoy"[..]));
    });
    sleep_until_idle(&runtime);
}

/// A read that is made shows in the file's access time, which most systems set if it is older than the last change.
#[cfg(unix)]
fn a_read_at_an_offset_that_is_dropped_is_not_begun_any_more(driver: DriverChoice) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let has_not_been_read = FileTimes::new().set_accessed(long_ago);
    let folder = Folder::new();
    let path = folder.path("one");
    std::fs::write(&path, b"ahoy").expect("a file");
    let mut options = std::fs::File::options();
    let file = options.read(true).write(true).open(&path).expect("it");
    let forget = || file.set_times(has_not_been_read).expect("a time");
    let is_read = || {
        let metadata = file.metadata().expect("times");
        metadata.accessed().expect("a time") != long_ago
    };
    forget();
    (&file).read_exact(&mut [0; 4]).expect("bytes");
    if !is_read() {
        println!("not judged: the file system keeps no access times");
        return;
    }
    let runtime = one_at_once(driver);
    let start = Instant::now();
    // A read that is begun before it is dropped is made: then once more.
    while start.elapsed() < PATIENCE {
        forget();
        run(&runtime, drop_a_read_behind_others(path.clone()));
        sleep_until_idle(&runtime);
        if !is_read() {
            return;
        }
    }
    panic!("it is made each time");
}

/// They are more than are made at once, and take a while.
#[cfg(unix)]
async fn drop_a_read_behind_others(path: PathBuf) {
    const BYTES: usize = 1 << 20;
    let zeroes = fs::File::open("/dev/zero").await.expect("it");
    let others = (0..24).map(|_| zeroes.read_at(Buffer::with_capacity(BYTES), 0));
    let mut others = Box::pin(join_all(others));
    let file = fs::File::open(path).await.expect("it");
    let mut read = Box::pin(file.read_at(Buffer::with_capacity(4), 0));
    poll_fn(|context| {
        let _ = others.as_mut().poll(context);
        let _ = read.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    drop(read);
    for (read, _) in others.await {
        assert_eq!(read.expect("zeroes"), BYTES);
    }
}

fn a_file_is_read_and_written_in_turn_with_a_position(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open(folder.path("one")).await.expect("it");
        let bytes = pattern(100_000);
        for piece in bytes.chunks(7_777) {
            file.write_all(piece).await.expect("it goes");
        }
        file.flush().await.expect("nothing to do");
        assert_eq!(file.stream_position().await.expect("a position"), 100_000);
        assert_eq!(file.seek(SeekFrom::Current(-10)).await.expect("it"), 99_990);
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.expect("bytes");
        assert_eq!(rest, bytes[99_990..]);
        file.rewind().await.expect("it");
        let mut clone = file.try_clone().await.expect("a descriptor");
        let mut first = [0; 1_000];
        file.read_exact(&mut first).await.expect("bytes");
        assert!(first == bytes[..1_000]);
        // The clone has the same position.
        clone.read_exact(&mut first).await.expect("bytes");
        assert!(first == bytes[1_000..2_000]);
        let error = file.seek(SeekFrom::Current(-9_999)).await;
        error.expect_err("before the beginning");
        file.set_len(5).await.expect("it");
        file.rewind().await.expect("it");
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.expect("bytes");
        assert_eq!(rest, bytes[..5]);
    });
}

fn a_large_file_is_copied_whole(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        let bytes = pattern(5 << 20);
        fs::write(folder.path("one"), &bytes).await.expect("a file");
        let mut from = fs::File::open(folder.path("one")).await.expect("it");
        let mut to = fs::File::create(folder.path("two")).await.expect("it");
        let copied = tokio::io::copy(&mut from, &mut to).await.expect("bytes");
        assert_eq!(copied, 5 << 20);
        to.sync_all().await.expect("the disk has it");
        assert!(fs::read(folder.path("two")).await.expect("bytes") == bytes);
        // In one piece: more than one read brings.
        let mut all = vec![0; bytes.len()];
        from.rewind().await.expect("it");
        from.read_exact(&mut all).await.expect("bytes");
        assert!(all == bytes);
    });
}

fn a_file_to_append_to_is_written_at_its_end(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        for word in ["ahoy", ", ", "sailor"] {
            let mut options = fs::File::options();
            options.append(true).create(true);
            let mut file = options.open(folder.path("one")).await.expect("it");
            file.write_all(word.as_bytes()).await.expect("it goes");
        }
        let text = fs::read_to_string(folder.path("one")).await;
        assert_eq!(text.expect("bytes"), "ahoy, sailor");
    });
}

fn whole_files_and_folders_are_made_read_and_removed(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        let deep = folder.path("a/b/c");
        fs::create_dir(&deep).await.expect_err("it is too deep");
        fs::create_dir_all(&deep).await.expect("folders");
        fs::write(deep.join("one"), b"ahoy").await.expect("a file");
        // Wine tells no length.
        let copied = fs::copy(deep.join("one"), deep.join("two")).await;
        copied.expect("a copy");
        let three = deep.join("three");
        fs::rename(deep.join("two"), &three).await.expect("a name");
        fs::hard_link(&three, deep.join("four"))
            .await
            .expect("a link");
        let mut names = Vec::new();
        let mut entries = fs::read_dir(&deep).await.expect("a folder");
        while let Some(entry) = entries.next_entry().await.expect("an entry") {
            assert!(entry.file_type().await.expect("a kind").is_file());
            assert_eq!(entry.metadata().await.expect("a length").len(), 4);
            assert_eq!(entry.path(), deep.join(entry.file_name()));
            names.push(entry.file_name().into_string().expect("a name"));
        }
        names.sort();
        assert_eq!(names, ["four", "one", "three"]);
        assert!(fs::try_exists(&three).await.expect("it tells"));
        fs::remove_file(&three).await.expect("it is there");
        assert!(!fs::try_exists(&three).await.expect("it tells"));
        let error = fs::metadata(&three).await.expect_err("it is gone");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let full = fs::canonicalize(deep.join("../c")).await.expect("a path");
        assert_eq!(full, std::fs::canonicalize(&deep).expect("a path"));
        fs::remove_dir(&deep).await.expect_err("it is not empty");
        fs::remove_dir_all(folder.path("a")).await.expect("it goes");
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).create(&deep).await;
        made.expect("folders");
        fs::remove_dir(&deep).await.expect("it is empty");
    });
}

fn options_that_do_not_go_together_are_refused(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        let path = folder.path("one");
        let error = fs::OpenOptions::new().open(&path).await.expect_err("no");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = fs::File::open(&path).await.expect_err("it is not there");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        fs::File::create(&path).await.expect("a file");
        let error = fs::File::create_new(&path).await.expect_err("it is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let mut read_only = fs::File::open(&path).await.expect("it");
        read_only.write_all(b"no").await.expect_err("it is to read");
    });
}

fn errors_of_operations_come_with_the_memory(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let folder = Folder::new();
        let path = folder.path("one");
        let write_only = fs::File::create(&path).await.expect("a file");
        let (read, buffer) = write_only.read_at(Buffer::with_capacity(8), 0).await;
        read.expect_err("it is to write");
        assert_eq!(buffer.capacity(), 8);
        let read_only = fs::File::open(&path).await.expect("it");
        let (written, payload) = read_only.write_at(b"no".to_vec(), 0).await;
        written.expect_err("it is to read");
        assert_eq!(&payload[..], b"no");
    });
    sleep_until_idle(&runtime);
}

/// Nothing that its task waits for ever makes it wait.
fn a_loop_of_calls_can_be_aborted_timed_out_and_stopped(driver: DriverChoice) {
    async fn calls() {
        let folder = std::env::temp_dir();
        loop {
            fs::metadata(&folder).await.expect("a folder");
            fs::try_exists(&folder).await.expect("it is told");
            let mut all = fs::read_dir("/").await.expect("a folder");
            while all.next_entry().await.expect("no failure").is_some() {}
            let file = fs::File::open(&folder).await;
            drop(file);
        }
    }
    let runtime = one_at_once(driver);
    let (begins, begun) = mpsc::channel();
    let aborted = runtime.spawn(async move {
        begins.send(()).expect("the test waits");
        calls().await;
    });
    soon(&begun);
    aborted.abort();
    assert!(run(&runtime, aborted).expect_err("aborted").is_cancelled());
    let timed_out = run(&runtime, timeout(Duration::from_millis(10), calls()));
    assert!(timed_out.is_err());
    runtime.spawn(calls()).detach();
    let report = runtime.stop(PATIENCE);
    assert!(report.tasks_left.is_empty());
}

/// Each is done at once, for ever.
fn a_loop_of_reads_writes_or_seeks_leaves_others_their_turn_and_can_be_aborted(
    driver: DriverChoice,
) {
    async fn loops(way: usize, path: PathBuf, begins: mpsc::Sender<()>) {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = options.open(path).await.expect("it is made");
        let mut memory = [0; 16];
        begins.send(()).expect("the test waits");
        loop {
            let done = match way {
                // There is nothing to read.
                0 => file.read(&mut memory).await.map(drop),
                1 => file.write(&memory).await.map(drop),
                2 => file
                    .write_vectored(&[IoSlice::new(&memory)])
                    .await
                    .map(drop),
                _ => file.stream_position().await.map(drop),
            };
            done.expect("no failure");
        }
    }
    let folder = Folder::new();
    for way in 0..4 {
        let runtime = one_at_once(driver);
        let (begins, begun) = mpsc::channel();
        let path = folder.path(&way.to_string());
        let task = runtime.spawn(loops(way, path, begins));
        soon(&begun);
        // There is one place, and the loop does not block.
        run(&runtime, async {});
        task.abort();
        let aborted = run(&runtime, task).expect_err("aborted");
        assert!(aborted.is_cancelled(), "way {way}");
        let report = runtime.stop(PATIENCE);
        assert!(report.tasks_left.is_empty(), "way {way}");
    }
}
