//! Rooms of many: what fills a screen is bounded, what a script reads is not.

use crate::people::Chat;
use crate::terminal::Terminal;

#[path = "../shared/room.rs"]
mod room;

const MEMBERS: u64 = 150;
const MESSAGES: u64 = 300;

#[test]
fn a_screen_lists_some_of_many_and_finds_the_others_and_a_pipe_gets_all() {
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("tercet");
    room::write(program.to_str().unwrap(), folder.path(), MESSAGES, MEMBERS);
    let reader = Terminal::chat(folder.path(), room::READER, (100, 24), &[]);
    reader.enters("/join #lab");
    reader.ends_with("[x] reader > #lab:");
    let asks = |command: &str, heading: &str, rows: usize| {
        let listed = || reader.lines().iter().filter(|line| line.starts_with("  member")).count();
        let before = listed();
        reader.enters(command);
        reader.shows(heading);
        reader.ends_with("[x] reader > #lab:");
        assert_eq!(listed() - before, rows, "{command}");
    };
    asks("/members", "-- 151 members; 100 of them, who is here first; /members TEXT finds others", 100);
    asks("/members BER14", "-- 11 members with \"BER14\" in the name", 11);
    asks("/who", "-- 151 accounts; 100 of them, who is here first; /accounts TEXT finds others", 100);
    asks("/history 3", "-- the last 3 of 300 messages in #lab, in their true order", 0);
    reader.types("\x04");
    reader.finish();

    let mut script = Chat::start(folder.path(), room::READER, &["--timeout", "1"]);
    script.say("/join #lab");
    script.say("/members");
    let ran = script.finish();
    assert!(ran.err.contains("-- 151 members\n"), "{ran:?}");
    assert_eq!(ran.out.lines().filter(|line| line.starts_with("  ")).count(), 151, "{ran:?}");
}
