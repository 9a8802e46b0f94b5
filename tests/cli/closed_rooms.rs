//! Rooms whose past is closed: who comes later reads what is said from then on, and sees that there is more.

use crate::people::{Chat, ON_ALL, assert_valid, cluster_with_people, logs};

const PAST: &str = "the plan before you came";

#[test]
fn who_joins_later_reads_what_is_said_from_then_on_and_no_device_of_theirs_has_more() {
    let cluster = cluster_with_people();
    let mut alice = Chat::start(cluster.dir(), "alice", &ON_ALL);
    alice.say("/create #lab closed");
    alice.is_told("#lab is open: everybody may join, and reads what is said from then on");
    for line in [PAST, "and more of it"] {
        alice.say(line);
        alice.hears(&format!("alice: {line}"));
    }
    let mut bob = Chat::start(cluster.dir(), "bob", &ON_ALL);
    bob.say("/join #lab");
    bob.is_told("joined #lab");
    alice.hears("* bob joined");
    bob.say("/rooms");
    bob.is_told("1 room; of a closed one you read what is said from your coming on");
    bob.hears("public, closed");
    bob.say("/help");
    bob.hears("or closed: newcomers read no past");
    alice.say("welcome");
    bob.hears("alice: welcome");
    bob.say("/history");
    bob.is_told("(2 earlier messages are not for those who joined later)");
    bob.say("thank you");
    alice.hears("bob: thank you");
    alice.say("/history");
    alice.hears(&format!("alice: {PAST}"));
    for chat in [alice, bob] {
        let ran = chat.finish();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.err.matches("not for those who joined later").count() <= 1, "once: {ran:?}");
    }
    for log in logs(cluster.dir(), "bob") {
        let bytes = std::fs::read(log).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert_eq!((holds(PAST), holds("welcome")), (false, true), "bob's device");
    }
    let tail = cluster.run(&["tail", "--as", "bob", "#lab"]).ok();
    assert!(tail.contains("alice: welcome") && !tail.contains("not here"), "{tail}");
    assert_valid(&cluster.run(&["verify"]));
}
