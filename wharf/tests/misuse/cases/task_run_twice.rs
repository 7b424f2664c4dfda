//! A task is run twice.
use wharf::raw::Task;

pub fn run(task: Task, other: Task) {
    task.run();
    task.run(); //~ E0382
    //= other.run();
}
