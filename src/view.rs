//! Which servers make up the cluster, by epoch.
//!
//! A view says nothing about who is up: that is a connection's business. Views follow one another (rule 15), each
//! a step from the one before: a server is added, sealed (it appends nothing more), or retired. The first comes
//! from the cluster file. Every later one is signed by the cluster's administrator ([`SignedView`]), so anybody
//! may carry it and nobody can make one up.
//!
//! **Invariants**
//! - A view has a member that is not sealed.
//! - Whoever knows several takes the one with the greatest [`ViewId`]: everybody ends with the same one, in
//!   whatever order views come.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::id::{AccountId, AdminKey, ClusterId, Incarnation, Position, ServerId, bytes_or_hex};
use crate::limits::{RETIRED_MAX, SERVERS_MAX, VIEW_MAX_BYTES};
use crate::signature::Unchecked;

/// What is signed begins with this, so that no signature of anything else is one of a view.
const DOMAIN: &[u8] = b"tercet view 1\0";

/// One server as clients know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// What people call it: `1`, `berlin`.
    pub name: String,
    /// `HOST:PORT`.
    pub address: String,
    /// Its public key; whoever answers with another is not this server.
    pub id: ServerId,
    /// Whether it appends nothing more: it is read from, and neither written to nor counted.
    #[serde(default)]
    pub sealed: bool,
}

/// A server that was a member.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Retired {
    /// What people called it.
    pub name: String,
    /// Its public key.
    pub id: ServerId,
    /// The life of its log that was sealed; `None` if it was dead, and nobody could say.
    pub incarnation: Option<Incarnation>,
    /// The last position of that log; 0 if nobody could say.
    pub position: Position,
    /// Who holds all of that log, each with the life of its own. Empty: it was removed undrained, which is a disk
    /// loss.
    pub drained: Vec<(ServerId, Incarnation)>,
}

/// Which view. The greater one counts: the later epoch and, of two that an administrator signed for one epoch, the
/// one with the smaller hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ViewId {
    /// The first view is 1.
    pub epoch: u64,
    /// BLAKE3 of the view's bytes.
    #[serde(with = "bytes_or_hex")]
    pub hash: [u8; 32],
}

impl Ord for ViewId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.epoch, Reverse(self.hash)).cmp(&(other.epoch, Reverse(other.hash)))
    }
}

impl PartialOrd for ViewId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What a view says; its bytes are MessagePack of this.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Content {
    cluster: ClusterId,
    epoch: u64,
    servers: Vec<Member>,
    /// Who signs the views that follow.
    #[serde(default)]
    admin: Option<AdminKey>,
    /// The newest are kept, oldest first.
    #[serde(default)]
    retired: Vec<Retired>,
}

/// The servers of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Content", into = "Content")]
pub struct View {
    content: Content,
    id: ViewId,
    signature: Option<Vec<u8>>,
}

/// A view that the cluster's administrator signed; there is none whose signature is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignedView(View);

/// Why something is no view, or no step from one to the next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// Nobody to talk to.
    #[error("a cluster needs at least one server")]
    Empty,
    /// Nobody to write to.
    #[error("a cluster needs at least one server that is not sealed")]
    AllSealed,
    /// More than [`SERVERS_MAX`].
    #[error("a cluster has at most {SERVERS_MAX} servers, this one has {0}")]
    TooMany(usize),
    /// Two servers share a name, an address or a key.
    #[error("two servers have the same {what}: {value}")]
    Twice {
        /// `name`, `address` or `key`.
        what: &'static str,
        /// What they share.
        value: String,
    },
    /// The key has been a server's that was retired.
    #[error("the key of server {0} was retired; a server that comes back needs a new one")]
    CameBack(String),
    /// There is no such server in the view.
    #[error("server {0} is not in the view")]
    Unknown(String),
    /// It is sealed already.
    #[error("server {0} is sealed already")]
    Sealed(String),
    /// Only a sealed server can have been drained.
    #[error("server {0} is not sealed, so nobody can hold all that it will append")]
    NotSealed(String),
    /// Whoever is to hold a retired server's log is no unsealed member.
    #[error("server {0} cannot stand in for another: it is not in the view, or sealed itself")]
    NoStandIn(String),
    /// More than [`VIEW_MAX_BYTES`].
    #[error("a view of {0} bytes; the limit is {VIEW_MAX_BYTES}")]
    TooLarge(usize),
    /// The bytes are no signed view.
    #[error("it is no signed view: {0}")]
    Malformed(String),
    /// It belongs to another cluster.
    #[error("the view belongs to another cluster")]
    Foreign,
    /// The cluster has no administration key.
    #[error("the cluster file names no administration key, so its servers cannot change")]
    NoAdmin,
    /// The signature is not the administrator's, or of something else.
    #[error("the view is not signed by the cluster's administrator")]
    Signature,
}

