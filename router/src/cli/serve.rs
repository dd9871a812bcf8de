use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Parser as _;
use mpc_router::log::Log;
use mpc_router::notify::Gateways;
use mpc_router::operations::{LogFilter as _, Operations};
use mpc_router::serve::{BindError, Server, Tls};
use mpc_router::store::Store;
use mpc_router::{Config, Router};

use super::file::{self, Arguments};
use super::logs::Logs;
use super::systemd;
use super::traces::Traces;
use super::{Cli, Command, Serve};

/// Runs a router until it is told to stop.
pub(super) fn run(options: &Serve, arguments: Arguments) -> anyhow::Result<()> {
    let config = Config {
        heartbeat_timeout: options.heartbeat_timeout,
        ack_timeout: options.ack_timeout,
        max_retries: options.max_retries,
        message_ttl: options.message_ttl,
        session_idle_ttl: options.session_idle_ttl,
        membership: !options.open_sessions,
        identified_callers: options.tls.identify_callers(),
        max_payload: options.max_payload,
        max_outstanding: options.max_outstanding,
        stop_timeout: options.stop_timeout,
        ..Config::default()
    };
    // Before the port opens: nobody connects to a router that cannot prove itself.
    let tls = options.tls.load()?;
    let gateways = options.notify.load()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let entered = runtime.enter();
    let traces = options.otlp_endpoint.as_deref().map(Traces::start).transpose()?;
    let (traces, layer) = traces.unzip();
    if options.check_config {
        writeln!(io::stdout(), "the configuration is valid")?;
        return Ok(());
    }
    let logs = Logs::start(options, layer);
    let reloaded = Reloaded { tls: tls.clone(), arguments, logs };
    let served = runtime.block_on(async {
        let served = serve(options, config, tls, gateways, reloaded).await;
        if let Some(traces) = traces {
            traces.stop(options.stop_timeout.mul_f64(0.05)).await;
        }
        served
    });
    drop(entered);
    // Connections that did not end in time are not waited for.
    runtime.shutdown_background();
    served
}

async fn serve(
    options: &Serve,
    config: Config,
    tls: Option<Tls>,
    gateways: Option<Gateways>,
    reloaded: Reloaded,
) -> anyhow::Result<()> {
    let mut server = match Server::bind(options.listen).await {
        Ok(server) => server,
        Err(BindError::InUse { address }) => bail!(
            "port {} of {} is in use already: end what listens there, or choose another port with \
             --listen {}:PORT (0 lets the system choose)",
            address.port(),
            address.ip(),
            address.ip(),
        ),
        Err(error) => return Err(error.into()),
    };
    let operations = match options.operations {
        Some(address) => Some(Operations::bind(address).await.context("--operations")?),
        None => None,
    };
    warn_of_strangers(options, tls.as_ref());
    let logs = Arc::new(reloaded.logs.clone());
    reload_on_hangup(reloaded).context("cannot listen for signals")?;
    if let Some(tls) = tls {
        server = server.with_tls(tls);
    }
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let told_to_stop = Arc::new(OnceLock::new());
    let told = Arc::clone(&told_to_stop);
    let shutdown = async move {
        signals.next().await;
        let _ = told.set(Instant::now());
        systemd::stopping();
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("ended at once, as asked for");
            std::process::exit(1);
        });
    };
    let (router, store) = match &options.data {
        Some(data) => {
            let store = Arc::new(Store::open(data)?);
            let log: Arc<dyn Log> = Arc::<Store>::clone(&store);
            (Router::with_log(config, log).with_context(|| unreadable(data))?, Some(store))
        }
        None => (Router::new(config), None),
    };
    let notifying = match gateways {
        Some(gateways) => Some(tokio::spawn(router.notify(gateways))),
        None => {
            tracing::info!(
                "parties that are away are not told of what waits for them: --notify-url or \
                 --notify-smtp would"
            );
            None
        }
    };
    // Whoever started this may have closed its end; that is no reason not to serve.
    let _ = writeln!(io::stdout(), "listening on {}", server.local_addr());
    let address = server.local_addr();
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving");
    systemd::ready();
    if let Some(operations) = operations {
        let address = operations.local_addr();
        tracing::info!(%address, "operators are answered");
        // Until the process ends, so that they are told of the stop as well.
        tokio::spawn(operations.serve(router.clone(), logs));
    }
    tokio::select! {
        served = server.serve(router.clone(), shutdown) => served?,
        () = router.keep_time() => unreachable!("time does not end"),
    }
    if let Some(mut notifying) = notifying {
        // What is on its way, and is cut off, is sent again after the start. So it gets all that
        // serving left of the time.
        let spent = told_to_stop.get().map(Instant::elapsed).unwrap_or_default();
        let rest = options.stop_timeout.mul_f64(0.9).saturating_sub(spent);
        let ended = tokio::time::timeout(rest, &mut notifying).await;
        if ended.is_err() {
            notifying.abort();
        }
    }
    if let Some(store) = store {
        store.close();
    }
    Ok(())
}

fn unreadable(data: &Path) -> String {
    format!("the store in {} cannot be read", data.display())
}

/// Says who may act in any party's name, where that is not this machine alone.
fn warn_of_strangers(options: &Serve, tls: Option<&Tls>) {
    match tls {
        Some(tls) if tls.asks_for_certificates() => {}
        Some(_) => tracing::warn!(
            "clients are not asked who they are, and may act in any party's name: --tls-client-ca \
             makes them show a certificate"
        ),
        None if options.listen.ip().is_loopback() => {}
        None => tracing::warn!(
            "other machines may connect, unencrypted, and act in any party's name: --tls-cert, \
             --tls-key and --tls-client-ca change that, and `mpc-router certs` makes the files"
        ),
    }
}

/// What SIGHUP has read again.
struct Reloaded {
    /// Certificates, which are else read within seconds of their change.
    tls: Option<Tls>,
    arguments: Arguments,
    logs: Logs,
}

impl Reloaded {
    async fn read(&self) {
        if let Some(tls) = &self.tls {
            tls.reload().await;
        }
        let changed = self.log().and_then(|log| self.logs.change(&log));
        if let Err(error) = changed {
            tracing::error!(error, "the configuration cannot be read, what it was stays");
        }
    }

    /// What is to be logged, as the file, the environment and the command line have it now.
    fn log(&self) -> Result<String, String> {
        let arguments = self.arguments.complete().map_err(|error| error.to_string())?;
        match Cli::try_parse_from(arguments).map(|parsed| parsed.command) {
            Ok(Command::Serve(options)) => Ok(options.log),
            Ok(_) => unreachable!("this program serves"),
            Err(error) => Err(file::in_one_line(&error)),
        }
    }
}

#[cfg(unix)]
fn reload_on_hangup(reloaded: Reloaded) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            reloaded.read().await;
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn reload_on_hangup(_: Reloaded) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits for the next signal to stop.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next signal to stop.
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
