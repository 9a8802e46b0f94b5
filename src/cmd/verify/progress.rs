//! How far a long replay is. Whoever waits no longer than a blink sees nothing, and so does a pipe.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less than this is not worth a bar.
const PATIENCE: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);

/// Does something whose length nobody knows.
pub fn working<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
    shown_if_slow(&styled(ProgressBar::hidden(), what, style), |_| work())
}

/// Does something that says how far it is.
pub fn working_towards<T>(what: &str, work: impl FnOnce(&ProgressBar) -> T) -> T {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} ({elapsed})");
    shown_if_slow(&styled(ProgressBar::new(0), what, style), work)
}

fn styled(
    bar: ProgressBar,
    what: &str,
    style: Result<ProgressStyle, indicatif::style::TemplateError>,
) -> ProgressBar {
    bar.set_draw_target(ProgressDrawTarget::hidden());
    let bar = bar.with_message(what.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn shown_if_slow<T>(bar: &ProgressBar, work: impl FnOnce(&ProgressBar) -> T) -> T {
    let (done, is_done): (Sender<()>, _) = channel();
    let late = bar.clone();
    let watch = std::thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            late.set_draw_target(ProgressDrawTarget::stderr());
            late.enable_steady_tick(TICK);
        }
    });
    let result = work(bar);
    drop(done);
    // A watch that panicked has shown nothing, and that is all that is lost.
    let _watched = watch.join();
    bar.finish_and_clear();
    result
}