impl TryFrom<Content> for View {
    type Error = ViewError;

    fn try_from(content: Content) -> Result<Self, ViewError> {
        Self::checked(content)
    }
}

impl From<View> for Content {
    fn from(view: View) -> Self {
        view.content
    }
}

impl View {
    /// A view of these servers, in this order, of a cluster without administrator.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn new(cluster: ClusterId, epoch: u64, servers: Vec<Member>) -> Result<Self, ViewError> {
        Self::checked(Content { cluster, epoch, servers, admin: None, retired: Vec::new() })
    }

    /// The same view with an administrator, who signs those that follow.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn with_admin(self, admin: AdminKey) -> Result<Self, ViewError> {
        Self::checked(Content { admin: Some(admin), ..self.content })
    }

    /// The same view with those that were members.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn with_retired(self, retired: Vec<Retired>) -> Result<Self, ViewError> {
        Self::checked(Content { retired, ..self.content })
    }

    /// The same view with its signature, as a cluster file keeps it.
    ///
    /// # Errors
    /// [`ViewError::Signature`], [`ViewError::NoAdmin`].
    pub fn with_signature(mut self, signature: Vec<u8>) -> Result<SignedView, ViewError> {
        let admin = self.content.admin.ok_or(ViewError::NoAdmin)?;
        let signed = [DOMAIN, &self.encode()?].concat();
        if !Unchecked::new(AccountId::new(*admin.as_bytes()), &signed, &signature).is_valid() {
            return Err(ViewError::Signature);
        }
        self.signature = Some(signature);
        Ok(SignedView(self))
    }

    fn checked(content: Content) -> Result<Self, ViewError> {
        let Content { servers, retired, .. } = &content;
        if servers.is_empty() {
            return Err(ViewError::Empty);
        }
        if servers.len() > SERVERS_MAX {
            return Err(ViewError::TooMany(servers.len()));
        }
        let distinct = |what, field: fn(&Member) -> String| {
            let mut seen = BTreeSet::new();
            match servers.iter().map(field).find(|value| !seen.insert(value.clone())) {
                Some(value) => Err(ViewError::Twice { what, value }),
                None => Ok(()),
            }
        };
        distinct("name", |member| member.name.clone())?;
        distinct("address", |member| member.address.clone())?;
        distinct("key", |member| member.id.to_string())?;
        if let Some(back) = servers.iter().find(|member| retired.iter().any(|gone| gone.id == member.id)) {
            return Err(ViewError::CameBack(back.name.clone()));
        }
        if servers.iter().all(|member| member.sealed) {
            return Err(ViewError::AllSealed);
        }
        if retired.len() > RETIRED_MAX {
            return Err(ViewError::Malformed(format!("it names {} retired servers", retired.len())));
        }
        let epoch = content.epoch;
        let mut view = Self { content, id: ViewId { epoch, hash: [0; 32] }, signature: None };
        view.id.hash = *blake3::hash(&view.encode()?).as_bytes();
        Ok(view)
    }

    /// What is signed, and hashed.
    fn encode(&self) -> Result<Vec<u8>, ViewError> {
        let bytes =
            rmp_serde::to_vec(&self.content).map_err(|error| ViewError::Malformed(error.to_string()))?;
        if bytes.len() > VIEW_MAX_BYTES {
            return Err(ViewError::TooLarge(bytes.len()));
        }
        Ok(bytes)
    }

    // ---- what it says -------------------------------------------------------------------------------

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.content.cluster
    }

    /// Which view of the cluster this is; the first is 1.
    pub fn epoch(&self) -> u64 {
        self.content.epoch
    }

    /// Which view it is, and which of two counts.
    pub fn id(&self) -> ViewId {
        self.id
    }

    /// Who signs the views that follow; `None` in clusters from before there were any.
    pub fn admin(&self) -> Option<AdminKey> {
        self.content.admin
    }

    /// The servers, in the order of the cluster file, sealed ones included.
    pub fn servers(&self) -> &[Member] {
        &self.content.servers
    }

    /// What people call the servers, those that left included.
    pub fn names(&self) -> impl Iterator<Item = (ServerId, String)> {
        let left = self.retired().iter().map(|retired| (retired.id, retired.name.clone()));
        left.chain(self.servers().iter().map(|member| (member.id, member.name.clone())))
    }

    /// The servers that are written to and counted: the N of k/N.
    pub fn writable(&self) -> impl Iterator<Item = &Member> {
        self.servers().iter().filter(|member| !member.sealed)
    }

    /// Whether a server appends to its log: it is a member, and not sealed.
    pub fn lets_append(&self, id: ServerId) -> bool {
        self.member(id).is_some_and(|member| !member.sealed)
    }

    /// Those that were members, the newest last.
    pub fn retired(&self) -> &[Retired] {
        &self.content.retired
    }

    /// The administrator's signature; a cluster's first view has none.
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }

    /// The view with the proof that its signature is right; `None` if it has none.
    pub fn signed(&self) -> Option<SignedView> {
        self.signature.is_some().then(|| SignedView(self.clone()))
    }

    /// A server's place in [`View::servers`].
    pub fn index_of(&self, id: ServerId) -> Option<usize> {
        self.servers().iter().position(|member| member.id == id)
    }

    /// A server of the view.
    pub fn member(&self, id: ServerId) -> Option<&Member> {
        self.index_of(id).map(|index| &self.servers()[index])
    }

    /// What people call a server, one that was retired too; its key's first digits if the view does not know it.
    pub fn name_of(&self, id: ServerId) -> String {
        let retired = || self.retired().iter().find(|retired| retired.id == id).map(|retired| &retired.name);
        self.member(id).map(|member| &member.name).or_else(retired).cloned().unwrap_or_else(|| id.short())
    }

    // ---- the next view ------------------------------------------------------------------------------

    /// The view with one server more.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn add(&self, member: Member) -> Result<Self, ViewError> {
        self.next(|content| content.servers.push(member))
    }

    /// The view in which a server appends nothing more.
    ///
    /// # Errors
    /// [`ViewError::Unknown`], [`ViewError::Sealed`], [`ViewError::AllSealed`].
    pub fn seal(&self, id: ServerId) -> Result<Self, ViewError> {
        let index = self.index_of(id).ok_or_else(|| ViewError::Unknown(id.short()))?;
        if self.servers()[index].sealed {
            return Err(ViewError::Sealed(self.name_of(id)));
        }
        self.next(|content| content.servers[index].sealed = true)
    }

    /// The view without a server. `log` is the life and end of its log, as far as somebody can say; `drained` are
    /// the members that hold all of that log, each with the life of its own. With nobody there it is removed
    /// undrained, sealed or not.
    ///
    /// # Errors
    /// [`ViewError::Unknown`], [`ViewError::NotSealed`], [`ViewError::NoStandIn`], [`ViewError::AllSealed`].
    pub fn retire(
        &self,
        id: ServerId,
        log: Option<(Incarnation, Position)>,
        drained: Vec<(ServerId, Incarnation)>,
    ) -> Result<Self, ViewError> {
        let index = self.index_of(id).ok_or_else(|| ViewError::Unknown(id.short()))?;
        let leaves = &self.servers()[index];
        if !drained.is_empty() && (!leaves.sealed || log.is_none()) {
            return Err(ViewError::NotSealed(leaves.name.clone()));
        }
        let stays = |id: ServerId| self.writable().any(|member| member.id == id);
        if let Some((stranger, _)) = drained.iter().find(|(id, _)| !stays(*id)) {
            return Err(ViewError::NoStandIn(self.name_of(*stranger)));
        }
        let (incarnation, position) = log.map_or((None, 0), |(life, position)| (Some(life), position));
        let retired = Retired { name: leaves.name.clone(), id, incarnation, position, drained };
        self.next(|content| {
            content.servers.remove(index);
            content.retired.push(retired);
            let surplus = content.retired.len().saturating_sub(RETIRED_MAX);
            content.retired.drain(..surplus);
        })
    }

    fn next(&self, step: impl FnOnce(&mut Content)) -> Result<Self, ViewError> {
        let mut content = self.content.clone();
        content.epoch += 1;
        step(&mut content);
        Self::checked(content)
    }

    /// The view with its administrator's signature.
    ///
    /// # Errors
    /// [`ViewError::NoAdmin`]; [`ViewError::Signature`] if the key is not the administrator's.
    pub fn sign(self, key: &SigningKey) -> Result<SignedView, ViewError> {
        let signed = [DOMAIN, &self.encode()?].concat();
        self.with_signature(key.sign(&signed).to_bytes().to_vec())
    }
}

