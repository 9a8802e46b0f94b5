//! A running server's log, asked for a batch at a time and never in memory as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ask::{block_on, identity, open, request};
use super::failure::Failure;
use super::home::Cluster;
use crate::event::Claim;
use crate::frame::{DeviceCursor, Item, ToClient, ToServer};
use crate::history::{ServerHistory, Stored};
use crate::id::{Incarnation, Position};
use crate::intake::Intake;
use crate::net::ask::Conn;
use crate::net::dial::Welcome;
use crate::taken::{ServerIntake, ServerLog};
use crate::view::Member;

/// Where a running server's log can be asked for.
#[derive(Debug, Clone)]
pub struct LiveLog {
    cluster: Cluster,
    server: Member,
    source: String,
}

impl LiveLog {
    /// That of a server of this cluster.
    pub fn of(cluster: &Cluster, server: &Member) -> Self {
        let source = format!("server {} (running)", server.name);
        Self { cluster: cluster.clone(), server: server.clone(), source }
    }

    /// What it is called.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Takes in all of it that was there when the server answered.
    ///
    /// # Errors
    /// When no server's key is on this machine, or the server does not answer, or sends what is no event.
    pub fn take_in(&self, intake: &Intake) -> Result<ServerLog, Failure> {
        block_on(async {
            let mut asking = Asking::of(self).await?;
            let life = (self.server.id, asking.welcome.incarnation);
            intake.progress.expect(asking.welcome.position);
            let mut log = ServerIntake::new(intake, self.source.clone(), life, true);
            while let Some(items) = asking.next().await? {
                for Item { position, event, .. } in items {
                    let bytes = event.unwrap_or_default();
                    if log.again(position, &bytes).is_none() {
                        let claim = Claim::of(&bytes).map_err(|error| self.no_event(position, &error))?;
                        log.claimed(position, &claim);
                    }
                }
            }
            log.view(asking.view());
            asking.end().await.into_iter().for_each(|cursor| log.cursor(cursor));
            Ok(log.finish())
        })
    }

    /// The same as plain values, whose signatures were not checked.
    ///
    /// # Errors
    /// See [`LiveLog::take_in`].
    pub fn read(&self) -> Result<ServerHistory, Failure> {
        block_on(async {
            let mut asking = Asking::of(self).await?;
            let mut log = Vec::new();
            while let Some(items) = asking.next().await? {
                for item in items {
                    log.push(self.stored(item)?);
                }
            }
            Ok(ServerHistory {
                source: self.source.clone(),
                server: self.server.id,
                incarnation: asking.welcome.incarnation,
                live: true,
                log,
                canonical: None,
                view: asking.view(),
                cursors: asking.end().await,
            })
        })
    }

    /// Some entries of this life of it, each asked for alone.
    ///
    /// # Errors
    /// See [`LiveLog::take_in`]; and when the server has another log now, in which other events stand at these positions.
    pub fn rows(
        &self,
        incarnation: Incarnation,
        positions: &BTreeSet<Position>,
    ) -> Result<Vec<Stored>, Failure> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        block_on(async {
            let mut asking = Asking::of(self).await?;
            if asking.welcome.incarnation != incarnation {
                let name = &self.server.name;
                let what = format!("server {name} has another log now than the one that was read before");
                return Err(Failure::new(what).next("run the command again"));
            }
            let mut rows = Vec::new();
            for position in positions {
                let (items, _) = asking.after(position.saturating_sub(1)).await?;
                let found = items.into_iter().find(|item| item.position == *position);
                rows.extend(found.map(|item| self.stored(item)).transpose()?);
            }
            asking.end().await;
            Ok(rows)
        })
    }

    fn stored(&self, Item { position, event, .. }: Item) -> Result<Stored, Failure> {
        let bytes = event.unwrap_or_default();
        let claim = Claim::of(&bytes).map_err(|error| self.no_event(position, &error))?;
        Ok(Stored { position, event: Arc::new(claim.event()) })
    }

    fn no_event(&self, position: Position, error: &dyn std::error::Error) -> Failure {
        Failure::new(format!("server {}, position {position}: {error}", self.server.name))
    }
}

/// A log on its way here.
struct Asking<'a> {
    log: &'a LiveLog,
    conn: Conn,
    welcome: Welcome,
    reached: Option<Position>,
    cursors: Vec<DeviceCursor>,
}

impl<'a> Asking<'a> {
    async fn of(log: &'a LiveLog) -> Result<Self, Failure> {
        let identity = identity(&log.cluster)?;
        let (conn, welcome) = open(&log.cluster, &log.server, &identity).await?;
        Ok(Self { log, conn, welcome, reached: None, cursors: Vec::new() })
    }

    /// The next entries. What is appended after the server answered is beyond what is asked for.
    async fn next(&mut self) -> Result<Option<Vec<Item>>, Failure> {
        let after = self.reached.unwrap_or(0);
        if self.reached.is_some_and(|reached| reached >= self.welcome.position) {
            return Ok(None);
        }
        let (items, cursors) = self.after(after).await?;
        self.cursors = cursors;
        let Some(last) = items.last() else { return Ok(None) };
        self.reached = Some(last.position);
        Ok(Some(items))
    }

    async fn after(&mut self, after: Position) -> Result<(Vec<Item>, Vec<DeviceCursor>), Failure> {
        let server = &self.log.server;
        match request(&mut self.conn, server, &ToServer::Pull { after }).await? {
            ToClient::Log { items, cursors, .. } => Ok((items, cursors)),
            _ => Err(Failure::new(format!("server {} answers something else than its log", server.name))),
        }
    }

    /// The cluster's view, if the server acts on it.
    fn view(&self) -> Option<Vec<u8>> {
        let own = self.log.cluster.view().signed();
        own.filter(|own| own.view().id() == self.welcome.view).map(|own| own.bytes())
    }

    async fn end(self) -> Vec<DeviceCursor> {
        self.conn.close().await;
        self.cursors
    }
}
