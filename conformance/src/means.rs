//! What the suite has of a target besides the way to it.

use crate::notices::Notices;
use crate::power::Power;
use crate::printed::Printed;

/// What the suite has of a target besides the way to it. Each is missing where the target was not
/// set up for it: what needs it is then not checked.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Means {
    /// What it prints, where the suite sees that.
    pub printed: Option<Printed>,
    /// Where the target sends its notifications.
    pub notices: Option<Notices>,
    /// To stop, kill and start it.
    pub power: Option<Power>,
}
