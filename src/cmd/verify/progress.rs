//! How far a long replay is. Whoever waits no longer than a blink sees nothing, and so does a pipe.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::Progress;

/// What takes less than this is not worth a bar.
const PATIENCE: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(100);

/// Does something whose length nobody knows.
pub fn working<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
    let bar = styled(ProgressBar::hidden(), what, style);
    shown_if_slow(&bar, |_| (), work)
}

/// Does something that says how far it is.
pub fn reading<T>(what: &str, work: impl FnOnce(&Progress) -> T) -> T {
    let style = ProgressStyle::with_template("{msg} {bar:20} {human_pos} entries ({elapsed})");
    let (bar, progress) = (styled(ProgressBar::new(0), what, style), Progress::default());
    let look = |bar: &ProgressBar| {
        let (read, expected) = progress.get();
        bar.set_length(expected.max(1)); // a bar of nothing would be full
        bar.set_position(read);
    };
    shown_if_slow(&bar, look, || work(&progress))
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

/// Shows the bar while the work goes on, and brings it up to date each time.
fn shown_if_slow<T>(bar: &ProgressBar, look: impl Fn(&ProgressBar) + Send, work: impl FnOnce() -> T) -> T {
    let (done, is_done): (Sender<()>, _) = channel();
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            let mut patience = PATIENCE;
            while is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                if patience == PATIENCE {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                }
                look(bar);
                bar.tick();
                patience = TICK;
            }
        });
        let result = work();
        drop(done);
        result
    });
    bar.finish_and_clear();
    result
}
