//! A terminal: a pseudo-terminal whose other side is parsed as a real one would show it.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::support::wait_or_explain;

const SCROLLBACK_ROWS: usize = 10_000;
/// What a terminal answers with where its cursor is.
const ASKS_FOR_CURSOR: &[u8] = b"\x1b[6n";

/// What the terminal has been sent.
struct Shown {
    parser: vt100::Parser,
    raw: Vec<u8>,
}

/// A program on a terminal, mostly `tercet chat`.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: mpsc::Sender<Vec<u8>>,
    shown: Arc<Mutex<Shown>>,
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Terminal {
    pub fn chat(dir: &Path, name: &str, (cols, rows): (u16, u16), environment: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(assert_cmd::cargo::cargo_bin("tercet"));
        command.args(["chat", name]);
        command.env("TERCET_DIR", dir);
        command.env("XDG_CONFIG_HOME", dir);
        command.env("TERM", "xterm-256color");
        // Colours follow the terminal here, not the machine that runs the tests.
        command.env_remove("CI");
        command.env_remove("NO_COLOR");
        environment.iter().for_each(|(key, value)| command.env(key, value));
        Self::start(command, (cols, rows))
    }

    /// Any program on a terminal.
    pub fn start(command: CommandBuilder, (cols, rows): (u16, u16)) -> Self {
        let pair = native_pty_system().openpty(size(cols, rows)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        let reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let parser = vt100::Parser::new(rows, cols, SCROLLBACK_ROWS);
        let shown = Arc::new(Mutex::new(Shown { parser, raw: Vec::new() }));
        let (keys, pressed) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || press(writer, &pressed));
        let (sink, answers) = (Arc::clone(&shown), keys.clone());
        std::thread::spawn(move || show(reader, &sink, &answers));
        Self { child, master: pair.master, keys, shown }
    }

    /// Types keys, without Enter.
    pub fn types(&self, keys: &str) {
        self.keys.send(keys.as_bytes().to_vec()).unwrap();
    }

    /// Types a line and Enter.
    pub fn enters(&self, line: &str) {
        self.types(&format!("{line}\r"));
    }

    /// The person makes the window larger or smaller.
    pub fn resizes(&self, (cols, rows): (u16, u16)) {
        self.shown.lock().unwrap().parser.screen_mut().set_size(rows, cols);
        self.master.resize(size(cols, rows)).unwrap();
    }

    /// Everything that has been shown, what has scrolled away included: lines as they were before the
    /// terminal wrapped them.
    pub fn lines(&self) -> Vec<String> {
        let mut shown = self.shown.lock().unwrap();
        let screen = shown.parser.screen_mut();
        let (rows, cols) = screen.size();
        screen.set_scrollback(usize::MAX);
        let mut all: Vec<(String, bool)> = Vec::new();
        for above in (1..=screen.scrollback()).rev() {
            screen.set_scrollback(above);
            all.push((screen.rows(0, cols).next().unwrap(), screen.row_wrapped(0)));
        }
        screen.set_scrollback(0);
        all.extend(screen.rows(0, cols).zip((0..rows).map(|row| screen.row_wrapped(row))));
        let mut lines = vec![String::new()];
        for (text, wrapped) in all {
            lines.last_mut().unwrap().push_str(&text);
            if !wrapped {
                lines.push(String::new());
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// Every byte that came.
    pub fn raw(&self) -> Vec<u8> {
        self.shown.lock().unwrap().raw.clone()
    }

    /// Waits until a line contains this; returns it.
    pub fn shows(&self, what: &str) -> String {
        let mut found = None;
        self.waits_for(&format!("it shows {what:?}"), |lines| {
            found = lines.iter().find(|line| line.contains(what)).cloned();
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until what is shown ends with this line, wherever the editor has broken it.
    pub fn ends_with(&self, line: &str) {
        let packed = |text: &str| text.split_whitespace().collect::<String>();
        let expected = packed(line);
        self.waits_for(&format!("it ends with {line:?}"), |lines| {
            packed(&lines.concat()).ends_with(&expected)
        });
    }

    pub fn waits_for(&self, what: &str, mut holds: impl FnMut(&[String]) -> bool) {
        wait_or_explain(|| holds(&self.lines()), || format!("{what}\n{}", self.lines().join("\n")));
    }

    /// Waits for the program's end: its exit code.
    pub fn finish(mut self) -> u32 {
        let mut status = None;
        let ended = || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        };
        wait_or_explain(ended, || "the chat ends".to_owned());
        status.unwrap().exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn press(mut writer: Box<dyn Write + Send>, pressed: &mpsc::Receiver<Vec<u8>>) {
    for keys in pressed {
        if writer.write_all(&keys).and_then(|()| writer.flush()).is_err() {
            return; // the program has ended
        }
    }
}

fn show(mut reader: Box<dyn Read + Send>, shown: &Mutex<Shown>, answers: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = reader.read(&mut buffer) {
        let mut shown = shown.lock().unwrap();
        shown.parser.process(&buffer[..length]);
        shown.raw.extend(&buffer[..length]);
        if shown.raw.ends_with(ASKS_FOR_CURSOR) {
            let (row, col) = shown.parser.screen().cursor_position();
            let _ended = answers.send(format!("\x1b[{};{}R", row + 1, col + 1).into_bytes());
        }
    }
}
