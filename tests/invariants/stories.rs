//! Every anomaly is told as a story that a person can check by the logs: who, what, where.

use std::collections::BTreeSet;

use tercet::anomaly::Place;
use tercet::evidence::Evidence;
use tercet::excerpt::{Indexes, Wanted};
use tercet::history::Entry;
use tercet::ledger::Ledger;
use tercet::page::page;
use tercet::story::Story;
use tercet::verify::{CHECKS, Report, check};

use crate::support::{ALICE, BOB, CASES_OF_ALL, World, chat, good, variant_of};

fn stories(report: &Report) -> Vec<&Story> {
    report.outcomes.iter().flat_map(|outcome| &outcome.stories).collect()
}

/// What a person needs to follow a story and does not find in it.
fn lacks(world: &World, report: &Report) -> Vec<String> {
    let mut lacks = Vec::new();
    for outcome in &report.outcomes {
        for (anomaly, story) in outcome.anomalies.iter().zip(&outcome.stories) {
            let variant = variant_of(anomaly);
            let places: Vec<&Place> = story.steps.iter().filter_map(|step| step.at.as_ref()).collect();
            if places.is_empty() {
                lacks.push(format!("{variant}: no place"));
            }
            lacks.extend(
                places
                    .iter()
                    .filter(|place| !exists(world, place))
                    .map(|place| format!("{variant}: nothing stands at {place}")),
            );
            if story.events.is_empty() != story.conversation.is_none() {
                lacks.push(format!("{variant}: events without a conversation, or the other way round"));
            }
            for witness in &story.events {
                if !witness.name.contains(" #") && witness.device.is_some() {
                    lacks.push(format!("{variant}: an event called {:?}", witness.name));
                }
            }
            if !story.rule.starts_with("P") && !story.rule.starts_with("Rule") {
                lacks.push(format!("{variant}: no rule in {:?}", story.rule));
            }
        }
        if outcome.anomalies.len() != outcome.stories.len() {
            lacks.push(format!("{}: {} stories", outcome.check, outcome.stories.len()));
        }
    }
    lacks
}

fn exists(world: &World, place: &Place) -> bool {
    let mut ends = world.history.clients.iter().map(|client| (&client.source, client.entries.len() as u64));
    let mut stores = world
        .history
        .servers
        .iter()
        .map(|server| (&server.source, server.log.last().map_or(0, |stored| stored.position)));
    let is_in = |(source, end): (&String, u64)| *source == place.source && (1..=end).contains(&place.entry);
    // A gap in a store is told by the position that is missing.
    ends.any(is_in) || stores.any(is_in)
}

#[test]
fn every_anomaly_has_a_story_with_its_places() {
    let mut told = BTreeSet::new();
    for case in CASES_OF_ALL.iter().copied().flatten() {
        let mut good = good();
        (case.spoil)(&mut good);
        let report = check(&good.world.history);
        assert_eq!(lacks(&good.world, &report), Vec::<String>::new(), "{}", case.name);
        told.extend(report.anomalies().map(variant_of));
    }
    assert_eq!(told, crate::support::VARIANTS.iter().copied().collect(), "each was told once");
}

/// How many entries and rows are read a second time to tell of a line that was shown twice, after so many messages.
fn read_again_after(messages: usize) -> usize {
    let mut good = good();
    let said: Vec<_> = (0..messages).map(|_| good.world.exchange(ALICE, "more")).collect();
    good.world.index();
    good.world.show(BOB, &said[messages - 1..]);
    let ledger = Ledger::of(&good.world.history);
    let outcomes: Vec<_> = CHECKS.iter().flat_map(|check| check(&ledger)).collect();
    assert!(outcomes.iter().any(|outcome| !outcome.anomalies.is_empty()));
    let wanted = Wanted::of(Indexes::of(&ledger, &outcomes), &outcomes);
    let entries = (0..ledger.clients.len()).map(|client| wanted.entries(client).len());
    entries.chain((0..ledger.servers.len()).map(|server| wanted.positions(server).len())).sum()
}

#[test]
fn a_story_is_told_from_as_few_entries_however_long_the_logs_are() {
    let few = read_again_after(1);
    assert!(few > 0);
    assert_eq!(read_again_after(100), few);
}