impl SignedView {
    /// Reads what [`SignedView::bytes`] gave, if it counts for more than the view that is known, from which the
    /// administrator's key is taken. What counts for less is `None`, and its signature is not looked at.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn newer(bytes: &[u8], known: &View) -> Result<Option<Self>, ViewError> {
        let admin = known.admin().ok_or(ViewError::NoAdmin)?;
        let (view, signature) = decode(bytes)?;
        if view.cluster() != known.cluster() {
            return Err(ViewError::Foreign);
        }
        if view.id() <= known.id() {
            return Ok(None);
        }
        if view.admin() != Some(admin) {
            return Err(ViewError::Signature);
        }
        view.with_signature(signature).map(Some)
    }

    /// Reads what [`SignedView::bytes`] gave, of whatever cluster: its signature is that of the administrator whom
    /// it names itself.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ViewError> {
        let (view, signature) = decode(bytes)?;
        view.with_signature(signature)
    }

    /// The servers that a view names, without a look at who signed it: for whoever judges what others did by it.
    /// `None` if it cannot be read.
    pub fn named_in(bytes: &[u8]) -> Option<Vec<ServerId>> {
        let (encoded, _): (ByteBuf, ByteBuf) = rmp_serde::from_slice(bytes).ok()?;
        let view: View = rmp_serde::from_slice(&encoded).ok()?;
        Some(view.servers().iter().map(|member| member.id).collect())
    }

    /// What it says.
    pub fn view(&self) -> &View {
        &self.0
    }

    /// What it says.
    pub fn into_view(self) -> View {
        self.0
    }

    /// The view's bytes with their signature, as they cross the wire and are kept: MessagePack of both.
    pub fn bytes(&self) -> Vec<u8> {
        let encoded = self.0.encode().unwrap_or_default();
        let signature = self.0.signature.clone().unwrap_or_default();
        rmp_serde::to_vec(&(ByteBuf::from(encoded), ByteBuf::from(signature))).unwrap_or_default()
    }
}

