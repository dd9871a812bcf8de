use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use mpc_router::serve::{BindError, Server};
use mpc_router::{Config, Router};
use tracing_subscriber::EnvFilter;

use super::{LogFormat, Serve};

/// Runs a router until it is told to stop.
pub(super) fn run(options: &Serve) -> anyhow::Result<()> {
    start_log(options);
    let config = Config {
        heartbeat_timeout: options.heartbeat_timeout,
        ack_timeout: options.ack_timeout,
        max_retries: options.max_retries,
        message_ttl: options.message_ttl,
        membership: !options.open_sessions,
        max_payload: options.max_payload,
        stop_timeout: options.stop_timeout,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let served = runtime.block_on(serve(options, config));
    // Connections that did not end in time are not waited for.
    runtime.shutdown_background();
    served
}

async fn serve(options: &Serve, config: Config) -> anyhow::Result<()> {
    let server = match Server::bind(options.listen).await {
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
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    // Whoever started this may have closed its end; that is no reason not to serve.
    let _ = writeln!(io::stdout(), "listening on {}", server.local_addr());
    let shutdown = async {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("ended at once, as asked for");
            std::process::exit(1);
        });
    };
    let router = Router::new(config);
    tokio::select! {
        served = server.serve(router.clone(), shutdown) => served?,
        () = router.keep_time() => unreachable!("time does not end"),
    }
    Ok(())
}

fn start_log(options: &Serve) {
    let colours = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let filter = EnvFilter::try_new(&options.log).expect("the option was parsed");
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours);
    match options.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Accepts what can be understood as a log filter.
pub(super) fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}: write a level such as info, or warn,mpc_router=debug")),
    }
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
