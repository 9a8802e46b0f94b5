//! Who is there: what devices say of their persons, for as long as they are connected. Nothing of it is stored.
//!
//! A device says whether its person is here or away, and to whom that may be told; who says nothing is told nothing.
//! A server passes it on to those people's devices that say something themselves, about once a second
//! (`Presences::flush`), and says that a device is gone when its connection is. A reader puts together what all
//! servers say ([`Around`]): of one device the newest word counts, and of several devices of one person the best.
//!
//! Nobody can know whether a device that cannot be reached is gone: "gone" is a server's word on its own connection.

use std::collections::{BTreeMap, BTreeSet};

use crate::frame::{Presence, Present, ToClient};
use crate::id::{AccountId, DeviceId, ServerId};
use crate::limits::{AWAY_AFTER_MS, PRESENCE_NEWS_MAX, PRESENCE_TOLD_MAX};
use crate::readers::Told;
use crate::server::ConnId;

/// What the connections of one server say. See the module.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Presences {
    said: BTreeMap<ConnId, Said>,
    /// The connections that speak for an account.
    of: BTreeMap<AccountId, BTreeSet<ConnId>>,
    /// The connections that let an account know.
    tellers: BTreeMap<AccountId, BTreeSet<ConnId>>,
    /// What is to be told to a connection.
    news: BTreeMap<ConnId, BTreeMap<(AccountId, DeviceId), Present>>,
}

#[derive(Debug, Clone, Hash)]
struct Said {
    present: Present,
    tell: BTreeSet<AccountId>,
}

impl Presences {
    /// A connection says how its person is, and who may know; replaces what it said before.
    pub(crate) fn say(&mut self, conn: ConnId, present: Present, tell: BTreeSet<AccountId>) {
        if present.presence == Presence::Gone {
            return self.forget(conn);
        }
        let before = self.take(conn);
        let knew = before.as_ref().map(|said| said.tell.clone()).unwrap_or_default();
        for account in knew.difference(&tell) {
            self.tell(*account, Present { presence: Presence::Gone, ..present });
        }
        for account in &tell {
            self.tell(*account, present);
            self.tellers.entry(*account).or_default().insert(conn);
        }
        self.of.entry(present.account).or_default().insert(conn);
        self.said.insert(conn, Said { present, tell });
        if before.is_none() {
            self.catch_up(conn, present.account);
        }
    }

    /// A connection is gone, or says no more.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        let Some(Said { present, tell }) = self.take(conn) else { return };
        self.news.remove(&conn);
        for account in tell {
            self.tell(account, Present { presence: Presence::Gone, ..present });
        }
    }

    /// Everything that is to be told, one frame for each connection.
    pub(crate) fn flush(&mut self) -> Vec<Told> {
        let news = std::mem::take(&mut self.news);
        news.into_iter().map(|(conn, all)| (conn, ToClient::Present(all.into_values().collect()))).collect()
    }

    fn take(&mut self, conn: ConnId) -> Option<Said> {
        let said = self.said.remove(&conn)?;
        remove(&mut self.of, said.present.account, conn);
        said.tell.iter().for_each(|account| remove(&mut self.tellers, *account, conn));
        Some(said)
    }

    fn tell(&mut self, account: AccountId, present: Present) {
        for conn in self.of.get(&account).into_iter().flatten() {
            note(self.news.entry(*conn).or_default(), present);
        }
    }

    /// Tells a connection that says something for the first time what others let its account know.
    fn catch_up(&mut self, conn: ConnId, account: AccountId) {
        let tellers = self.tellers.get(&account).into_iter().flatten().filter(|teller| **teller != conn);
        let all: Vec<_> =
            tellers.filter_map(|teller| self.said.get(teller)).map(|said| said.present).collect();
        let news = self.news.entry(conn).or_default();
        all.into_iter().for_each(|present| note(news, present));
        if news.is_empty() {
            self.news.remove(&conn);
        }
    }
}

/// Adds what is new; beyond the bound nothing more is told until the next flush.
fn note(news: &mut BTreeMap<(AccountId, DeviceId), Present>, present: Present) {
    let key = (present.account, present.device);
    if news.len() < PRESENCE_NEWS_MAX || news.contains_key(&key) {
        news.insert(key, present);
    }
}

