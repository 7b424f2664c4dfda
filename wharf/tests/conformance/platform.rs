//! What the suite asks of the system that is no business of the library's: counts, processors, numbers of errors.

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

#[cfg(unix)]
mod unix {
    use std::{
        fs, io,
        path::PathBuf,
        process::{Command, Output},
    };

    use rustix::{
        io::Errno,
        thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    };

    /// A datagram is too long.
    pub const TOO_LONG: i32 = Errno::MSGSIZE.raw_os_error();
    /// A file ends before what was to be sent of it.
    pub const NO_DATA: i32 = Errno::NODATA.raw_os_error();
    /// A file is not open for that.
    pub const NOT_OPEN_FOR_IT: i32 = Errno::BADF.raw_os_error();

    /// Runs a program.
    pub fn output(command: &mut Command) -> io::Result<Output> {
        command.output()
    }

    /// How many descriptors the process has open.
    pub fn descriptors() -> usize {
        fs::read_dir("/proc/self/fd").expect("its own").count()
    }

    /// How many threads the process has.
    pub fn threads() -> usize {
        fs::read_dir("/proc/self/task").expect("its own").count()
    }

    /// What they are, for the message of a test that leaves some behind.
    pub fn belongings() -> String {
        let mut lines = String::new();
        for entry in fs::read_dir("/proc/self/fd").expect("its own").flatten() {
            let to = fs::read_link(entry.path()).unwrap_or_default();
            lines += &format!("  descriptor {:?} {}\n", entry.file_name(), to.display());
        }
        for entry in fs::read_dir("/proc/self/task").expect("its own").flatten() {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            lines += &format!("  thread {:?} {}\n", entry.file_name(), name.trim_end());
        }
        lines
    }

    /// Has everything happen that a process does once, and keeps: what a sanitizer starts beside the first thread.
    pub fn settle() {
        let first = std::thread::spawn(|| fs::canonicalize("/proc/thread-self"));
        let first: PathBuf = first.join().expect("no panic").expect("its directory");
        super::super::eventually("the first thread is gone", || !first.exists());
    }

    /// Confines this thread to one processor. Says whether that limits what the process may use.
    pub fn confine_to_one_processor() -> bool {
        let allowed = sched_getaffinity(None).expect("a set of processors");
        let first = (0..CpuSet::MAX_CPU).find(|&processor| allowed.is_set(processor));
        let mut one = CpuSet::new();
        one.set(first.expect("a processor"));
        sched_setaffinity(None, &one).expect("confinement");
        true
    }

    pub fn is_wine() -> bool {
        false
    }

    /// Names a thread of this process.
    pub type ThreadId = rustix::thread::Pid;

    pub fn this_thread() -> ThreadId {
        rustix::thread::gettid()
    }

    /// Whether a thread of this process sleeps in the kernel.
    pub fn sleeps(id: ThreadId) -> bool {
        let path = format!("/proc/self/task/{}/stat", id.as_raw_nonzero());
        let stat = fs::read_to_string(path).expect("a thread that has not ended");
        // The state follows the name, which is in parentheses and may hold anything.
        stat.rsplit(')')
            .next()
            .expect("a state")
            .trim_start()
            .starts_with('S')
    }
}

#[cfg(windows)]
mod windows {
    use std::{
        io, mem,
        net::{TcpListener, TcpStream},
        process::{Command, Output},
        time::Duration,
    };

    use wharf::{CompletionPort, Wait};
    use windows_sys::Win32::{
        Foundation::{CloseHandle, ERROR_ACCESS_DENIED, ERROR_HANDLE_EOF},
        Networking::WinSock::WSAEMSGSIZE,
        System::{
            Diagnostics::ToolHelp::{
                CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First,
                Thread32Next,
            },
            LibraryLoader::{GetModuleHandleA, GetProcAddress},
            Threading::{GetCurrentProcess, GetCurrentProcessId, GetProcessHandleCount},
        },
    };

    pub const TOO_LONG: i32 = WSAEMSGSIZE;
    pub const NO_DATA: i32 = ERROR_HANDLE_EOF as i32;
    pub const NOT_OPEN_FOR_IT: i32 = ERROR_ACCESS_DENIED as i32;

    pub fn descriptors() -> usize {
        let mut count = 0;
        // SAFETY: it is this process, and there is room for a number.
        let counted = unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut count) };
        assert_ne!(counted, 0, "a process may count its handles");
        count as usize
    }

    pub fn threads() -> usize {
        let mut thread = THREADENTRY32 {
            dwSize: mem::size_of::<THREADENTRY32>() as u32,
            ..THREADENTRY32::default()
        };
        let mut count = 0;
        // SAFETY: the snapshot is open until it is closed, and the entry says how large it is.
        unsafe {
            let process = GetCurrentProcessId();
            let snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
            let mut more = Thread32First(snapshot, &mut thread);
            while more != 0 {
                count += usize::from(thread.th32OwnerProcessID == process);
                more = Thread32Next(snapshot, &mut thread);
            }
            CloseHandle(snapshot);
        }
        count
    }

    /// What they are, for the message of a test that leaves some behind.
    pub fn belongings() -> String {
        format!("  {} handles, {} threads\n", descriptors(), threads())
    }

    /// Has everything happen that a process does once, and keeps: the system's libraries open handles when they are first
    /// used.
    pub fn settle() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let peer = TcpStream::connect(listener.local_addr().expect("an address"));
        let port = CompletionPort::<()>::new(1).expect("a port");
        let listener = port.associate(listener, ()).expect("an association");
        listener.accept().expect("a start");
        let accepted = port.wait(super::super::GUARD).expect("a wait");
        assert!(matches!(accepted, Wait::Completed(_)));
        port.timer(Duration::ZERO, ()).expect("a timer");
        let fired = port.wait(super::super::GUARD).expect("a wait");
        assert!(matches!(fired, Wait::Completed(_)));
        drop((peer, accepted));
    }

    /// On Windows a port counts the processors of the system.
    pub fn confine_to_one_processor() -> bool {
        false
    }

    /// Runs a program. Wine on a busy machine now and then fails to start one (`ERROR_INTERNAL_ERROR`); then it is tried again.
    pub fn output(command: &mut Command) -> io::Result<Output> {
        const INTERNAL_ERROR: i32 = 1359;
        for _ in 0..3 {
            match command.output() {
                Err(error) if error.raw_os_error() == Some(INTERNAL_ERROR) => {}
                output => return output,
            }
        }
        command.output()
    }

    /// Whether this is no Windows but Wine.
    pub fn is_wine() -> bool {
        // SAFETY: the names end with a zero, and every process has this module.
        unsafe {
            let ntdll = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
            GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()).is_some()
        }
    }

    pub use std::thread::ThreadId;

    pub fn this_thread() -> ThreadId {
        std::thread::current().id()
    }

    /// Whether a thread sleeps in the kernel is not to be asked. One that is about to wait for the port does within this time.
    pub fn sleeps(_: ThreadId) -> bool {
        std::thread::sleep(Duration::from_millis(5));
        true
    }
}