#[test]
fn a_story_without_its_places_is_found_out() {
    let mut good = good();
    good.world.show(BOB, &[good.hello]);
    let mut report = check(&good.world.history);
    let story = report.outcomes.iter_mut().flat_map(|outcome| &mut outcome.stories).next().unwrap();
    story.steps.iter_mut().for_each(|step| step.at = None);
    assert_eq!(lacks(&good.world, &report).len(), 1);
}

#[test]
fn two_lines_that_changed_places_are_told_by_who_saw_what() {
    let mut good = good();
    let world = &mut good.world;
    let (first, second) = (world.say(ALICE, "first"), world.say(ALICE, "second"));
    world.receive(BOB, first);
    world.receive(BOB, second);
    world.show(BOB, &[second, first]);
    let report = check(&world.history);
    let story = stories(&report).into_iter().find(|story| story.rule.starts_with("P3")).unwrap();
    assert_eq!(story.conversation.as_deref(), Some("alice, bob"));
    let names: Vec<_> = story.events.iter().map(|event| (&*event.name, event.text.as_deref())).collect();
    assert_eq!(names, [("alice #4", Some("first")), ("alice #5", Some("second"))]);
    let steps: Vec<_> = story.steps.iter().map(|step| format!("{} {}", step.who, step.what)).collect();
    let expected =
        ["alice wrote alice #4", "alice wrote alice #5", "bob was shown alice #5", "bob was shown alice #4"];
    assert_eq!(steps, expected);
    let places: Vec<_> = story.steps.iter().filter_map(|step| step.at.clone()).collect();
    let (one, other) = (world.line(BOB, second), world.line(BOB, first));
    assert_eq!(places[2..], [world.at(BOB, one), world.at(BOB, other)]);
    assert!(places[2].to_string().starts_with("bob log entry "), "{}", places[2]);
}

