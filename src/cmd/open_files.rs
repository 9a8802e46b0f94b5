//! How many files and connections this process may have open at once: `RLIMIT_NOFILE`, see getrlimit(2).
//!
//! A shell starts programs with 1,024 as a rule, because of `select`, which nobody calls here; the system lets a process
//! raise that by itself up to a second limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::failure::Failure;

/// Raises the limit as far as the system lets this process; answers what it is then, `None` if there is none.
pub fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current, // it was enough until now
    }
}

/// Sees to it that so many can be open.
///
/// # Errors
/// When the system does not let this process; says for what they are.
pub fn need(files: u64, what_for: &str) -> Result<(), Failure> {
    match raise() {
        Some(most) if most < files => Err(Failure::new(format!(
            "{what_for} need {files} open files in this process, and the system allows {most}"
        ))
        .next(format!("ulimit -Hn {files}, as root, and then again in the same shell"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_system_allows_is_refused_and_less_is_not() {
        let most = raise();
        assert_eq!(getrlimit(Resource::Nofile).current, most);
        need(10, "ten files").unwrap();
        if let Some(most) = most {
            let refused = need(most + 1, "too many").unwrap_err();
            assert!(refused.what().contains(&format!("the system allows {most}")), "{}", refused.what());
        }
    }
}
