//! Prints above the line that is being typed, and takes that line away once it has been.
//!
//! A message that was typed appears in its place among the others, so the line at the prompt must go, or it is
//! read twice. rustyline repaints once more when Enter is pressed; then [`Paper`] has it paint nothing, which
//! leaves the cursor where the prompt began, and the line end that follows is taken back.
//!
//! **Invariant**: between that repaint and the next prompt nothing else is printed, or what is printed there would be
//! painted over. Lines wait meanwhile; one that was on its way already costs an empty row, never a line.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::ExternalPrinter;

use super::talk::Sink;

/// One row up.
const UP: &[u8] = b"\x1b[A";

/// What is known of the rows around the prompt.
#[derive(Debug, Default)]
struct Rows {
    /// The typed line is being taken away: nothing else may be printed.
    taking_away: bool,
    /// A line was on its way to the terminal then.
    strayed: bool,
    /// A line is on its way to the terminal.
    printing: bool,
    /// Lines that wait.
    held: Vec<String>,
}

/// What the editor's thread and the one that prints share. See the module.
#[derive(Debug, Default)]
pub struct Paper(Mutex<Rows>);

impl Paper {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enter was pressed; the editor paints no more of this line from here on.
    pub fn take_away(&self) {
        let mut rows = self.rows();
        rows.taking_away = true;
        rows.strayed = rows.printing;
    }

    /// Whether the editor is to paint nothing.
    pub fn is_blank(&self) -> bool {
        self.rows().taking_away
    }

    /// The editor has returned, with a line end after where it painted last. Says whether the typed line was taken
    /// away.
    pub fn settle(&self) -> bool {
        let mut rows = self.rows();
        if !std::mem::take(&mut rows.taking_away) {
            return false;
        }
        let mut out = std::io::stdout().lock();
        // A terminal that has gone shows nothing; the log has it.
        let up = if rows.strayed { Ok(()) } else { out.write_all(UP) };
        let _unseen = up
            .and_then(|()| rows.held.drain(..).try_for_each(|line| out.write_all(line.as_bytes())))
            .and_then(|()| out.flush());
        true
    }
}

/// Prints above the line that is being typed.
pub struct Above<P> {
    /// The editor's.
    pub printer: P,
    /// Where both print.
    pub paper: Arc<Paper>,
    /// Whether styles are kept.
    pub colours: bool,
}

impl<P: ExternalPrinter + Send + 'static> Sink for Above<P> {
    fn line(&mut self, text: &str) {
        self.ringing("", text);
    }

    fn ringing(&mut self, ring: &str, text: &str) {
        let text =
            if self.colours { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() };
        let text = format!("{ring}{text}\n");
        {
            let mut rows = self.paper.rows();
            if rows.taking_away {
                return rows.held.push(text);
            }
            rows.printing = true;
        }
        // Not under the lock: it may have to wait for the editor.
        let _unseen = self.printer.print(text);
        self.paper.rows().printing = false;
    }
}

/// The prompt that waits for a line, while one does.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<Option<String>>);

impl Waiting {
    /// What waits from here on.
    pub fn set(&self, prompt: Option<&str>) {
        *self.prompt() = prompt.map(str::to_owned);
    }

    fn prompt(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints plainly, where the terminal cannot be painted on (`TERM=dumb`): below the prompt that waits, which is printed
/// again when nothing more comes. What was typed so far stays typed.
pub struct Plain {
    waiting: Arc<Waiting>,
    out: Box<dyn Write + Send>,
    /// Whether something was printed below the prompt.
    is_below: bool,
}

impl Plain {
    /// Prints to standard output.
    pub fn new(waiting: Arc<Waiting>) -> Self {
        Self { waiting, out: Box::new(anstream::stdout()), is_below: false }
    }
}

impl Sink for Plain {
    fn line(&mut self, text: &str) {
        let waits = self.waiting.prompt().is_some();
        let end = if waits && !self.is_below { "\n" } else { "" };
        // A terminal that has gone shows nothing; the log has it.
        let _unseen = writeln!(self.out, "{end}{text}").and_then(|()| self.out.flush());
        self.is_below = waits;
    }

    fn rest(&mut self) {
        let prompt = self.waiting.prompt();
        if let Some(prompt) = prompt.as_ref().filter(|_| self.is_below) {
            let _unseen = write!(self.out, "{prompt}").and_then(|()| self.out.flush());
        }
        self.is_below = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Remembers what was printed.
    #[derive(Default)]
    struct Seen(Vec<String>);

    impl ExternalPrinter for Seen {
        fn print(&mut self, text: String) -> rustyline::Result<()> {
            self.0.push(text);
            Ok(())
        }
    }

    /// What was printed, for whoever looks at it.
    #[derive(Clone, Default)]
    struct Printed(Arc<Mutex<Vec<u8>>>);

    impl Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_prompt_that_cannot_be_painted_again_is_printed_again_below_what_came() {
        let (waiting, printed) = (Arc::new(Waiting::default()), Printed::default());
        let out = Box::new(printed.clone());
        let mut plain = Plain { waiting: Arc::clone(&waiting), out, is_below: false };
        plain.line("before");
        plain.rest();
        waiting.set(Some("me: "));
        plain.rest();
        plain.line("one");
        plain.line("two");
        plain.rest();
        plain.rest();
        waiting.set(None);
        plain.line("after");
        plain.rest();
        let printed = String::from_utf8(printed.0.lock().unwrap().clone()).unwrap();
        assert_eq!(printed, "before\n\none\ntwo\nme: after\n");
    }

    #[test]
    fn lines_wait_while_the_typed_one_is_taken_away() {
        let paper = Arc::new(Paper::default());
        let mut above = Above { printer: Seen::default(), paper: Arc::clone(&paper), colours: false };
        above.line("before");
        paper.take_away();
        above.line("meanwhile");
        assert!(paper.is_blank());
        assert_eq!(above.printer.0, ["before\n"]);
        assert_eq!(paper.rows().held, ["meanwhile\n"]);
        assert!(paper.settle() && !paper.is_blank());
        assert!(paper.rows().held.is_empty());
        assert!(!paper.settle(), "nothing was typed since");
        above.line("after");
        assert_eq!(above.printer.0, ["before\n", "after\n"]);
    }
}
