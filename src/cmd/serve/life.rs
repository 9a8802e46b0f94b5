//! What a server begins with: the view in force, and a life of its log that the view lets it append to.

use super::fatal;
use crate::cmd::config::ServerSetup;
use crate::cmd::failure::Failure;
use crate::cmd::rebuild;
use crate::log::{Log, Write};
use crate::store::Replica;
use crate::text::inert;
use crate::view::{SignedView, View};

/// The newest view of the cluster file and the store. One that only the file has is written into the store first:
/// it counts from then on, whatever becomes of the file.
///
/// # Errors
/// The store cannot be read or written, or holds a view of another cluster.
pub(super) fn view_in_force(setup: &ServerSetup, replica: &Replica) -> Result<View, Failure> {
    let file = setup.cluster.view();
    let stored = replica.view().map_err(|error| fatal(&error))?;
    let newer = match &stored {
        Some(bytes) if file.admin().is_some() => SignedView::newer(bytes, file).map_err(|why| {
            Failure::new(format!("the view in its store cannot be taken: {why}"))
                .next("give it the cluster file of the cluster that it belongs to")
        })?,
        _ => None,
    };
    if let Some(stored) = newer {
        return Ok(stored.into_view());
    }
    if let Some(signed) = file.signed().filter(|signed| stored != Some(signed.bytes())) {
        let seal = (!file.lets_append(setup.member.id)).then_some(Write::Seal);
        let writes: Vec<_> = seal.into_iter().chain([Write::View(signed)]).collect();
        replica.commit(&writes).map_err(|error| fatal(&error))?;
    }
    Ok(file.clone())
}

/// The log, or another life of it if this one was sealed and the view has its server append.
///
/// # Errors
/// The store cannot be read, or not be copied.
pub(super) fn alive(setup: &ServerSetup, replica: Replica, view: &View) -> Result<Replica, Failure> {
    let sealed = replica.is_sealed().map_err(|error| fatal(&error))?;
    if !sealed || !view.lets_append(setup.member.id) {
        return Ok(replica);
    }
    drop(replica);
    rebuild::renew_sealed(setup, view)
}

/// What a server says that ends because its log needs another life.
pub(super) fn sealed_for_nothing(name: &str) -> Failure {
    let name = inert(name);
    Failure::new(format!(
        "server {name} stops: its log was sealed by a view, and another of the same epoch, which counts for more, has \
         the server go on; what is sealed stays sealed"
    ))
    .next(format!("start it again, and it goes on under a new incarnation: tercet cluster start {name}"))
}