fn remove(of: &mut BTreeMap<AccountId, BTreeSet<ConnId>>, account: AccountId, conn: ConnId) {
    if let Some(conns) = of.get_mut(&account) {
        conns.remove(&conn);
        if conns.is_empty() {
            of.remove(&account);
        }
    }
}

/// What a device says of its person who typed last at a time, Unix milliseconds, and since when that is so.
pub fn of_typing(now_ms: u64, typed_ms: u64) -> (Presence, u64) {
    let away_ms = typed_ms.saturating_add(AWAY_AFTER_MS);
    if now_ms < away_ms { (Presence::Here, typed_ms) } else { (Presence::Away, away_ms) }
}

/// Who may know: the other sides of direct conversations, then the members of rooms, without those who are not heard;
/// so many as one frame may name.
pub fn audience(
    direct: impl IntoIterator<Item = AccountId>,
    members: impl IntoIterator<Item = AccountId>,
    is_unheard: impl Fn(AccountId) -> bool,
) -> BTreeSet<AccountId> {
    let mut audience = BTreeSet::new();
    for account in direct.into_iter().chain(members) {
        if audience.len() < PRESENCE_TOLD_MAX && !is_unheard(account) {
            audience.insert(account);
        }
    }
    audience
}

/// What all servers say, as a reader puts it together. See the module.
#[derive(Debug, Clone, Default)]
pub struct Around(BTreeMap<ServerId, BTreeMap<(AccountId, DeviceId), Present>>);

impl Around {
    /// A server has told something.
    pub fn take(&mut self, server: ServerId, told: Vec<Present>) {
        let known = self.0.entry(server).or_default();
        for present in told {
            let key = (present.account, present.device);
            if known.len() < PRESENCE_NEWS_MAX || known.contains_key(&key) {
                known.insert(key, present);
            }
        }
    }

    /// A server's connection is gone: what it said is void.
    pub fn forget(&mut self, server: ServerId) {
        self.0.remove(&server);
    }

    /// How a person is and since when, Unix milliseconds; `None` if no server that answers says so.
    pub fn of(&self, account: AccountId) -> Option<(Presence, u64)> {
        let mut devices: BTreeMap<DeviceId, Present> = BTreeMap::new();
        let told = self.0.values().flatten().filter(|((of, _), _)| *of == account);
        for ((_, device), present) in told {
            let newest = devices.entry(*device).or_insert(*present);
            // That one server lost a connection says little while another has it.
            if rank(present) > rank(newest) {
                *newest = *present;
            }
        }
        let best =
            devices.into_values().min_by_key(|present| (present.presence, u64::MAX - present.at_ms))?;
        Some((best.presence, best.at_ms))
    }
}

