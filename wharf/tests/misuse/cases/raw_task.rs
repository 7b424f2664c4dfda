//! A task is made of any pointer, without a promise that its functions may be called with it.
use std::ptr::NonNull;
use wharf::raw::{Task, TaskFunctions};

pub fn make(functions: &'static TaskFunctions, pointer: NonNull<()>) -> Task {
    Task::new(functions, pointer) //~ E0133
    //= unsafe { Task::new(functions, pointer) }
}
