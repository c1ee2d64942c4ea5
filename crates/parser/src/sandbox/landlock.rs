//! Landlock: no file, no port, and no process outside.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};

/// The newest rights that are known here. Of those that the running kernel does not know, it denies none.
const NEWEST: ABI = ABI::V10;

/// Denies this thread, and those that it starts, everything that Landlock can deny.
pub(super) fn enter() -> Result<(), String> {
    let status = deny_all().map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced, _) => Ok(()),
        (_, LandlockStatus::NotEnabled) => {
            Err("it is not enabled in this kernel (boot parameter lsm)".to_owned())
        }
        _ => Err("this kernel does not have it".to_owned()),
    }
}

/// Handles all rights, and grants none.
fn deny_all() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()
}
