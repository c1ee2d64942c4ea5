//! The program: arguments, start, stop.

use std::error::Error;
use std::fmt::Debug;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use clap::Parser;
use embedding_server::embed::{Embed, MiniLm};
use embedding_server::queue::RequestQueue;
use embedding_server::server::router;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The time that a stopping server waits for connections to end.
const GRACE: Duration = Duration::from_millis(500);

/// An OpenAI-compatible embedding server on all-MiniLM-L6-v2.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Directory that holds model.safetensors and tokenizer.json; fetch_model.py puts them there
    #[arg(long, value_name = "DIR")]
    model_dir: PathBuf,
    /// Address and port; port 0 means any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Unix socket to listen on in place of an address; a socket that an earlier server left is replaced
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    unix: Option<PathBuf>,
    /// Threads that compute [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pgai_rs_embedding_server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let threads = match arguments.threads {
        Some(threads) => threads,
        None => std::thread::available_parallelism()?,
    };

    let model: Arc<dyn Embed> = Arc::new(MiniLm::load(&arguments.model_dir)?);
    let queue = RequestQueue::start(&model, threads.get())?;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // These tokenise, so more of them than processors would only compete.
        .max_blocking_threads(threads.get())
        .enable_all()
        .build()?;

    let app = router(model, Arc::clone(&queue));
    let result = match arguments.unix {
        Some(path) => runtime.block_on(serve_on_socket(&path, app, queue)),
        None => runtime.block_on(serve_on_port(arguments.listen, app, queue)),
    };

    // Neither the text being tokenised nor the batch being computed is waited for: they end with
    // the process.
    runtime.shutdown_background();
    result
}

async fn serve_on_port(
    listen: SocketAddr,
    app: Router,
    queue: Arc<RequestQueue>,
) -> Result<(), Box<dyn Error>> {
    let listener =
        TcpListener::bind(listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = format!("http://{}/v1", listener.local_addr()?);
    serve(listener, &address, app, queue).await
}

async fn serve_on_socket(path: &Path, app: Router, queue: Arc<RequestQueue>) -> Result<(), Box<dyn Error>> {
    remove_left_over(path).await?;
    let listener =
        UnixListener::bind(path).map_err(|error| format!("cannot listen on {}: {error}", path.display()))?;
    let result = serve(listener, &format!("unix:{}", path.display()), app, queue).await;
    std::fs::remove_file(path)?;
    result
}

/// Removes a socket on which nobody listens any more. Anything else of that name stays.
async fn remove_left_over(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Serves requests until SIGTERM or SIGINT.
async fn serve<L>(
    listener: L,
    address: &str,
    app: Router,
    queue: Arc<RequestQueue>,
) -> Result<(), Box<dyn Error>>
where
    L: Listener,
    L::Addr: Debug,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {address}")?;
    stdout.flush()?;

    let (stop, stopped) = oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
        queue.close();
        // Nobody listens when the server has ended by itself.
        let _ = stop.send(());
    });

    tokio::select! {
        result = server => result?,
        () = after_grace(stopped) => (),
    }
    Ok(())
}

/// Returns once [`GRACE`] has passed since the signal, and never if there was none.
async fn after_grace(stopped: oneshot::Receiver<()>) {
    match stopped.await {
        Ok(()) => tokio::time::sleep(GRACE).await,
        // There was no signal: the server has ended, and says itself why.
        Err(_) => std::future::pending().await,
    }
}