/// A view and its signature, which was not looked at.
fn decode(bytes: &[u8]) -> Result<(View, Vec<u8>), ViewError> {
    if bytes.len() > VIEW_MAX_BYTES + 128 {
        return Err(ViewError::TooLarge(bytes.len()));
    }
    let malformed = |error: rmp_serde::decode::Error| ViewError::Malformed(error.to_string());
    let (encoded, signature): (ByteBuf, ByteBuf) = rmp_serde::from_slice(bytes).map_err(malformed)?;
    let view: View = rmp_serde::from_slice(&encoded).map_err(malformed)?;
    if view.encode()? != *encoded {
        return Err(ViewError::Malformed("it is not encoded as views are".to_owned()));
    }
    Ok((view, signature.into_vec()))
}

impl From<SignedView> for View {
    fn from(signed: SignedView) -> Self {
        signed.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId::new([1; 16]);

    fn member(number: usize) -> Member {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        Member {
            name: number.to_string(),
            address: format!("127.0.0.1:{}", 7000 + number),
            id: ServerId::new(id),
            sealed: false,
        }
    }

    fn members(count: usize) -> Vec<Member> {
        (1..=count).map(member).collect()
    }

    #[test]
    fn a_view_names_its_servers_and_strangers_by_their_keys() {
        let view = View::new(CLUSTER, 3, members(SERVERS_MAX)).unwrap();
        assert_eq!((view.cluster(), view.epoch(), view.servers().len()), (CLUSTER, 3, SERVERS_MAX));
        assert_eq!(view.index_of(member(2).id), Some(1));
        assert_eq!(view.name_of(member(2).id), "2");
        let stranger = ServerId::new([0xee; 32]);
        assert_eq!((view.index_of(stranger), view.name_of(stranger)), (None, "eeeeeeee".to_owned()));
    }

    #[test]
    fn lists_that_are_no_view_are_refused_from_code_and_from_files() {
        let alike = |alter: fn(&mut Member)| {
            let mut servers = members(3);
            alter(&mut servers[2]);
            servers
        };
        let twice = |what, value: &str| ViewError::Twice { what, value: value.to_owned() };
        for (servers, expected) in [
            (vec![], ViewError::Empty),
            (members(SERVERS_MAX + 1), ViewError::TooMany(SERVERS_MAX + 1)),
            (alike(|server| server.name = "1".to_owned()), twice("name", "1")),
            (alike(|server| server.address = member(1).address), twice("address", "127.0.0.1:7001")),
            (alike(|server| server.id = member(1).id), twice("key", &member(1).id.to_string())),
        ] {
            assert_eq!(View::new(CLUSTER, 1, servers.clone()), Err(expected.clone()));
            let file = serde_json::json!({ "cluster": CLUSTER, "epoch": 1, "servers": servers });
            let error = serde_json::from_value::<View>(file).unwrap_err().to_string();
            assert!(error.contains(&expected.to_string()), "{error}");
        }
    }

    #[test]
    fn a_view_comes_back_from_its_file() {
        let view = View::new(CLUSTER, 2, members(3)).unwrap();
        let file = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<View>(&file).unwrap(), view);
    }

