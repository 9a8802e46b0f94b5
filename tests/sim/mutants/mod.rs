//! The mutants: programs like ours, each with one thing wrong, so that it shows that the simulator would find it.
//!
//! None of them is in `src/`. A mutant is a seam around a machine: what comes in, what goes out, what it is told
//! of its disk, what its host writes. [`crate::board`] sees to it that each is caught, by what and how soon.

mod at_client;
mod at_disk;
mod at_log;
mod at_server;
mod authoring;
pub mod forgery;
mod lax_log;

use std::collections::{BTreeMap, BTreeSet};

use tercet::event::Event;
use tercet::frame::ToClient;
use tercet::id::{EventId, Incarnation, ServerId};
use tercet::server::ConnId;

use crate::judge::{APART, NO_REST, REFUSAL, RESTART, SCREEN, UNVOUCHED};
use crate::nemesis::Fault;
use crate::swarm::Swarm;

/// What a mutant keeps in mind between its seams.
#[derive(Debug, Default)]
pub struct Memory {
    /// The incarnation of each server that each caller saw first.
    first_incarnations: BTreeMap<(String, ServerId), Incarnation>,
    /// Receipts that wait for a sync.
    held_back: BTreeMap<usize, Vec<(ConnId, ToClient)>>,
    /// What each client has uploaded where, with the first connection it did so on.
    uploaded: BTreeMap<(usize, ServerId, EventId), ConnId>,
    /// Who has put something off, and whose it was.
    rejected: BTreeSet<(usize, ServerId)>,
    /// Events under numbers of devices that are gone, by whoever stole them, with the client that brings them in.
    stolen: Vec<(usize, Event)>,
    /// Up to where each client had read each server.
    furthest: BTreeMap<(usize, ServerId), u64>,
}

impl Memory {
    /// What was held back in a server is gone with it.
    pub fn crashed(&mut self, server: usize) {
        self.held_back.remove(&server);
    }
}