fn rank(present: &Present) -> (bool, u64) {
    (present.presence != Presence::Gone, present.at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(person: u8) -> AccountId {
        AccountId::new([person; 32])
    }

    fn present(person: u8, presence: Presence, at_ms: u64) -> Present {
        Present { account: who(person), device: DeviceId::new([person; 16]), presence, at_ms }
    }

    fn says(presences: &mut Presences, person: u8, presence: Presence, tell: &[u8]) {
        presences.say(person.into(), present(person, presence, 7), tell.iter().map(|to| who(*to)).collect());
    }

    fn told(presences: &mut Presences) -> Vec<(u8, Vec<(u8, Presence)>)> {
        let flushed = presences.flush();
        let who = |present: &Present| (present.account.as_bytes()[0], present.presence);
        let frames = flushed.into_iter().map(|(conn, frame)| match frame {
            ToClient::Present(all) => (u8::try_from(conn).unwrap(), all.iter().map(who).collect()),
            other => unreachable!("{other:?}"),
        });
        frames.collect()
    }

    #[test]
    fn only_whom_a_device_names_is_told_and_only_if_they_say_something_themselves() {
        let mut presences = Presences::default();
        says(&mut presences, 1, Presence::Here, &[2, 4]);
        assert_eq!(told(&mut presences), [], "nobody else says anything");
        says(&mut presences, 2, Presence::Here, &[1]);
        says(&mut presences, 3, Presence::Here, &[]);
        assert_eq!(
            told(&mut presences),
            [(1, vec![(2, Presence::Here)]), (2, vec![(1, Presence::Here)])],
            "what was said before is caught up with, and 3 hears of nobody"
        );
        says(&mut presences, 1, Presence::Away, &[2]);
        assert_eq!(told(&mut presences), [(2, vec![(1, Presence::Away)])]);
        assert_eq!(told(&mut presences), [], "once");
    }

    #[test]
    fn who_is_struck_off_the_list_and_who_remains_are_told_that_a_device_is_gone() {
        let mut presences = Presences::default();
        [1, 2, 3].into_iter().for_each(|person| says(&mut presences, person, Presence::Here, &[1, 2, 3]));
        told(&mut presences);
        says(&mut presences, 1, Presence::Here, &[3]);
        assert_eq!(
            told(&mut presences),
            [(2, vec![(1, Presence::Gone)]), (3, vec![(1, Presence::Here)])],
            "blocked, to whom it seems as if nobody were there"
        );
        presences.forget(1);
        assert_eq!(told(&mut presences), [(3, vec![(1, Presence::Gone)])]);
        says(&mut presences, 2, Presence::Gone, &[3]);
        assert_eq!(
            told(&mut presences),
            [(2, vec![(2, Presence::Gone)]), (3, vec![(2, Presence::Gone)])][1..]
        );
        assert!(presences.said.len() == 1 && presences.news.is_empty());
        presences.forget(3);
        assert!(presences.of.is_empty() && presences.tellers.is_empty(), "{presences:?}");
    }

    #[test]
    fn what_is_told_at_once_is_bounded() {
        let mut news = BTreeMap::new();
        for number in 0..PRESENCE_NEWS_MAX as u64 + 5 {
            let mut present = present(1, Presence::Here, 1);
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            present.device = DeviceId::new(id);
            note(&mut news, present);
        }
        assert_eq!(news.len(), PRESENCE_NEWS_MAX);
        let many = (0..=255)
            .map(who)
            .chain((0..=255).map(|n| AccountId::new([n, 1].repeat(16).try_into().unwrap())));
        let audience = audience(many, [], |account| account == who(0));
        assert_eq!(audience.len(), PRESENCE_TOLD_MAX);
        assert!(!audience.contains(&who(0)), "who is not heard is not told");
    }

    #[test]
    fn a_person_who_does_not_type_is_away() {
        assert_eq!(of_typing(1_000, 1_000), (Presence::Here, 1_000));
        assert_eq!(of_typing(AWAY_AFTER_MS + 999, 1_000), (Presence::Here, 1_000));
        assert_eq!(of_typing(AWAY_AFTER_MS + 5_000, 1_000), (Presence::Away, AWAY_AFTER_MS + 1_000));
        assert_eq!(of_typing(10, 1_000).0, Presence::Here, "the clock was set back");
    }

    #[test]
    fn the_newest_word_on_each_device_counts_and_the_best_of_a_persons_devices() {
        let [one, two] = [1, 2].map(|n| ServerId::new([n; 32]));
        let phone =
            |presence, at_ms| Present { device: DeviceId::new([9; 16]), ..present(5, presence, at_ms) };
        let of = |said: &[(ServerId, Present)]| {
            let mut around = Around::default();
            said.iter().for_each(|(server, present)| around.take(*server, vec![*present]));
            around.of(who(5))
        };
        let here = present(5, Presence::Here, 10);
        let away = present(5, Presence::Away, 20);
        let gone = present(5, Presence::Gone, 30);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(one, here), (two, away)]), Some((Presence::Away, 20)));
        assert_eq!(of(&[(one, away), (two, here)]), Some((Presence::Away, 20)), "whoever said it first");
        assert_eq!(of(&[(one, gone), (two, here)]), Some((Presence::Here, 10)), "one connection was lost");
        assert_eq!(of(&[(one, gone)]), Some((Presence::Gone, 30)));
        assert_eq!(of(&[(one, away), (one, phone(Presence::Here, 5))]), Some((Presence::Here, 5)));
        assert_eq!(of(&[(one, here), (one, phone(Presence::Gone, 50))]), Some((Presence::Here, 10)));
        let mut around = Around::default();
        around.take(one, vec![here]);
        around.forget(one);
        assert_eq!(around.of(who(5)), None, "what a server said that does not answer is void");
    }
}
