//! The findings of `doctor` as JSON; see `schemas/doctor.schema.json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::doctor::Finding;
use crate::text::mask_secrets;

/// The findings about this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll doctor")]
pub struct DoctorDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    pub findings: Vec<Finding>,
}

pub fn document(findings: &[Finding]) -> DoctorDocument {
    let masked = |finding: &Finding| Finding {
        what: mask_secrets(&finding.what),
        hint: finding.hint.as_deref().map(mask_secrets),
        ..finding.clone()
    };
    DoctorDocument { version: 1, findings: findings.iter().map(masked).collect() }
}
