//! Whether signatures are right, one by one or thousands at once.
//!
//! **Invariant**: one check and a check of many agree on every signature there can be, so that validity
//! depends neither on who checks an event nor on what else is checked with it. Usual Ed25519 leaves that
//! open for signatures with a part of small order; this is ZIP 215, which says it for all of them, without
//! the keys of small order: under those one signature fits every message.
//!
//! **Many at once**: the equation of each signature is multiplied by a number of 128 bits, and their sum is
//! checked. Who knows the numbers before the signatures could make two wrong ones that cancel out, so they
//! come from a hash of all signatures, keys and messages of the batch: whatever is changed in one of them
//! changes them all, and a batch that passes wrongly takes 2^128 trials. No random source is needed, and the
//! answer is the same each time.
//!
//! **One for many**: who has several texts to sign may sign the root of a tree over their hashes once, and each
//! signature then carries its text's path to the root. Each is right or wrong by itself, as any other.
//!
//! ```text
//! signature = 64 bytes                                  Ed25519 of the text
//!           | 64 bytes, then 1 to 6 hashes of 32 bytes  Ed25519 of "tercet tree 1", a zero byte and the root
//! root      = the text's hash, joined with one hash of the path after the other
//! join      = BLAKE3, keyed with [`NODE`], of both, the lower first
//! ```
//!
//! Source: ZIP 215 (zips.z.cash/zip-0215); Bernstein et al., "High-speed high-security signatures", 2012,
//! section 5; Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs", 2020.

use std::collections::HashSet;
use std::convert::Infallible;
use std::ops::Range;

use ed25519_dalek::{Signer, SigningKey};
use ed25519_zebra::batch::{Item, Verifier};
use ed25519_zebra::{Signature, VerificationKeyBytes};

use crate::id::AccountId;
use crate::limits::{TREE_DEPTH_MAX, TREE_MAX};

/// How many signatures are worth checking at once: with more, hardly any time is saved.
pub const BATCH: usize = 4096;

/// Of a batch that holds a wrong one, each of so many parts is checked again,
const PARTS: usize = 8;
/// and parts of no more than this one by one.
const FEW: usize = 8;

/// Bytes of a signature without a path.
const PLAIN_BYTES: usize = 64;
/// Account, hash of the message, signature.
const BINDING_BYTES: usize = AccountId::BYTES + 32 + PLAIN_BYTES;

/// What a tree's root is signed with, so that no text is taken for a tree: an event begins with its version.
const ROOT: &[u8; 14] = b"tercet tree 1\0";
/// What two nodes are joined with, so that no text's hash is taken for a node.
const NODE: &[u8; 32] = b"tercet 2026-11, a node of a tree";

/// BLAKE3 of a text, or what it comes to with others.
type Hash = [u8; 32];

/// A signature that was not checked yet.
#[derive(Debug, Clone)]
pub struct Unchecked {
    /// `None` if no signature can be right under this key, or of this length.
    item: Option<Item>,
    /// Key, signature and the message's hash.
    binding: [u8; BINDING_BYTES],
    /// Whether others may have the very same, which needs to be checked only once.
    shared: bool,
}

impl Unchecked {
    /// An account's signature of some bytes alone.
    pub fn new(account: AccountId, signed: &[u8], signature: &[u8]) -> Self {
        Self::plain(account, signed, blake3::hash(signed).as_bytes(), signature)
    }

    /// An account's signature of bytes whose BLAKE3 hash is known, alone or with others ([`sign_all`]).
    pub(crate) fn of_hashed(account: AccountId, signed: &[u8], hash: &Hash, signature: &[u8]) -> Self {
        let (proper, path) = signature.split_at_checked(PLAIN_BYTES).unwrap_or((signature, &[]));
        let (path, rest) = path.as_chunks();
        if path.is_empty() || !rest.is_empty() || path.len() > TREE_DEPTH_MAX {
            return Self::plain(account, signed, hash, signature);
        }
        let root = root_message(&path.iter().fold(*hash, |node, sibling| join(&node, sibling)));
        Self { shared: true, ..Self::plain(account, &root, blake3::hash(&root).as_bytes(), proper) }
    }

