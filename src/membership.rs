//! Which view a server acts on, and what that makes of it.
//!
//! **Invariant**: a view counts once it is durable here (`Write::View`, then the log's [`Log::view`]), and no
//! later than that is it told to anybody. So a server that has stopped to append never starts again: whether it
//! is sealed follows from what is on its disk.
//!
//! Of two views of one epoch one may seal a server and the other not; whoever took the first may then hear of the
//! second, which counts. By then somebody may have relied on the seal: the log was read to its end, and left. So a
//! sealed log stays sealed (`Write::Seal`), and a server that is to append again has to begin another life of it.
//!
//! [`Log::view`]: crate::log::Log::view

use std::collections::BTreeSet;

use serde_bytes::ByteBuf;

use crate::id::{AdminKey, ServerId};
use crate::view::{SignedView, View, ViewError, ViewId};

/// A server's own place in the cluster, by the newest view that it knows.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Membership {
    own: ServerId,
    view: View,
    /// A newer view that is on its way to the disk.
    pending: Option<SignedView>,
    /// Whether this life of the log has ended.
    sealed: bool,
    /// Whether it will have, once what is on its way to the disk is there.
    seals: bool,
}

impl Membership {
    /// A server under this view, which is durable; `sealed`: whether its log was sealed before.
    pub(crate) fn new(own: ServerId, view: View, sealed: bool) -> Self {
        let sealed = sealed || !view.lets_append(own);
        Self { own, view, pending: None, sealed, seals: sealed }
    }

    /// The view in force.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Whether this server belongs to the cluster.
    pub(crate) fn is_member(&self) -> bool {
        self.view.member(self.own).is_some()
    }

    /// Whether this server may append: it is a member, not sealed, and its log never was.
    pub(crate) fn may_append(&self) -> bool {
        !self.sealed
    }

    /// Whether the view has this server append, and the end of its log's life forbids it.
    pub(crate) fn needs_another_life(&self) -> bool {
        self.sealed && self.view.lets_append(self.own)
    }

    /// Whether the log's life ends with what is on its way to the disk, if it has not ended before.
    pub(crate) fn ends(&self) -> bool {
        self.seals
    }

    /// Whether this key may speak as a peer: another server's of the cluster, or its administrator's, who need not
    /// have a server.
    pub(crate) fn is_peer(&self, key: [u8; 32]) -> bool {
        self.view.member(ServerId::new(key)).is_some() || self.view.admin() == Some(AdminKey::new(key))
    }

    /// Whose logs this server reads: nobody's once it appends nothing more.
    pub(crate) fn read(&self) -> BTreeSet<ServerId> {
        self.others().filter(|_| self.may_append()).collect()
    }

    /// The other servers of the cluster.
    pub(crate) fn others(&self) -> impl Iterator<Item = ServerId> {
        self.view.servers().iter().map(|member| member.id).filter(|id| *id != self.own)
    }

    /// What is to be sent to somebody who knows this view; `None` if there is nothing newer to tell.
    pub(crate) fn news_for(&self, known: ViewId) -> Option<ByteBuf> {
        let signed = self.view.signed().filter(|_| known < self.view.id())?;
        Some(ByteBuf::from(signed.bytes()))
    }

    /// Somebody brings a view. It is to be written if it is returned.
    ///
    /// # Errors
    /// It is none that counts here.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Result<Option<SignedView>, ViewError> {
        let newest = self.pending.as_ref().map_or(&self.view, SignedView::view);
        if newest.admin().is_none() {
            return Ok(None); // a file from before there were views: this server keeps its first
        }
        let newer = SignedView::newer(bytes, newest)?;
        if let Some(signed) = &newer {
            self.seals |= !signed.view().lets_append(self.own);
            self.pending = Some(signed.clone());
        }
        Ok(newer)
    }

    /// Whether a view is on its way to the disk.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// The last view on the disk is this one: it is in force, if it is what was waited for.
    pub(crate) fn settle(&mut self, durable: Option<&[u8]>) -> Option<SignedView> {
        let signed = self.pending.take_if(|pending| durable == Some(&*pending.bytes()))?;
        self.view = signed.view().clone();
        self.sealed |= self.seals;
        Some(signed)
    }
}
