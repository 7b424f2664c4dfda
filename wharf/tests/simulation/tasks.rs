//! Tasks on a port that closes: each is run or discarded, once, and neither a task nor a place keeps the close waiting.

use std::{
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use fastrand::Rng;
use shuttle::thread;
use wharf::{
    CompletionPort, Wait, WaitMany,
    raw::{PostPlace, Task, TaskFunctions},
    simulated::Kernel,
};

/// One that posts, and what became of its tasks.
#[derive(Debug, Default)]
struct Poster {
    /// A task is on the place.
    is_posted: AtomicBool,
    runs: AtomicUsize,
    discards: AtomicUsize,
}

static FUNCTIONS: TaskFunctions = TaskFunctions { run, discard };

/// # Safety
/// The pointer is that of an `Arc<Poster>` that was given up for it.
unsafe fn run(pointer: NonNull<()>) {
    // SAFETY: passed on to the caller.
    let poster = unsafe { Arc::from_raw(pointer.cast::<Poster>().as_ptr()) };
    poster.runs.fetch_add(1, Ordering::SeqCst);
    poster.is_posted.store(false, Ordering::SeqCst);
}

/// # Safety
/// As for [`run`].
unsafe fn discard(pointer: NonNull<()>) {
    // SAFETY: passed on to the caller.
    let poster = unsafe { Arc::from_raw(pointer.cast::<Poster>().as_ptr()) };
    poster.discards.fetch_add(1, Ordering::SeqCst);
    poster.is_posted.store(false, Ordering::SeqCst);
}

impl Poster {
    fn task(self: &Arc<Self>) -> Task {
        let pointer = NonNull::from(&**self).cast();
        std::mem::forget(self.clone());
        // SAFETY: the count of one `Arc` is given up for it, to whichever function is called.
        unsafe { Task::new(&FUNCTIONS, pointer) }
    }

    /// Posts so many times, where the place is free. Says how many tasks were made. The place goes when nothing is on it.
    fn post(self: &Arc<Self>, place: PostPlace, times: usize) -> usize {
        let mut made = 0;
        for _ in 0..times {
            if !self.is_posted.swap(true, Ordering::SeqCst) {
                made += 1;
                drop(place.post(self.task()));
            }
            thread::yield_now();
        }
        while self.is_posted.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        made
    }
}

/// Posters, those who wait, and one that closes at any moment.
pub fn are_posted_until_it_closes(kernel: &Kernel, random: &mut Rng) {
    let builder = CompletionPort::builder().simulated(kernel);
    // Room for the places, and for nothing else.
    let builder = builder.operations_max(2).concurrency(random.usize(1..3));
    let port: CompletionPort<()> = builder.build().expect("a port");
    let posters: Vec<_> = (0..2)
        .map(|_| {
            let (place, times) = (port.reserve_post().expect("a place"), random.usize(1..20));
            let poster = Arc::new(Poster::default());
            let posts = poster.clone();
            (poster, thread::spawn(move || posts.post(place, times)))
        })
        .collect();
    let waits_for_many = {
        let port = port.clone();
        let mut none = Vec::new();
        thread::spawn(move || {
            while let WaitMany::Packets(_) = port.wait_many(&mut none, 3, None).expect("a wait") {}
        })
    };
    let waits = {
        let port = port.clone();
        thread::spawn(move || {
            while let Wait::Task(task) = port.wait(None).expect("a wait") {
                task.run();
            }
        })
    };
    (0..random.u32(0..100)).for_each(|_| thread::yield_now());
    drop(port.close());
    for (poster, posts) in posters {
        let made = posts.join().expect("no panic");
        let ended = [&poster.runs, &poster.discards].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(ended[0] + ended[1], made, "each ends once");
        assert_eq!(Arc::strong_count(&poster), 1);
    }
    waits.join().expect("no panic");
    waits_for_many.join().expect("no panic");
    assert_eq!(port.snapshot().operations, 0);
}