    /// A signature that is not of 64 bytes is wrong.
    fn plain(account: AccountId, signed: &[u8], hash: &Hash, signature: &[u8]) -> Self {
        let key = VerificationKeyBytes::from(*account.as_bytes());
        let usable = Signature::from_slice(signature).ok().filter(|_| !is_weak(account));
        let mut binding = [0; BINDING_BYTES];
        let parts = account.as_bytes().iter().chain(hash).chain(signature);
        binding.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
        Self { item: usable.map(|signature| Item::from((key, signature, signed))), binding, shared: false }
    }

    /// Whether it is the same signature of the same tree, so that both are right or neither.
    pub fn is_as(&self, other: &Self) -> bool {
        self.shared && self.binding == other.binding
    }

    /// Whether it is right.
    pub fn is_valid(self) -> bool {
        self.item.is_some_and(|item| item.verify_single().is_ok())
    }
}

/// The signatures of texts, each given with its BLAKE3 hash; for up to [`TREE_MAX`] of them one is made. No text may
/// begin as what is signed for a tree.
pub(crate) fn sign_all(key: &SigningKey, texts: &[(&[u8], Hash)]) -> Vec<Vec<u8>> {
    let sign = |texts: &[(&[u8], Hash)]| match texts {
        [(text, _)] => vec![key.sign(text).to_bytes().to_vec()],
        _ => sign_tree(key, texts.iter().map(|(_, hash)| *hash)),
    };
    texts.chunks(TREE_MAX).flat_map(sign).collect()
}

fn sign_tree(key: &SigningKey, hashes: impl Iterator<Item = Hash>) -> Vec<Vec<u8>> {
    // Each node with the texts under it.
    let mut level: Vec<(Hash, Range<usize>)> = hashes.zip((0..).map(|leaf| leaf..leaf + 1)).collect();
    let mut paths: Vec<Vec<u8>> = vec![Vec::new(); level.len()];
    while level.len() > 1 {
        let join_pair = |pair: &[(Hash, Range<usize>)]| match pair {
            [(left, of_left), (right, of_right)] => {
                paths[of_left.clone()].iter_mut().for_each(|path| path.extend(right));
                paths[of_right.clone()].iter_mut().for_each(|path| path.extend(left));
                (join(left, right), of_left.start..of_right.end)
            }
            alone => alone[0].clone(), // it is joined further up
        };
        level = level.chunks(2).map(join_pair).collect();
    }
    let Some((root, _)) = level.first() else { return Vec::new() };
    let signature = key.sign(&root_message(root)).to_bytes();
    paths.into_iter().map(|path| [&signature[..], &path].concat()).collect()
}

fn join(one: &Hash, other: &Hash) -> Hash {
    let both = [*one.min(other), *one.max(other)];
    *blake3::keyed_hash(NODE, both.as_flattened()).as_bytes()
}

fn root_message(root: &Hash) -> [u8; ROOT.len() + 32] {
    let mut message = [0; ROOT.len() + 32];
    let (start, rest) = message.split_at_mut(ROOT.len());
    start.copy_from_slice(ROOT);
    rest.copy_from_slice(root);
    message
}

/// Which of these signatures are wrong, by their places here, in ascending order.
pub fn invalid(batch: &[Unchecked]) -> Vec<usize> {
    let mut wrong = Vec::new();
    in_parts(batch, BATCH, 0, &mut wrong);
    wrong
}

/// Checks part by part, and of those parts that hold a wrong one ever smaller parts: one wrong signature takes
/// less than the checks of its batch over again.
fn in_parts(batch: &[Unchecked], part: usize, start: usize, wrong: &mut Vec<usize>) {
    for (part, start) in batch.chunks(part).zip((start..).step_by(part)) {
        // One alone is checked faster by itself.
        if part.len() > 1 && all_valid(part) {
            continue;
        }
        if part.len() > FEW {
            in_parts(part, part.len().div_ceil(PARTS), start, wrong);
        } else {
            let singly = part.iter().zip(start..).filter(|(unchecked, _)| !(*unchecked).clone().is_valid());
            wrong.extend(singly.map(|(_, place)| place));
        }
    }
}

