//! Where the suite was built without Docker.

use super::DockerError;
use crate::notices::{Listening, Notices};
use crate::profile::Profile;
use crate::target::{Opened, TargetError};

pub(in crate::target) async fn open(
    _: &str,
    _: &Profile,
    _: Option<&str>,
) -> Result<Opened, TargetError> {
    Err(DockerError::Absent.into())
}

pub(in crate::target) async fn listen() -> Result<(Notices, Listening), TargetError> {
    Err(DockerError::Absent.into())
}
