//! From what the command line says to a container that serves.

use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use bollard::Docker;
use bollard::models::ImageConfig;
use testcontainers::core::client::docker_client_instance;

use super::DockerError;
use super::command::Command;
use super::container::{Container, NETWORK};
use super::creating::{HOST, Mounted, Plan, said};
use super::engine::Controls;
use crate::identity::Identities;
use crate::notices::{Listening, Notices};
use crate::power::Power;
use crate::profile::Profile;
use crate::requirement::Capability;
use crate::target::process::{self, ProcessError, free_socket, socket_of, uri_of};
use crate::target::{Held, NOTIFY, Opened, TargetError, door, identities};

/// Where {port} is in a container. Everybody may listen there.
const PORT: u16 = 50051;

/// Where {data} is in a container, if the profile does not say.
const DATA: &str = "/data";

/// Where {certs} is in a container.
const CERTS: &str = "/certs";

/// Starts a container of a local image, and waits until it listens.
pub(in crate::target) async fn open(
    text: &str,
    profile: &Profile,
    notify: Option<&str>,
) -> Result<Opened, TargetError> {
    let mut command = Command::read(text)?;
    let docker = engine().await?;
    let image = docker.inspect_image(&command.image).await;
    let image = image.map_err(|error| no_image(&command.image, &error))?;
    let config = image.config.unwrap_or_default();

    let port = match command.has("{port}") {
        true => PORT,
        false => exposed(&command.image, &config)?,
    };
    let (host, socket) = match socket_of(profile).map_err(DockerError::from)? {
        Some((_, socket)) if socket.ip() != Ipv4Addr::LOCALHOST => {
            return Err(DockerError::Address(socket).into());
        }
        Some(told) => told,
        None => (None, free_socket().map_err(DockerError::from)?),
    };
    let folder = process::folder().map_err(system)?;
    let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (mut mounts, mut store, mut user) = (Vec::new(), None, None);
    let at = match &profile.target.data {
        Some(told) if told.is_absolute() => Some(told.display().to_string()),
        Some(told) => return Err(DockerError::Data(told.display().to_string()).into()),
        None => command.has("{data}").then(|| DATA.to_owned()),
    };
    if let Some(at) = at {
        let data = folder.path().join("data");
        // Nobody but its owner gets into the folder around it.
        made(&data, 0o777).map_err(system)?;
        command.fill("{data}", &at);
        store = Some(data.clone());
        user = this_user();
        mounts.push(Mounted { from: data, at, is_read_only: false });
    }
    let mut known = identities(profile)?;
    let is_encrypted = command.has("{certs}") || known.is_some();
    if command.has("{certs}") {
        let certs = folder.path().join("certs");
        made(&certs, 0o755).map_err(system)?;
        known = Some(Identities::make(&certs)?);
        readable(&certs).map_err(system)?;
        command.fill("{certs}", CERTS);
        mounts.push(Mounted { from: certs, at: CERTS.into(), is_read_only: true });
    }
    command.fill("{port}", &port.to_string());
    command.fill(NOTIFY, &notify.map(from_inside).unwrap_or_default());

    let door = door(&uri_of(host.as_deref(), socket, is_encrypted), known)?;
    let plan = Plan {
        name,
        command,
        image_id: image.id.unwrap_or_default(),
        stop_signal: config.stop_signal.unwrap_or_else(|| "SIGTERM".into()),
        port,
        published: socket.port(),
        mounts,
        user,
    };
    let printed = profile.target.claims(Capability::Secure).then(Default::default);
    let container = Container::new(plan, docker, door.clone(), (folder, store), printed);
    let container = Arc::new(container);
    let held = Held(container.clone());
    container.start().await?;
    let power = Power::new(Controls(container.clone()));
    Ok(Opened { door, power, printed: container.printed(), held })
}

/// Listens for notifications where a container gets to: at the engine's own address, if that is one
/// of this machine's.
pub(in crate::target) async fn listen() -> Result<(Notices, Listening), TargetError> {
    if let Some(gateway) = gateway().await
        && let Ok(listening) = Notices::listen(SocketAddr::from((gateway, 0))).await
    {
        return Ok(listening);
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listened = Notices::listen(address).await;
    listened.map_err(|source| TargetError::Notifications { address, source })
}

async fn engine() -> Result<Docker, DockerError> {
    docker_client_instance().await.map_err(|error| DockerError::Engine(error.to_string()))
}

/// This machine's address in the network of the containers.
async fn gateway() -> Option<Ipv4Addr> {
    let network = engine().await.ok()?.inspect_network(NETWORK, None).await.ok()?;
    let config = network.ipam?.config?.into_iter().next()?;
    let told = config.gateway.and_then(|it| it.parse().ok());
    // Some engines do not tell; it is the first one in the network.
    let (first, _) = config.subnet.as_deref()?.split_once('/')?;
    told.or_else(|| Some(Ipv4Addr::from(u32::from(first.parse::<Ipv4Addr>().ok()?) + 1)))
}

/// A URL of this machine's, as a container knows it.
fn from_inside(url: &str) -> String {
    url.replacen("//127.0.0.1:", &format!("//{HOST}:"), 1)
}

fn no_image(image: &str, error: &bollard::errors::Error) -> DockerError {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code: 404, .. } => {
            DockerError::NoLocalImage(image.into())
        }
        error => DockerError::Engine(said(error)),
    }
}

/// The one port that the image says it listens on.
fn exposed(image: &str, config: &ImageConfig) -> Result<u16, DockerError> {
    let all = config.exposed_ports.clone().unwrap_or_default();
    let tcp = |it: &String| it.strip_suffix("/tcp").unwrap_or(it).parse().ok();
    let ports: Vec<u16> = all.iter().filter_map(tcp).collect();
    match ports.as_slice() {
        [port] => Ok(*port),
        ports => {
            let exposed = match ports.len() {
                0 => "no port".to_owned(),
                many => format!("{many} ports"),
            };
            Err(DockerError::NoPort { image: image.into(), exposed })
        }
    }
}

/// Who its program has to be run as, so that the suite can damage and remove what it has written.
fn this_user() -> Option<String> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    (!user.is_root()).then(|| format!("{}:{}", user.as_raw(), group.as_raw()))
}

fn made(folder: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(mode))
}

/// Lets everybody read what is in it who gets there.
fn readable(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::set_permissions(entry?.path(), Permissions::from_mode(0o644))?;
    }
    Ok(())
}

fn system(error: io::Error) -> DockerError {
    ProcessError::from(error).into()
}