#[test]
fn a_lost_ack_names_the_receipt_and_what_the_log_has_instead() {
    let mut good = good();
    let world = &mut good.world;
    let log = &mut world.store(1).log;
    let end = log.len() - 1;
    log.remove(end);
    let report = check(&world.history);
    let story = stories(&report).into_iter().find(|story| story.rule.starts_with("P2")).unwrap();
    let steps: Vec<_> = story.steps.iter().map(|step| format!("{}: {}", step.who, step.what)).collect();
    let expected = [
        "alice: had a receipt: alice #3 is at 5 in log 01010101 of server 2",
        "server 2: has nothing at 5: its log ends at 4",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn of_a_fork_each_event_is_named_apart() {
    let mut good = good();
    let world = &mut good.world;
    let one = world.say(ALICE, "one");
    let mut draft = world.draft(ALICE, chat(), tercet::event::Kind::Post, b"other");
    draft.seq = world.events[&one].seq();
    let other = world.sign(ALICE, draft);
    let entry = Entry::Authored { event: world.bytes(other), at_ms: world.now_ms };
    world.log(ALICE).push(entry);
    let report = check(&world.history);
    let story = stories(&report).into_iter().find(|story| story.rule.starts_with("Rules 1 and 2")).unwrap();
    assert_ne!(story.events[0].name, story.events[1].name);
}

// ---- the page ---------------------------------------------------------------------------------------

/// Whether a page holds markup that a stranger's words have made.
fn is_harmed(page: &str) -> bool {
    let own = ["<script nonce=", "</script>"].map(|tag| page.matches(tag).count());
    let scripts = ["<script", "</script"].map(|tag| page.to_lowercase().matches(tag).count());
    own != [2, 2] || scripts != [2, 2] || page.contains("<img") || page.contains("<!--")
}

const EVIL: [&str; 4] = [
    "</script><img src=x onerror=alert(1)>",
    "</SCRIPT ><script>alert(1)</script>",
    "<!--<script>",
    "\"'><img src=x onerror=alert(1)> &lt;script&gt; \u{2028}\u{202e}",
];

#[test]
fn a_message_that_is_markup_does_no_harm() {
    let mut good = good();
    for text in EVIL {
        let id = good.world.exchange(ALICE, text);
        // In a story, too.
        good.world.show(BOB, &[id]);
    }
    good.world.index();
    let evidence = Evidence::of(&good.world.history);
    let report = check(&good.world.history);
    assert!(stories(&report).len() >= EVIL.len());
    let page = page(&evidence, &report);
    assert!(!is_harmed(&page));
    assert!(!page.contains('\u{202e}'), "what turns the direction of writing is made visible");
    for text in EVIL {
        assert!(is_harmed(&page.replacen("<h2>", &format!("<h2>{text}"), 1)) || !text.contains("<"));
    }
    let data = page.split("type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let texts: Vec<_> =
        data["events"].as_array().unwrap().iter().map(|event| event[2].as_str().unwrap()).collect();
    assert!(texts.contains(&EVIL[0]), "the message is there as it was written");
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_lets_nothing_else_run() {
    let good = good();
    let page = page(&Evidence::of(&good.world.history), &check(&good.world.history));
    for address in
        ["http://", "https://", "url(", "@import", " src=", "<link", "fetch(", "eval(", "innerHTML"]
    {
        assert!(!page.contains(address), "the page has {address}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_pages_marks_keep_each_logs_order_and_point_at_what_they_came_from() {
    let good = good();
    let evidence = Evidence::of(&good.world.history);
    let diagram = tercet::diagram::Diagram::of(&evidence, &tercet::names::Names::of(&evidence));
    for lane in 0..diagram.lanes.len() {
        let entries: Vec<_> =
            diagram.marks.iter().filter(|mark| mark.lane == lane).map(|mark| mark.entry).collect();
        assert!(entries.is_sorted() && !entries.is_empty(), "{}: {entries:?}", diagram.lanes[lane].name);
    }
    let arrows: Vec<_> =
        diagram.marks.iter().enumerate().filter_map(|(at, mark)| Some((mark.source?, at))).collect();
    assert!(arrows.iter().all(|(from, to)| from < to), "{arrows:?}");
    // Five events on three servers, a receipt for each, and each received by the other person.
    assert_eq!(arrows.len(), 15 + 15 + 5);
}

#[test]
fn a_history_that_contradicts_itself_is_drawn_whole() {
    let mut good = good();
    let whole = {
        let evidence = Evidence::of(&good.world.history);
        tercet::diagram::Diagram::of(&evidence, &tercet::names::Names::of(&evidence)).marks.len()
    };
    // The answer stands in bob's log before the message that it answers, which he has from a server's log.
    let entries = good.world.log(BOB);
    let end = entries.len();
    entries[5..end].reverse();
    let evidence = Evidence::of(&good.world.history);
    let diagram = tercet::diagram::Diagram::of(&evidence, &tercet::names::Names::of(&evidence));
    assert_eq!(diagram.marks.len(), whole);
    let is_back = |(at, source): (usize, Option<usize>)| source.is_some_and(|source| source > at);
    assert!(diagram.marks.iter().map(|mark| mark.source).enumerate().any(is_back), "no arrow points back");
}

#[test]
fn a_server_that_was_away_is_seen_to_be() {
    let mut good = good();
    let world = &mut good.world;
    let missed: Vec<_> = (0..8).map(|number| world.say(ALICE, &format!("line {number}"))).collect();
    for id in &missed {
        [0, 2].into_iter().for_each(|server| world.upload(ALICE, server, *id));
    }
    let evidence = Evidence::of(&world.history);
    let diagram = tercet::diagram::Diagram::of(&evidence, &tercet::names::Names::of(&evidence));
    let away: Vec<_> = diagram.away.iter().map(|away| (away.lane, away.until, away.missed)).collect();
    assert_eq!(away, [(3, None, 8)], "server 2 is the fourth lane");
}

#[test]
fn a_server_that_came_back_is_seen_to_have_been_away_and_one_that_was_there_is_not() {
    let mut good = good();
    let world = &mut good.world;
    let missed = world.say(ALICE, "missed");
    [0, 2].into_iter().for_each(|server| world.upload(ALICE, server, missed));
    world.now_ms += 5_000;
    let heard = world.say(ALICE, "heard");
    world.upload(ALICE, 1, missed);
    world.send(ALICE, heard);
    let evidence = Evidence::of(&world.history);
    let diagram = tercet::diagram::Diagram::of(&evidence, &tercet::names::Names::of(&evidence));
    let away: Vec<_> = diagram.away.iter().map(|away| (away.lane, away.missed)).collect();
    assert_eq!(away, [(3, 1)]);
    let until = diagram.away[0].until.map(|mark| diagram.marks[mark].event);
    assert_eq!(until, Some(Some(missed)));
}
