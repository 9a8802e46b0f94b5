//! Every bound on what others can bring about, in one place, checked against each other at compile time.
//!
//! Nothing grows without one of these: a frame, a queue, a batch, a wait for a peer. How long a command is patient, and
//! how large a buffer of one file is, stands where it is used. Bounds that both sides of a connection must agree on are
//! part of the protocol (`docs/protocol.md`).

/// The newest protocol version this program speaks.
pub const PROTOCOL_VERSION: u16 = 1;

// ---- what an event may hold -------------------------------------------------------------------------

/// Longest message a person may send: bytes of UTF-8.
pub const MESSAGE_MAX_BYTES: usize = 16 * 1024;
/// Longest topic of a room: bytes of UTF-8.
pub const TOPIC_MAX_BYTES: usize = 400;
/// Longest sign of a reaction: bytes of UTF-8.
pub const REACTION_MAX_BYTES: usize = 32;
/// Largest file that is shared: bytes.
pub const FILE_MAX_BYTES: usize = 1024 * 1024;
/// Most bytes of a file that one chunk carries, beside the id of the chunk before it.
pub const CHUNK_MAX_BYTES: usize = MESSAGE_MAX_BYTES - 32;
/// Most parts of a file: chunks that a deletion takes with it.
pub const FILE_PARTS_MAX: usize = FILE_MAX_BYTES.div_ceil(CHUNK_MAX_BYTES);
/// Longest name of a shared file: bytes of UTF-8.
pub const FILE_NAME_MAX_BYTES: usize = 200;
/// Longest account name: bytes of UTF-8.
pub const NAME_MAX_BYTES: usize = 40;
/// Most parents an event may name; an author who has seen more heads writes merge events over them.
pub const PARENTS_MAX: usize = 16;
/// Longest encoded event: the largest body, all parents, and the fixed fields with room to spare.
pub const EVENT_MAX_BYTES: usize = MESSAGE_MAX_BYTES + 1024;
/// Most hashes from a text to the root of the tree over several that are signed at once.
pub const TREE_DEPTH_MAX: usize = 6;
/// Most texts that are signed at once.
pub const TREE_MAX: usize = 1 << TREE_DEPTH_MAX;
/// How far ahead of a server's clock an author's own upload may lie.
pub const CLOCK_AHEAD_MAX_MS: u64 = 60_000;

// ---- what crosses the wire --------------------------------------------------------------------------

/// Longest frame, without its length prefix.
pub const FRAME_MAX_BYTES: usize = 1024 * 1024;
/// Event bytes that one frame is filled with at most; the rest of a frame is ids and framing.
pub const FRAME_EVENTS_BYTES: usize = 512 * 1024;
/// Most events in one upload, feed or log frame.
pub const FRAME_EVENTS: usize = 256;
/// Most ids in one fetch.
pub const FETCH_MAX: usize = 256;
/// Frames queued to one connection; a peer that lets more pile up is dropped.
pub const SEND_QUEUE_FRAMES: usize = 1024;
/// Connections that one server holds at once.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Connections whose handshake is under way at once.
pub const HANDSHAKES_MAX: usize = 256;
/// Longest wait for a connection to be made and its handshake finished.
pub const HANDSHAKE_MS: u64 = 5_000;
/// How often each side of a quiet connection lets the other hear from it.
pub const PING_MS: u64 = 700;
/// A server from which nothing came for this long is taken for hung, and its connection dropped.
pub const SILENCE_MS: u64 = 2_500;
/// A client from which nothing came for this long is dropped by the server.
pub const CLIENT_SILENCE_MS: u64 = 15_000;
/// Longest that a connection stays which is welcome to exchange views and to nothing else.
pub const GUEST_MS: u64 = 5_000;
/// Longest that a server waits for a peer to take one frame off its hands.
pub const WRITE_STALL_MS: u64 = 10_000;
/// Longest that a connection which a side ends may take to hand over its last frames.
pub const CLOSE_MS: u64 = 2_000;
/// Longest that whoever leaves waits until the other side has taken the goodbye.
pub const GOODBYE_MS: u64 = 300;
/// Longest that a server which is told to stop takes to sync, to hand over what is queued and to say goodbye.
pub const DRAIN_MS: u64 = 4_500;
/// Pause after the operating system refused to hand over a connection, for want of files for instance.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// First wait before a server is dialled again; doubled, with jitter, up to [`REDIAL_MAX_MS`].
pub const REDIAL_MIN_MS: u64 = 25;
/// Longest wait before a server is dialled again.
pub const REDIAL_MAX_MS: u64 = 500;

