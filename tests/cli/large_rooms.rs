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

#[test]
fn each_page_of_a_room_of_a_thousand_holds_the_messages_that_it_names() {
    const MANY_MESSAGES: u64 = 3_000;
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("tercet");
    room::write(program.to_str().unwrap(), folder.path(), MANY_MESSAGES, 1_000);
    // So wide that each message is one line.
    let reader = Terminal::chat(folder.path(), room::READER, (300, 50), &[]);
    reader.enters("/unread");
    reader.shows("-- unread in 1 conversation; /next goes there");
    reader.shows("  #lab  1000+ messages");
    reader.ends_with("[x] reader:");
    let page = |command: &str, heading: &str| {
        reader.enters(command);
        let is_typed = |line: &String| line.ends_with(&format!(": {command}"));
        reader.waits_for(&format!("{command} is typed"), |lines| lines.iter().any(is_typed));
        reader.ends_with("[x] reader > #lab:");
        let answer = reader.lines().into_iter().skip_while(|line| !is_typed(line)).collect::<Vec<_>>();
        assert!(answer.iter().any(|line| line.contains(heading)), "{command}: {answer:#?}");
        answer.into_iter().filter(|line| line.starts_with('~')).collect::<Vec<_>>()
    };
    let asks = |command: &str, heading: &str, numbers: &mut dyn Iterator<Item = u64>| {
        let rows = page(command, heading);
        let expected: Vec<_> = numbers.map(|number| said(number, MANY_MESSAGES)).collect();
        assert_eq!(rows.len(), expected.len(), "{command}: {rows:#?}");
        for (row, (number, words)) in rows.iter().zip(expected) {
            let is_right = row.starts_with(&format!("{number} ")) && row.contains(&words);
            assert!(is_right, "{command}: {row:?} is not {number} with {words:?}");
        }
    };
    asks("/next", "-- the last 1000 of 3000 messages in #lab", &mut (2_000..3_000));
    asks("/history", "-- the last 20 of 3000 messages in #lab", &mut (2_980..3_000));
    asks("/history 1", "-- the last of 3000 messages in #lab", &mut (2_999..3_000));
    asks("/history 333", "-- the last 333 of 3000 messages in #lab", &mut (2_667..3_000));
    asks("/history 9999", "-- the last 1000 of 3000 messages in #lab", &mut (2_000..3_000));
    // From page to page, back to the beginning and not beyond; what a search finds is looked up where it stands.
    for newer in [500, 1_000, 1_500, 2_000, 2_500] {
        let (command, first) = (format!("/history 500 ~{}", newer + 1), newer + 500);
        let heading = format!("-- ~{first} to ~{} of 3000 messages in #lab", newer + 1);
        asks(&command, &heading, &mut (3_000 - first..3_000 - newer));
    }
    asks("/history 50 ~2990", "-- ~3000 to ~2990 of 3000 messages in #lab", &mut (0..11));
    asks("/history 5 ~3001", "there is no ~3001 here, of 3000 messages", &mut (0..0));
    asks("/history 3 ~655", "-- ~657 to ~655 of 3000 messages in #lab", &mut (2_343..2_346));
    // Some messages read otherwise by now, and some not at all.
    asks("/search as before 2345.", "-- 1 message found", &mut (2_345..2_346));
    asks(
        "/search AS IT SHOULD",
        "-- 30 messages found, the last 20 of them",
        &mut (1_050..3_000).step_by(100),
    );
    asks("/search as before 1050.", "-- nothing found", &mut (0..0));
    asks("/search as before 1100.", "-- nothing found", &mut (0..0));
    asks("/search a", "-- 2970 messages found, the last 20 of them", &mut (2_980..3_000));
    asks("/seen reader", "-- reader has read everything here", &mut (0..0));
    asks("/seen member0", "; 990 messages since", &mut (0..0));
    asks("/seen member1", "; 2 messages since", &mut (0..0));
    reader.types("\x04");
    reader.finish();
}

/// How a message of so many begins in a list, and what it says by the end of it.
fn said(number: u64, of: u64) -> (String, String) {
    let words = match number % 100 {
        0 => "(taken back)".to_owned(),
        50 => "as it should have been (edited)".to_owned(),
        _ => format!("as before {number}."),
    };
    (format!("~{}", of - number), words)
}