    fn key(number: u8) -> SigningKey {
        SigningKey::from_bytes(&[number; 32])
    }

    fn admin() -> AdminKey {
        AdminKey::new(key(1).verifying_key().to_bytes())
    }

    fn first() -> View {
        View::new(CLUSTER, 1, members(3)).unwrap().with_admin(admin()).unwrap()
    }

    const LIFE: Incarnation = Incarnation::new([7; 16]);

    #[test]
    fn a_server_comes_and_another_goes_one_epoch_after_the_other() {
        let [one, two, _] = [1, 2, 3].map(|number| member(number).id);
        let added = first().add(member(4)).unwrap();
        assert_eq!((added.epoch(), added.servers().len(), added.admin()), (2, 4, Some(admin())));
        let sealed = added.seal(one).unwrap();
        assert_eq!((sealed.epoch(), sealed.servers().len(), sealed.writable().count()), (3, 4, 3));
        let retired = sealed.retire(one, Some((LIFE, 9)), vec![(two, LIFE)]).unwrap();
        assert_eq!((retired.epoch(), retired.index_of(one), retired.retired()[0].position), (4, None, 9));
        assert_eq!(retired.name_of(one), "1", "it is remembered by its name");
        assert_eq!(retired.add(member(1)), Err(ViewError::CameBack("1".to_owned())));
    }

    #[test]
    fn steps_that_make_no_view_are_refused() {
        let [one, two, three] = [1, 2, 3].map(|number| member(number).id);
        let stranger = ServerId::new([0xee; 32]);
        let sealed = first().seal(one).unwrap();
        assert_eq!(first().add(member(2)), Err(ViewError::Twice { what: "name", value: "2".to_owned() }));
        assert_eq!(first().seal(stranger), Err(ViewError::Unknown("eeeeeeee".to_owned())));
        assert_eq!(sealed.seal(one), Err(ViewError::Sealed("1".to_owned())));
        assert_eq!(sealed.seal(two).unwrap().seal(three), Err(ViewError::AllSealed));
        let drained = vec![(two, LIFE)];
        let log = Some((LIFE, 1));
        assert_eq!(first().retire(one, log, drained.clone()), Err(ViewError::NotSealed("1".to_owned())));
        assert_eq!(sealed.retire(one, None, drained), Err(ViewError::NotSealed("1".to_owned())));
        for nobody in [(one, "1"), (stranger, "eeeeeeee")] {
            let refused = sealed.retire(one, log, vec![(nobody.0, LIFE)]);
            assert_eq!(refused, Err(ViewError::NoStandIn(nobody.1.to_owned())));
        }
        let last = first().seal(one).unwrap().seal(two).unwrap().retire(three, None, vec![]);
        assert_eq!(last, Err(ViewError::AllSealed));
        assert!(first().retire(one, None, vec![]).is_ok(), "a dead server is removed undrained");
    }