// ---- the server -------------------------------------------------------------------------------------

/// Inputs queued before the server's core; connections wait behind it.
pub const CORE_QUEUE: usize = 4096;
/// Inputs that the core takes in one go before it looks at the disk again.
pub const CORE_TURN: usize = 256;
/// Signatures at which the core takes no more inputs in one go: checking them takes some milliseconds.
pub const CORE_TURN_SIGNATURES: usize = 256;
/// Event bytes that may wait for the disk before the server stops reading uploads.
pub const STAGED_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Events that a server may have sent to a follower beyond its cursor.
pub const FEED_WINDOW: usize = 2048;
/// Frames that a server may have sent to a follower beyond its cursor, however few events each holds.
pub const FEED_FRAMES: usize = 256;
/// A follower with deliveries open that moves no cursor for this long is dropped.
pub const FOLLOWER_STALL_MS: u64 = 30_000;
/// Rooms that one connection may follow.
pub const ROOMS_FOLLOWED_MAX: usize = 256;
/// Longest that a server with a new log has devices wait for a peer to tell which view is the newest.
pub const WORD_MS: u64 = 1_500;
/// How long a server waits for an author's upload of what a peer has announced, before it fetches it there.
pub const SYNC_AFTER_MS: u64 = 500;
/// Least time between two announcements of fresh events to one peer: it has them from their authors as a rule,
/// and waits for those anyway ([`SYNC_AFTER_MS`]).
pub const PEER_GATHER_MS: u64 = 100;
/// How long after a person typed last they count as away.
pub const AWAY_AFTER_MS: u64 = 5 * 60 * 1000;
/// People to whom a device lets a server tell that its person is here.
pub const PRESENCE_TOLD_MAX: usize = 256;
/// Devices of which a connection is told at once, and of which a reader remembers what a server said.
pub const PRESENCE_NEWS_MAX: usize = 1024;
/// Places of the log that one request for a digest reads.
pub const DIGEST_STEP: usize = 512;
/// Conversations of which a server remembers what it has read for a digest.
pub const DIGESTS_KEPT: usize = 8;
/// Events of a conversation that are compared, and of all conversations that a server remembers for it.
pub const DIGEST_EVENTS_MAX: usize = 256 * 1024;
/// Log entries in one answer to a pull.
pub const PULL_MAX: usize = FRAME_EVENTS;
/// Connections at once to a server's metrics.
pub const METRICS_CONNECTIONS_MAX: usize = 16;
/// Longest head of a request for them: bytes.
pub const METRICS_HEAD_MAX_BYTES: usize = 8 * 1024;
/// Longest that such a connection stays.
pub const METRICS_MS: u64 = 5_000;

// ---- the client -------------------------------------------------------------------------------------

/// Own events that may be on their way to one server, unacknowledged.
pub const UPLOAD_WINDOW: usize = 512;
/// Events that may wait for a parent that another server is to bring.
pub const WAITING_MAX: usize = 4096;
/// The reorder window Δ: how long a display holds each event so that its place is settled.
pub const REORDER_WINDOW_MS: u64 = 400;
/// An announced event that the feed has not brought after this long is fetched where it was announced.
pub const FETCH_AFTER_MS: u64 = 300;
/// A fetch that brought nothing for this long is asked again, elsewhere if possible.
pub const FETCH_AGAIN_MS: u64 = 1_000;
/// A feed that has been silent for this long loses its role to a server that has not.
pub const FEED_SILENT_MS: u64 = 1_500;
/// Longest that a display waits for a feed to catch up before it shows what it has.
pub const CATCH_UP_HOLD_MS: u64 = 3_000;
/// Wait before an event that a server refused for the time being is sent there again.
pub const REFUSED_AGAIN_MS: u64 = 2_000;
/// Inputs queued before the client's core.
pub const CLIENT_QUEUE: usize = 1024;
/// Copies on different servers at which a message counts as sent.
pub const SENT_AT: usize = 2;
/// What has not been told of by as many servers as the person asked for is spoken of after this long.
pub const QUORUM_SLOW_MS: u64 = 5_000;
/// How often a client looks whether there is such a thing.
pub const QUORUM_LOOK_MS: u64 = 1_000;
/// Servers that one view may hold: a client keeps one bit for each.
pub const SERVERS_MAX: usize = 32;
/// Conversations whose words a chat keeps an index of, those that were searched last.
pub const SEARCH_INDEXES_MAX: usize = 4;
/// Bits of such an index, in bytes: they do for twice as many bytes of text.
pub const SEARCH_INDEX_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Unread messages that are counted; of more, a person is told that there are more.
pub const UNREAD_COUNTED_MAX: usize = 1_000;
/// Retired servers that a view remembers, the newest.
pub const RETIRED_MAX: usize = 32;
/// Longest view, without its signature: all its servers, and all that it remembers with all who hold their logs.
pub const VIEW_MAX_BYTES: usize = 128 * 1024;

