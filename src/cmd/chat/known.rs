//! The newest view that a running chat knows: one value that all its parts see.

use std::sync::{Arc, PoisonError, RwLock};

use crate::id::ServerId;
use crate::text::count;
use crate::view::{Member, View};

/// See the module. A clone is the same value.
#[derive(Debug, Clone)]
pub struct Known(Arc<RwLock<Arc<View>>>);

impl Known {
    /// Known at first.
    pub fn new(view: View) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(view))))
    }

    /// The view itself.
    pub fn get(&self) -> Arc<View> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// This one is known from here on.
    pub fn set(&self, view: Arc<View>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = view;
    }

    /// Its servers, in its order.
    pub fn servers(&self) -> Vec<Member> {
        self.get().servers().to_vec()
    }

    /// The N of k/N.
    pub fn count(&self) -> usize {
        self.get().writable().count()
    }

    /// A server's place.
    pub fn index_of(&self, server: ServerId) -> Option<usize> {
        self.get().index_of(server)
    }

    /// What people call a server.
    pub fn name_of(&self, server: ServerId) -> String {
        self.get().name_of(server)
    }

    /// Which view it is.
    pub fn epoch(&self) -> u64 {
        self.get().epoch()
    }
}

/// What a person is told when one view follows another.
pub fn news(before: &View, now: &View) -> String {
    let is_in = |view: &View, member: &Member| view.member(member.id).is_some();
    let joined = now.servers().iter().filter(|member| !is_in(before, member));
    let left = before.servers().iter().filter(|member| !is_in(now, member));
    let was_sealed = |member: &Member| before.member(member.id).is_some_and(|before| before.sealed);
    let leaving = now.servers().iter().filter(|member| member.sealed && !was_sealed(member));
    let told = |member: &Member, what: &str| format!("server {} {what}", crate::text::inert(&member.name));
    let all: Vec<String> = joined
        .map(|member| told(member, "has joined"))
        .chain(leaving.map(|member| told(member, "is about to leave, and is written to no more")))
        .chain(left.map(|member| told(member, "has left")))
        .collect();
    format!("{}: {} now", all.join(", "), count(now.writable().count(), "server"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ClusterId;

    #[test]
    fn each_step_from_one_view_to_another_is_told() {
        let member = |number: u8| Member {
            name: number.to_string(),
            address: format!("h:{number}"),
            id: ServerId::new([number; 32]),
            sealed: false,
        };
        let [one, two, three] = [1, 2, 3].map(member);
        let first = View::new(ClusterId::new([1; 16]), 1, vec![one.clone(), two]).unwrap();
        let added = first.add(three).unwrap();
        let sealed = added.seal(one.id).unwrap();
        let retired = sealed.retire(one.id, None, Vec::new()).unwrap();
        for (before, now, expected) in [
            (&first, &added, "server 3 has joined: 3 servers now"),
            (&added, &sealed, "server 1 is about to leave, and is written to no more: 2 servers now"),
            (&sealed, &retired, "server 1 has left: 2 servers now"),
            (&first, &retired, "server 3 has joined, server 1 has left: 2 servers now"),
        ] {
            assert_eq!(news(before, now), expected);
        }
        let known = Known::new(first);
        let elsewhere = known.clone();
        elsewhere.set(Arc::new(sealed));
        assert_eq!((known.servers().len(), known.count(), known.epoch()), (3, 2, 3));
    }
}
