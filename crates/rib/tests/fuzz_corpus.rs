//! The fuzz targets of this crate over their corpus.

#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;
#[path = "../../../fuzz/src/policy.rs"]
pub mod policy;

#[test]
fn policy_regex() {
    corpus::replay("policy_regex", policy::regex);
}