macro_rules! mutants {
    ($($(#[doc = $does:literal])+ $name:ident: $shows_as:expr, at $seed:literal, [$($fault:ident),*];)+) => {
        /// One thing that is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant {
            /// Nothing is wrong: the canary, which the board must not claim to have caught.
            Canary,
            /// Nothing is wrong with the programs, but somebody stole a device's key and log.
            Thief,
            /// Nothing is wrong with the others, but one server hands on no body of what people said.
            Miser,
            $($(#[doc = $does])+ $name,)+
        }

        impl Mutant {
            /// All that must be caught.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// What it does, in a sentence.
            pub fn does(self) -> String {
                match self {
                    Self::Canary | Self::Thief | Self::Miser => "nothing is wrong".to_owned(),
                    $(Self::$name => [$($does.trim()),+].join(" "),)+
                }
            }

            /// The class of the failure that must come of it.
            pub fn shows_as(self) -> &'static str {
                match self {
                    Self::Canary | Self::Thief | Self::Miser => NO_REST,
                    $(Self::$name => $shows_as,)+
                }
            }

            /// Where the search for a seed that shows it begins.
            pub fn first_seed(self) -> u64 {
                match self {
                    Self::Canary | Self::Thief | Self::Miser => 0,
                    $(Self::$name => $seed,)+
                }
            }

            /// Without these it has no chance.
            fn needs(self) -> &'static [Fault] {
                match self {
                    Self::Canary | Self::Miser => &[],
                    Self::Thief => &[Fault::LoseDevice],
                    $(Self::$name => &[$(Fault::$fault),*],)+
                }
            }
        }
    };
}

mutants! {
    // ---- servers and their disks
    /// A store says "synced" when it has only taken notice.
    AcksBeforeSync: "lost-ack", at 2, [CrashServer];
    /// Followers are told of what is not synced yet, though receipts wait for the sync.
    TellsBeforeSync: "taken-back", at 68, [CrashServer];
    /// A server acks an event that it does not append.
    AcksUnwritten: "lost-ack", at 0, [];
    /// A receipt names the place after the event's.
    NamesTheWrongPlace: "lost-ack", at 0, [];
    /// A server whose disk was replaced goes on under its old incarnation.
    KeepsIncarnation: "lost-ack", at 0, [LoseDisk];
    /// A server takes every parent for known.
    TakesOrphans: "not-closed", at 1, [Partition];
    /// A server forgets, when an event is uploaded again, that it has it.
    StoresAgain: "twice", at 0, [Cut];
    /// A server checks no signature of what clients upload, and somebody uploads a forgery.
    TakesForgedUploads: "corrupt", at 0, [];
    /// A server checks no signature of what peers send, and a peer lies.
    TakesForgedBodies: "corrupt", at 2, [LoseDisk, LoseDevice];
    /// A store does not look at its checksums when it opens.
    SkipsTheChecksum: "corrupt", at 0, [FlipBit];
    /// A server drops the second of two events that bear one number, when somebody stole a device's key and log.
    DropsForks: NO_REST, at 0, [LoseDevice];
    /// A server keeps the bodies of what was taken back.
    KeepsWhatIsTakenBack: "body-kept", at 0, [];
    /// A server that forgets a file which was taken back keeps its parts.
    KeepsParts: "body-kept", at 0, [];
    /// A server drops bodies that nobody has taken back.
    ForgetsMore: "body-missing", at 0, [];
    /// A server hands on no bodies, and nobody asks the others for them.
    NobodyAsksForBodies: "body-missing", at 0, [];
    /// A server changes a message before it stores it.
    AltersABody: "corrupt", at 0, [];
    /// A server gives those who came later what was said before, in a room whose past is closed.
    TellsThePast: "leaked", at 0, [];
    /// A server feeds a device what belongs to others.
    LeaksAConversation: REFUSAL, at 0, [];
    /// A store cuts the end of its log off when it opens.
    TruncatesAtRestart: "lost-ack", at 1, [CrashServer];
    /// A store leaves an event out when it opens, and closes the gap.
    LosesAtCompaction: "too-few-copies", at 1, [CrashServer];
    /// A store leaves an event out when it opens, and leaves the gap.
    LeavesAGap: "corrupt", at 1, [CrashServer];
    /// A store's canonical index keeps the order of arrival.
    IndexesByArrival: "wrong-index", at 0, [Partition];
    /// A frame to a client gets lost in the middle of a connection, and it does not look where the next begins.
    SwallowsFrames: "undelivered", at 2, [Cut];
    /// Two frames of a feed overtake each other, and nobody looks where they begin.
    ReordersFrames: "undelivered", at 5, [];

    // ---- servers that come and go
    /// A server says that it is sealed, and goes on.
    AppendsAfterTheSeal: "after-seal", at 0, [];
    /// An administrator does not wait until others hold what a server has that leaves.
    RetiresBeforeTheDrain: "not-drained", at 0, [Partition, LoseDevice];
    /// A server that was restarted acts on its cluster file's view again.
    ForgetsTheView: RESTART, at 0, [CrashServer];
    /// A device does not listen to what it is told of views.
    IgnoresViews: NO_REST, at 0, [];
    /// A device counts the receipts of servers that are sealed or gone.
    CountsWhoLeaves: "boast", at 0, [];

    // ---- servers among themselves
    /// A server stores how far it has read a peer's log before it has the events.
    CursorBeforeBodies: NO_REST, at 0, [CrashServer, LoseDisk, LoseDevice, Partition];
    /// A server whose disk was replaced goes on with the cursors of the disk before.
    KeepsPeerCursors: NO_REST, at 1, [LoseDisk, LoseDevice, Partition];
    /// A server follows a peer's new incarnation from where it had read the old one.
    KeepsPeerIncarnation: NO_REST, at 1, [LoseDisk];
    /// What a server fetches from a peer never gets to its machine.
    DropsBodies: NO_REST, at 0, [LoseDisk, LoseDevice, Partition];
    /// A server does not listen to what peers announce.
    IgnoresAnnouncements: NO_REST, at 0, [];
    /// A server never fetches what peers announced.
    FetchesNothing: APART, at 0, [LoseDisk, LoseDevice, Partition];
    /// A server that was restarted dials no peer.
    PullsNothingAfterRestart: NO_REST, at 0, [CrashServer];
    /// A server refuses, by its own clock, what peers give it.
    JudgesPeersByItsClock: APART, at 0, [Clock];

    // ---- a client and its log
    /// A device sends before it writes its log.
    SendsBeforeItLogs: "fork", at 14, [CrashClient];
    /// A device never waits for its disk.
    NeverSyncs: "fork", at 0, [CrashClient];
    /// A device syncs only what it wrote itself, and shows the rest all the same.
    SyncsItsOwnOnly: SCREEN, at 2, [CrashClient];
    /// A device sends something that its log never gets.
    NeverLogsSome: "invented", at 0, [];
    /// A device that has lost its log goes on under its name.
    KeepsDeviceName: "fork", at 0, [LoseDevice];
    /// A device starts from its log without the last event it wrote, and uses the number again.
    ReusesNumbers: "fork", at 0, [CrashClient];
    /// A device that starts takes for granted that all it wrote has arrived.
    LosesItsOutbox: NO_REST, at 3, [CrashClient, Partition];
    /// A device stops uploading what two servers have.
    ForgetsAfterSent: NO_REST, at 0, [Partition];
    /// A device uploads on a new connection only what it did not upload on an earlier one.
    NeverResends: NO_REST, at 0, [Cut];
    /// A device uploads only the newest of what is due.
    ResendsOnlyNewest: NO_REST, at 0, [Partition];
    /// A device uploads nothing that others wrote, whatever a server lacks.
    UploadsItsOwnOnly: NO_REST, at 0, [LoseDevice, LoseDisk];
    /// A device uploads nothing more to a server that has put something off.
    GivesUpWhoPutsOff: NO_REST, at 1, [Clock];

    // ---- what it says of copies
    /// A device says that there is one copy more than there is.
    ShowsOneMore: "boast", at 0, [];
    /// A device tells of a level before anybody has the message.
    TellsOfNoCopies: "boast", at 0, [];
    /// A device tells of a receipt before it has logged it.
    TellsBeforeTheReceipt: "boast", at 0, [];
    /// A device counts receipts, also two of one server's two disks.
    CountsReceiptsNotServers: "boast", at 2, [LoseDisk];
    /// A device takes one server's receipts for another's too.
    CountsOneServerAsTwo: "lost-ack", at 0, [];
    /// A device takes no notice of a new incarnation.
    NeverVoids: NO_REST, at 0, [LoseDisk];
    /// A device logs receipts under the incarnation it saw first.
    LogsStaleReceipts: "stale-incarnation", at 0, [LoseDisk];

    // ---- what it writes
    /// An author does not name what it had seen.
    DropsParents: "overlooked", at 0, [];
    /// An author's clock does not heed its parents.
    IgnoresParentsTime: "time-not-after-parent", at 0, [];
    /// An author names a parent of another conversation.
    NamesAForeignParent: "foreign-parent", at 0, [];

    // ---- what it receives
    /// A device logs each event it receives twice.
    KeepsTwice: "twice", at 0, [];
    /// A device logs what it holds, when it is fed again.
    KeepsWhatComesAgain: "twice", at 1, [CrashClient, Cut];
    /// A device logs what comes together with the last first.
    HoldsNothingBack: "not-closed", at 0, [];
    /// A device keeps an event whose signature was altered.
    KeepsAltered: "corrupt", at 0, [];
    /// A device keeps an event of a conversation that is not its own.
    KeepsWhatIsOthers: "leaked", at 0, [];
    /// A device's cursor is logged before what it passes.
    CursorBeforeEntries: "undelivered", at 0, [];
    /// A device's cursor is logged three places too far.
    CursorJumpsAhead: "taken-back", at 0, [];
    /// A device's cursor is set back once in a while.
    CursorGoesBack: "cursor-back", at 0, [];
    /// A device follows a new incarnation from where it had read the old one.
    KeepsCursor: "undelivered", at 0, [LoseDisk];

    // ---- what it shows
    /// A display shows a line twice.
    ShowsTwice: "twice", at 0, [];
    /// A device that starts shows everything again.
    ShowsAllAgain: "twice", at 0, [CrashClient];
    /// A display shows what its device has not logged.
    ShowsBeforeItLogs: "shown-unheld", at 0, [];
    /// A display leaves a line out.
    SkipsALine: "skipped", at 0, [];
    /// A display does not wait for the reorder window.
    ShowsEarly: "early", at 0, [];
    /// A display shows the person's own lines at once.
    ShowsItsOwnAtOnce: "early", at 0, [];
    /// A display shows what is due together with the last first.
    ShowsRepliesFirst: "effect-before-cause", at 0, [];
    /// A display shows each device's lines, of those due together, with the last first.
    ShowsADeviceBackwards: "sender-order", at 0, [];
    /// A display shows a line when one server less has told of it than it takes.
    ShowsBeforeTheQuorum: UNVOUCHED, at 0, [];
    /// A device counts what one server tells of for another one, too.
    CountsATellerTwice: UNVOUCHED, at 0, [];
    /// A device counts what a server told of before it lost its log.
    CountsEarlierLogs: UNVOUCHED, at 0, [LoseDisk, Partition];
    /// A display marks nothing late.
    ForgetsLateMarks: "unmarked", at 0, [];
    /// A display marks a line late that is not.
    MarksLateWrongly: "unjustified-late", at 0, [];
}

impl Mutant {
    /// Sees to it that a run gives the mutant a chance, and is no longer than that takes.
    pub fn put_into(self, swarm: &mut Swarm) {
        use Mutant as M;
        swarm.mutant = Some(self);
        (swarm.quorum, swarm.liars) = (1, Vec::new());
        (swarm.files, swarm.names) = if self == M::KeepsParts { (6, 0) } else { (0, 0) };
        swarm.burst = swarm.burst.min(12);
        swarm.says = swarm.says.clamp(10, 20);
        swarm.fault_ms = swarm.fault_ms.min(15_000);
        swarm.fault_every_ms = swarm.fault_every_ms.min(1_500);
        swarm.devices_each = swarm.devices_each.min(2);
        swarm.text_max_bytes = 12;
        swarm.all_apart = false;
        // These two make much unsure, and the first makes a run long.
        swarm.faults.retain(|fault| !matches!(fault, Fault::Clock | Fault::LoseDevice));
        (0..2).for_each(|_| swarm.faults.extend(self.needs()));
        let needs_peers = matches!(
            self,
            M::CursorBeforeBodies
                | M::KeepsPeerCursors
                | M::KeepsPeerIncarnation
                | M::DropsBodies
                | M::IgnoresAnnouncements
                | M::FetchesNothing
                | M::PullsNothingAfterRestart
                | M::JudgesPeersByItsClock
                | M::TakesForgedBodies
                | M::DropsForks
                | M::Thief
                | M::Miser
                | M::NobodyAsksForBodies
        );
        let is_of_views = matches!(
            self,
            M::AppendsAfterTheSeal
                | M::RetiresBeforeTheDrain
                | M::ForgetsTheView
                | M::IgnoresViews
                | M::CountsWhoLeaves
        );
        swarm.changes = if is_of_views { 4 } else { 0 };
        let servers = swarm.servers;
        (swarm.servers, swarm.peers) = match self {
            // What only the server has that leaves stays there.
            M::RetiresBeforeTheDrain => (servers.max(3), false),
            _ if needs_peers || is_of_views => (servers.max(3), true),
            // What a peer brings would make up for it.
            M::LosesItsOutbox | M::NeverResends | M::GivesUpWhoPutsOff | M::ResendsOnlyNewest => {
                (servers, false)
            }
            M::ForgetsAfterSent | M::UploadsItsOwnOnly => (servers.max(3), false),
            M::TakesOrphans | M::CountsOneServerAsTwo | M::IndexesByArrival => (servers.max(2), false),
            // What a second server announces would make up for it.
            M::SwallowsFrames | M::NeverVoids => (1, false),
            _ => (servers, swarm.peers),
        };
        match self {
            M::ShowsEarly | M::ShowsItsOwnAtOnce => swarm.window_ms = 2_000,
            // A room must have been begun, talked in, and then followed by another.
            M::TellsThePast => swarm.says = 60,
            M::ShowsBeforeTheQuorum | M::CountsATellerTwice | M::CountsEarlierLogs => swarm.lie(),
            M::ShowsRepliesFirst | M::ShowsADeviceBackwards => swarm.turn_max_ms = 300,
            // The crash must come between the two, so there had better be many, and a long time between.
            M::CursorBeforeBodies => {
                swarm.faults.extend([Fault::CrashServer, Fault::CrashServer]);
                (swarm.delay_max_ms, swarm.sync_max_ms) = (400, 900);
            }
            // Its author must have it no more.
            M::RetiresBeforeTheDrain => {
                swarm.faults = vec![Fault::Partition, Fault::Partition, Fault::LoseDevice];
                (swarm.fault_every_ms, swarm.says) = (200, 40);
            }
            // An author and one server must be wrong alike.
            M::JudgesPeersByItsClock => {
                swarm.faults = vec![Fault::Clock];
                (swarm.fault_every_ms, swarm.servers) = (200, 5);
            }
            _ => {}
        }
    }
}