    #[test]
    fn only_the_newest_of_those_that_left_are_kept() {
        let mut view = first();
        for number in 10..11 + RETIRED_MAX {
            view = view.add(member(number)).unwrap().retire(member(number).id, None, vec![]).unwrap();
        }
        assert_eq!((view.retired().len(), view.retired()[0].id), (RETIRED_MAX, member(11).id));
    }

    #[test]
    fn a_signed_view_is_read_as_it_was_signed_and_by_nobody_else() {
        let signed = first().add(member(4)).unwrap().sign(&key(1)).unwrap();
        let bytes = signed.bytes();
        assert_eq!(SignedView::newer(&bytes, &first()), Ok(Some(signed.clone())));
        assert_eq!(SignedView::newer(&bytes, signed.view()), Ok(None), "it is known");
        let kept = signed.view().signature().unwrap().to_vec();
        assert_eq!(first().add(member(4)).unwrap().with_signature(kept), Ok(signed));
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(!matches!(SignedView::newer(&altered, &first()), Ok(Some(_))), "byte {at}");
            assert!(SignedView::newer(&bytes[..at], &first()).is_err(), "cut at {at}");
        }
        let nobody = View::new(CLUSTER, 1, members(3)).unwrap();
        assert_eq!(SignedView::newer(&bytes, &nobody), Err(ViewError::NoAdmin));
        let elsewhere =
            View::new(ClusterId::new([2; 16]), 1, members(3)).unwrap().with_admin(admin()).unwrap();
        assert_eq!(SignedView::newer(&bytes, &elsewhere), Err(ViewError::Foreign));
        assert_eq!(first().sign(&key(2)), Err(ViewError::Signature));
        let usurper = AdminKey::new(key(2).verifying_key().to_bytes());
        let theirs = first().add(member(4)).unwrap().with_admin(usurper).unwrap().sign(&key(2)).unwrap();
        assert_eq!(SignedView::newer(&theirs.bytes(), &first()), Err(ViewError::Signature));
    }

    #[test]
    fn of_two_views_of_one_epoch_everybody_takes_the_same() {
        let one = first().add(member(4)).unwrap();
        let other = first().add(member(5)).unwrap();
        let (greater, smaller) = if one.id() > other.id() { (one, other) } else { (other, one) };
        assert!(greater.id().hash < smaller.id().hash);
        let [greater, smaller] = [greater, smaller].map(|view| view.sign(&key(1)).unwrap());
        assert_eq!(SignedView::newer(&greater.bytes(), smaller.view()), Ok(Some(greater.clone())));
        assert_eq!(SignedView::newer(&smaller.bytes(), greater.view()), Ok(None));
        assert!(greater.view().seal(member(1).id).unwrap().id() > greater.view().id(), "a later epoch first");
    }

    #[test]
    fn the_largest_view_fits_its_bound() {
        let mut servers = members(SERVERS_MAX);
        let long = |length: usize, number: usize| format!("{number:0length$}");
        for (number, server) in servers.iter_mut().enumerate() {
            (server.name, server.address) = (long(40, number), long(259, number));
        }
        let drained = vec![(member(1).id, LIFE); SERVERS_MAX];
        let retired = |number: usize| Retired {
            name: long(40, number),
            id: member(number).id,
            incarnation: Some(LIFE),
            position: u64::MAX,
            drained: drained.clone(),
        };
        let gone = (100..100 + RETIRED_MAX).map(retired).collect();
        View::new(CLUSTER, u64::MAX, servers).unwrap().with_retired(gone).unwrap();
    }
}
