//! tercet
pub mod clock;
pub mod event;
pub mod frame;
pub mod history;
pub mod id;
pub mod limits;
pub mod net;
pub mod order;
pub mod server;
pub mod text;
pub mod view;