// ---- files of the cluster's folder --------------------------------------------------------------------

/// Longest file of keys, addresses or names that is read: bytes.
pub const SMALL_FILE_MAX_BYTES: u64 = 4 * 1024 * 1024;

// ---- accounts in files ------------------------------------------------------------------------------

/// Fewest characters of a passphrase that a person chooses.
pub const PASSPHRASE_MIN_CHARS: usize = 8;
/// Longest passphrase, or code, that is read: bytes.
pub const PASSPHRASE_MAX_BYTES: usize = 1024;
/// Longest exported account that is read: bytes.
pub const SEALED_MAX_BYTES: usize = 1024 * 1024;
/// Most memory that opening an exported account may take: KiB.
pub const SEALED_MEMORY_MAX_KIB: u32 = 1024 * 1024;
/// Most passes over that memory.
pub const SEALED_PASSES_MAX: u32 = 16;
/// Most lanes of it.
pub const SEALED_LANES_MAX: u32 = 16;

const _: () = {
    assert!(DRAIN_MS > CLOSE_MS && DRAIN_MS < 5_000, "a server that is told to stop is gone within 5 s");
    assert!(
        EVENT_MAX_BYTES >= MESSAGE_MAX_BYTES + 32 * (PARENTS_MAX + TREE_DEPTH_MAX) + 320,
        "an event must fit its parts"
    );
    assert!(FRAME_EVENTS_BYTES >= EVENT_MAX_BYTES, "a frame must hold the largest event");
    assert!(
        FRAME_MAX_BYTES >= FRAME_EVENTS_BYTES + EVENT_MAX_BYTES + 64 * FRAME_EVENTS,
        "a full frame must fit"
    );
    assert!(
        SILENCE_MS >= 2 * PING_MS && SILENCE_MS < 3_000,
        "a hung server is found within 3 s, one lost ping forgiven"
    );
    assert!(
        FEED_SILENT_MS > PING_MS && FEED_SILENT_MS < SILENCE_MS,
        "a lagging feed is replaced before it is dropped"
    );
    assert!(
        SEND_QUEUE_FRAMES > FEED_FRAMES + UPLOAD_WINDOW,
        "all that a peer may have open must fit the queue"
    );
    assert!(FEED_FRAMES > FEED_WINDOW / FRAME_EVENTS, "a feed window of full frames must fit");
    assert!(REORDER_WINDOW_MS > FETCH_AFTER_MS, "a fetched event should still be in time for its place");
    assert!(
        FETCH_AGAIN_MS >= SYNC_AFTER_MS && FETCH_AGAIN_MS >= FETCH_AFTER_MS,
        "no wait for a body may be longer than the one between two fetches of it"
    );
    assert!(PEER_GATHER_MS < SYNC_AFTER_MS, "a peer is told while it waits for the author anyway");
    assert!(2 * WORD_MS < HANDSHAKE_MS, "whoever waits for its welcome must not give up meanwhile");
    assert!(PARENTS_MAX >= 2, "a merge must join at least two heads");
    assert!(SERVERS_MAX <= 32, "a client keeps its servers in 32 bits");
};
