//! A host as a value: shared until it changes, known by a fingerprint, and stepped once for each input.
//!
//! Hosts share nothing, so the states of the whole are combinations of a few thousand states of the parts.
//! Each step of a part is therefore taken once and looked up afterwards.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use tercet::frame::encode;

use crate::scope::Scope;

/// What stands in a node: a machine with its disk and its clock.
pub trait Host: Clone + Hash {
    /// What can happen to it.
    type Input: Hash;
    /// What it sends.
    type Output;
    /// What is told of it for the judge, once.
    type Facts;

    fn step(&mut self, scope: &Scope, input: &Self::Input) -> Vec<Self::Output>;
    fn facts(&self, scope: &Scope) -> Self::Facts;
}

/// A host that does not change. Two are the same if their fingerprints are.
pub struct Node<H: Host>(Arc<Inner<H>>);

struct Inner<H: Host> {
    print: u64,
    host: H,
    facts: H::Facts,
}

impl<H: Host> Node<H> {
    pub fn new(host: H, scope: &Scope) -> Self {
        Self(Arc::new(Inner { print: print(&host), facts: host.facts(scope), host }))
    }

    pub fn host(&self) -> &H {
        &self.0.host
    }

    pub fn facts(&self) -> &H::Facts {
        &self.0.facts
    }
}

impl<H: Host> Clone for Node<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Host> Hash for Node<H> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.0.print.hash(state);
    }
}

impl<H: Host> PartialEq for Node<H> {
    fn eq(&self, other: &Self) -> bool {
        self.0.print == other.0.print
    }
}

/// A frame on its way, known by its bytes.
pub struct Letter<F>(Arc<(u64, F)>);

impl<F: serde::Serialize> Letter<F> {
    pub fn new(frame: F) -> Self {
        Self(Arc::new((print(&encode(&frame).unwrap()), frame)))
    }
}

impl<F> Letter<F> {
    pub fn frame(&self) -> &F {
        &self.0.1
    }
}

impl<F> Clone for Letter<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> Hash for Letter<F> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.0.0.hash(state);
    }
}

impl<F> PartialEq for Letter<F> {
    fn eq(&self, other: &Self) -> bool {
        self.0.0 == other.0.0
    }
}

/// Every step that was taken.
pub struct Steps<H: Host>(Mutex<Taken<H>>);

type Taken<H> = HashMap<(u64, u64), (Node<H>, Arc<Vec<<H as Host>::Output>>)>;

impl<H: Host> Steps<H> {
    pub fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// How many different steps there were.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn step(&self, scope: &Scope, node: &Node<H>, input: &H::Input) -> (Node<H>, Arc<Vec<H::Output>>) {
        let key = (node.0.print, print(input));
        if let Some((node, outputs)) = self.0.lock().unwrap().get(&key) {
            return (node.clone(), Arc::clone(outputs));
        }
        let mut host = node.host().clone();
        let outputs = Arc::new(host.step(scope, input));
        let step = (Node::new(host, scope), outputs);
        let mut taken = self.0.lock().unwrap();
        let (node, outputs) = taken.entry(key).or_insert(step);
        (node.clone(), Arc::clone(outputs))
    }
}

pub fn print(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
