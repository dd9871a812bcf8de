//! How a container comes to be: with what is published, mounted and said to its program.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;

use bollard::models::{HostConfig, HostConfigLogConfig, PortBinding};
use testcontainers::core::client::ClientError;
use testcontainers::core::error::TestcontainersError;
use testcontainers::core::{Host, IntoContainerPort as _, Mount};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};

use super::command::Command;
use super::{DockerError, LABEL};

/// The name of this machine, for those in a container.
pub(super) const HOST: &str = "host.docker.internal";

/// All that a container is made of.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The container's own.
    pub(super) name: String,
    pub(super) command: Command,
    /// The image's identifier, `sha256:…`: what is local by that is not looked for elsewhere.
    pub(super) image_id: String,
    /// By which its program is asked to end.
    pub(super) stop_signal: String,
    /// Where it listens, in the container.
    pub(super) port: u16,
    /// Where that is reached, on this machine alone.
    pub(super) published: u16,
    pub(super) mounts: Vec<Mounted>,
    /// Who its program is run as, if not who the image says.
    pub(super) user: Option<String>,
}

/// A folder of this machine's in a container.
#[derive(Clone, Debug)]
pub(super) struct Mounted {
    pub(super) from: PathBuf,
    pub(super) at: String,
    pub(super) is_read_only: bool,
}

/// A container that was made, and goes when this is dropped.
pub(super) type Made = ContainerAsync<GenericImage>;

impl Plan {
    /// Makes the container, and starts its program.
    pub(super) async fn create(self) -> Result<Made, DockerError> {
        let (name, digest) = self.image_id.split_once(':').unwrap_or(("sha256", &self.image_id));
        let image = GenericImage::new(name, digest).with_exposed_port(self.port.tcp());
        let mut request = image
            .with_container_name(&self.name)
            .with_label(LABEL, std::process::id().to_string())
            .with_host(HOST, Host::HostGateway)
            .with_cmd(&self.command.arguments)
            .with_host_config_modifier(published(self.port, self.published));
        for (name, value) in &self.command.env {
            request = request.with_env_var(name, value);
        }
        for Mounted { from, at, is_read_only } in &self.mounts {
            let mount = Mount::bind_mount(from.display().to_string(), at);
            request = request.with_mount(match is_read_only {
                true => mount.with_access_mode(testcontainers::core::AccessMode::ReadOnly),
                false => mount,
            });
        }
        if let Some(user) = &self.user {
            request = request.with_user(user);
        }
        request.start().await.map_err(|error| not_started(&self.command.image, &error))
    }
}

/// On the loopback interface alone, and at this port each time that it is started; and with what it
/// prints kept whole.
fn published(port: u16, at: u16) -> impl Fn(&mut HostConfig) + Send + Sync + 'static {
    move |config| {
        let binding =
            PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(at.to_string()) };
        config.publish_all_ports = Some(false);
        config.port_bindings = Some(HashMap::from([(format!("{port}/tcp"), Some(vec![binding]))]));
        config.log_config = Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(HashMap::from([("max-size".into(), "1g".into())])),
        });
    }
}

fn not_started(image: &str, error: &TestcontainersError) -> DockerError {
    let why = match error {
        TestcontainersError::Client(
            ClientError::CreateContainer(error)
            | ClientError::StartContainer(error)
            | ClientError::Init(error),
        ) => said(error),
        error => error.to_string(),
    };
    DockerError::Start { image: image.into(), why }
}

/// What an engine says, without what it is wrapped in.
pub(super) fn said(error: &bollard::errors::Error) -> String {
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => {
            message.trim().to_owned()
        }
        error => error.to_string(),
    }
}

/// Does something on a thread of its own, which goes on whatever becomes of the caller.
pub(super) fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<io::Result<T>> {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(work))
    })
}