fn all_valid(batch: &[Unchecked]) -> bool {
    let mut verifier = Verifier::new();
    let mut seen = HashSet::new();
    // In one piece, which is hashed many times as fast as its pieces one by one.
    let mut bindings = Vec::with_capacity(batch.len() * BINDING_BYTES);
    for Unchecked { item, binding, shared } in batch {
        let Some(item) = item else { return false };
        if *shared && !seen.insert(binding) {
            continue;
        }
        verifier.queue(item.clone());
        bindings.extend_from_slice(binding);
    }
    let mut seed = blake3::Hasher::new_derive_key("tercet 2026-11 coefficients of a batch of signatures");
    seed.update(&bindings);
    verifier.verify(Coefficients(seed.finalize_xof())).is_ok()
}

/// The stream of numbers that a batch gives itself.
struct Coefficients(blake3::OutputReader);

impl rand_core::TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Coefficients {}

/// Whether a key is a point of small order, in whatever encoding. The sign, which is the last bit, does not
/// matter: each such point's negative is one too.
fn is_weak(account: AccountId) -> bool {
    let mut bytes = *account.as_bytes();
    bytes[31] &= 0x7f;
    WEAK.contains(&bytes)
}

/// The second coordinates of the points of small order, and what else decodes to them: 0, 1, those of order
/// eight, -1, and 0 and 1 with the prime added.
const WEAK: [[u8; 32]; 7] = [
    [0; 32],
    with_ends(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0xed, 0xff, 0x7f),
    with_ends(0xee, 0xff, 0x7f),
];

