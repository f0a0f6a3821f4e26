//! The named policies of a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::definition::{Policy, PolicyChain};
use super::error::PolicyError;

/// Policies by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySet {
    by_name: BTreeMap<String, Arc<Policy>>,
}

/// Collects policies and checks that their names differ.
#[derive(Clone, Debug, Default)]
pub struct PolicySetBuilder {
    set: PolicySet,
}

impl PolicySet {
    /// An empty builder.
    #[must_use]
    pub fn builder() -> PolicySetBuilder {
        PolicySetBuilder::default()
    }

    /// The policy of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Policy>> {
        self.by_name.get(name)
    }

    /// A chain of the policies with these names, in order.
    ///
    /// # Errors
    /// A name that no policy has.
    pub fn chain<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<PolicyChain, PolicyError> {
        let find = |name: &str| {
            self.get(name).cloned().ok_or_else(|| PolicyError::UnknownPolicy {
                name: name.to_owned(),
                known: self.by_name.keys().cloned().collect(),
            })
        };
        let policies: Vec<_> = names.into_iter().map(find).collect::<Result<_, _>>()?;
        Ok(PolicyChain::new(policies))
    }
}

impl PolicySetBuilder {
    /// Adds a policy.
    ///
    /// # Errors
    /// Another has its name.
    pub fn policy(mut self, policy: Policy) -> Result<Self, PolicyError> {
        match self.set.by_name.insert(policy.name.clone(), Arc::new(policy)) {
            None => Ok(self),
            Some(earlier) => Err(PolicyError::DuplicatePolicy(earlier.name.clone())),
        }
    }

    /// The set.
    #[must_use]
    pub fn build(self) -> PolicySet {
        self.set
    }
}