const fn with_ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
    use curve25519_dalek::scalar::Scalar;
    use ed25519_dalek::{Signer, SigningKey};
    use proptest::prelude::{any, prop, proptest};

    use super::*;
    use crate::event::account_of;

    fn right(key: u8, message: &[u8]) -> Unchecked {
        let key = SigningKey::from_bytes(&[key; 32]);
        Unchecked::new(account_of(&key), message, &key.sign(message).to_bytes())
    }

    fn wrong(key: u8, message: &[u8]) -> Unchecked {
        let key = SigningKey::from_bytes(&[key; 32]);
        Unchecked::new(account_of(&key), message, &key.sign(b"something else").to_bytes())
    }

    /// Every encoding of a point that decodes to it, as far as there are several.
    fn encodings(point: EdwardsPoint) -> Vec<[u8; 32]> {
        let canonical = point.compress().to_bytes();
        let mut all = vec![canonical];
        // With the prime added there are still 255 bits if the coordinate is below 19.
        if canonical[0] < 19 && canonical[1..31].iter().all(|byte| *byte == 0) && canonical[31] & 0x7f == 0 {
            all.push(with_ends(canonical[0] + 0xed, 0xff, 0x7f | canonical[31]));
        }
        // Zero has no sign of its own.
        all.extend(all.clone().into_iter().map(|mut bytes| {
            bytes[31] ^= 0x80;
            bytes
        }));
        all.retain(|bytes| CompressedEdwardsY(*bytes).decompress() == Some(point));
        all
    }

    /// Signatures at the edges of what Ed25519 says: each with whether it is right here.
    fn edges() -> Vec<(String, Unchecked, bool)> {
        let (secret, nonce) = (Scalar::from(0x5eed_u64), Scalar::from(0x0dd_u64));
        let mut edges = Vec::new();
        for (key_twist, key_part) in EIGHT_TORSION.iter().enumerate() {
            for (nonce_twist, nonce_part) in EIGHT_TORSION.iter().enumerate() {
                let key = (ED25519_BASEPOINT_POINT * secret + key_part).compress().to_bytes();
                let front = (ED25519_BASEPOINT_POINT * nonce + nonce_part).compress().to_bytes();
                let signature = sealed(&key, &front, secret, nonce);
                let name = format!("key twisted by {key_twist}, front by {nonce_twist}");
                edges.push((name, Unchecked::new(AccountId::new(key), b"edge", &signature), true));
            }
        }
        let key = (ED25519_BASEPOINT_POINT * secret).compress().to_bytes();
        for front in EIGHT_TORSION.iter().copied().flat_map(encodings) {
            let signature = sealed(&key, &front, secret, Scalar::ZERO);
            let name = format!("small front {:02x}..{:02x}", front[0], front[31]);
            edges.push((name, Unchecked::new(AccountId::new(key), b"edge", &signature), true));
        }
        for weak in EIGHT_TORSION.iter().copied().flat_map(encodings) {
            let signature = sealed(&weak, &weak, Scalar::ZERO, Scalar::ZERO);
            let name = format!("weak key {:02x}..{:02x}", weak[0], weak[31]);
            edges.push((name, Unchecked::new(AccountId::new(weak), b"edge", &signature), false));
        }
        // The same number with the group's order added.
        let mut signature = sealed(&key, &key, secret, secret);
        let order: [u8; 32] = (-Scalar::ONE).to_bytes();
        let mut carry = 1;
        for (byte, more) in signature[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(more);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        edges.push((
            "a number over the order".into(),
            Unchecked::new(AccountId::new(key), b"edge", &signature),
            false,
        ));
        edges
    }

    fn sealed(key: &[u8; 32], front: &[u8; 32], secret: Scalar, nonce: Scalar) -> Vec<u8> {
        use sha2::Digest;
        let hash = sha2::Sha512::new().chain_update(front).chain_update(key).chain_update(b"edge").finalize();
        let number = nonce + Scalar::from_bytes_mod_order_wide(&hash.into()) * secret;
        [*front, number.to_bytes()].concat()
    }

    #[test]
    fn one_check_and_many_at_once_agree_at_every_edge() {
        for (name, edge, is_right) in edges() {
            assert_eq!(edge.clone().is_valid(), is_right, "{name}, alone");
            assert_eq!(all_valid(std::slice::from_ref(&edge)), is_right, "{name}, in a batch of one");
            let batch = [right(1, b"before"), edge, right(2, b"after")];
            assert_eq!(all_valid(&batch), is_right, "{name}, among others");
            assert_eq!(invalid(&batch), if is_right { vec![] } else { vec![1] }, "{name}");
        }
        let twisted: Vec<_> =
            edges().into_iter().filter(|(.., right)| *right).map(|(_, edge, _)| edge).collect();
        assert!(twisted.len() > 70 && all_valid(&twisted), "all that are right alone are right together");
    }

    #[test]
    fn the_weak_keys_are_the_points_of_small_order() {
        let mut found = 0;
        for bytes in EIGHT_TORSION.iter().copied().flat_map(encodings) {
            found += 1;
            assert!(is_weak(AccountId::new(bytes)), "{bytes:02x?}");
        }
        assert!(found >= 14, "{found} encodings");
        for weak in WEAK {
            let point = CompressedEdwardsY(weak).decompress().unwrap();
            assert!(point.is_small_order(), "{weak:02x?}");
        }
        assert!(!is_weak(account_of(&SigningKey::from_bytes(&[1; 32]))));
    }

    #[test]
    fn a_wrong_one_is_named_among_thousands() {
        let mut batch: Vec<_> = (0..=BATCH).map(|n| right(1, &n.to_le_bytes())).collect();
        assert_eq!(invalid(&batch), Vec::<usize>::new());
        batch[BATCH / 2] = wrong(1, b"said");
        assert_eq!(invalid(&batch), [BATCH / 2]);
        batch[0] = Unchecked::new(account_of(&SigningKey::from_bytes(&[1; 32])), b"said", &[0; 63]);
        batch[BATCH] = wrong(2, b"said");
        assert_eq!(invalid(&batch), [0, BATCH / 2, BATCH]);
        assert_eq!(invalid(&[]), Vec::<usize>::new());
    }

    /// Two wrong ones that would cancel each other out if both counted alike.
    #[test]
    fn wrong_ones_do_not_make_up_for_each_other() {
        let (secret, nonce) = (Scalar::from(7_u64), Scalar::from(9_u64));
        let key = (ED25519_BASEPOINT_POINT * secret).compress().to_bytes();
        let front = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
        let signature = sealed(&key, &front, secret, nonce);
        let number = Scalar::from_canonical_bytes(signature[32..].try_into().unwrap()).unwrap();
        let off = |by: Scalar| {
            let signature = [front, (number + by).to_bytes()].concat();
            Unchecked::new(AccountId::new(key), b"edge", &signature)
        };
        assert!(off(Scalar::ZERO).is_valid());
        assert_eq!(invalid(&[off(Scalar::ONE), off(-Scalar::ONE)]), [0, 1]);
    }

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }

    fn texts(count: usize) -> Vec<[u8; 8]> {
        (0..count).map(usize::to_be_bytes).collect()
    }

    fn signed_together(texts: &[[u8; 8]]) -> Vec<Vec<u8>> {
        let hashed: Vec<_> = texts.iter().map(|text| (&text[..], *blake3::hash(text).as_bytes())).collect();
        sign_all(&key(1), &hashed)
    }

    fn unchecked(text: &[u8], signature: &[u8]) -> Unchecked {
        Unchecked::of_hashed(account_of(&key(1)), text, blake3::hash(text).as_bytes(), signature)
    }

    #[test]
    fn what_is_signed_together_is_right_one_by_one_and_all_at_once() {
        for count in [1, 2, 3, 5, 32, TREE_MAX, TREE_MAX + 1, 2 * TREE_MAX + 3] {
            let texts = texts(count);
            let signatures = signed_together(&texts);
            let all: Vec<_> =
                texts.iter().zip(&signatures).map(|(text, signature)| unchecked(text, signature)).collect();
            assert!(all.iter().all(|one| one.clone().is_valid()), "{count}, one by one");
            assert!(all_valid(&all), "{count}, all at once");
            let made: std::collections::BTreeSet<_> =
                signatures.iter().map(|signature| &signature[..PLAIN_BYTES]).collect();
            assert_eq!(made.len(), count.div_ceil(TREE_MAX));
            assert!(signatures.iter().all(|one| one.len() <= PLAIN_BYTES + 32 * TREE_DEPTH_MAX));
        }
        assert_eq!(
            signed_together(&texts(1)),
            [key(1).sign(&texts(1)[0]).to_bytes()],
            "one alone has no path"
        );
    }

    #[test]
    fn a_path_from_another_text_or_to_another_root_is_wrong() {
        let texts = texts(7);
        let signatures = signed_together(&texts);
        let (text, good) = (&texts[2][..], &signatures[2][..]);
        assert!(unchecked(text, good).is_valid());
        let altered = |at: usize| {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        let alone = key(1).sign(text).to_bytes();
        let wrong = [
            ("another's", signatures[3].clone()),
            ("no path", good[..PLAIN_BYTES].to_vec()),
            ("a shorter path", good[..good.len() - 32].to_vec()),
            ("a longer path", [good, &[7; 32]].concat()),
            ("half a hash more", [good, &[7; 16]].concat()),
            ("less than a signature", good[..63].to_vec()),
            ("another path", altered(PLAIN_BYTES)),
            ("another root", altered(good.len() - 1)),
            ("another signature", altered(40)),
            ("alone, with a path", [&alone[..], &good[PLAIN_BYTES..]].concat()),
        ];
        for (name, signature) in &wrong {
            assert!(!unchecked(text, signature).is_valid(), "{name}");
            let among = [unchecked(&texts[1], &signatures[1]), unchecked(text, signature), right(2, b"x")];
            assert_eq!(invalid(&among), [1], "{name}, among others");
        }
        // The root is signed; that is no signature of the root's text, or of a node.
        let node = join(blake3::hash(&texts[0]).as_bytes(), blake3::hash(&texts[1]).as_bytes());
        let path = [&good[..PLAIN_BYTES], &good[good.len() - 64..]].concat();
        assert!(!unchecked(&node, &path).is_valid(), "a node is no text");
        assert!(!Unchecked::new(account_of(&key(1)), text, good).is_valid(), "alone is alone");
    }

    #[test]
    fn a_tree_is_no_deeper_than_it_may_be() {
        let (text, mut root) = (b"text", *blake3::hash(b"text").as_bytes());
        for depth in 1..=TREE_DEPTH_MAX + 1 {
            root = join(&root, &[9; 32]);
            let signature =
                [&key(1).sign(&root_message(&root)).to_bytes()[..], &[9; 32].repeat(depth)].concat();
            assert_eq!(unchecked(text, &signature).is_valid(), depth <= TREE_DEPTH_MAX, "{depth}");
        }
    }

    proptest! {
        #[test]
        fn many_at_once_find_what_single_checks_find(wrongs in prop::collection::vec(any::<bool>(), 0..12)) {
            let batch: Vec<_> = wrongs
                .iter()
                .zip(0..)
                .map(|(is_wrong, n)| if *is_wrong { wrong(n % 3, b"x") } else { right(n % 3, &[n]) })
                .collect();
            let expected: Vec<_> = (0..batch.len()).filter(|n| wrongs[*n]).collect();
            assert_eq!(invalid(&batch), expected);
        }
    }
}
