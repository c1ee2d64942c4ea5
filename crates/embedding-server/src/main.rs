//! The program: arguments, start, stop.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Parser;
use embedding_server::embed::{Embed, MiniLm};
use embedding_server::queue::Queue;
use embedding_server::server::router;
use tokio::net::TcpListener;
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
    let queue = Queue::start(&model, threads.get())?;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // These tokenise, so more of them than processors would only compete.
        .max_blocking_threads(threads.get())
        .enable_all()
        .build()?;

    let app = router(model, Arc::clone(&queue));
    let result = runtime.block_on(serve(arguments.listen, app, queue));

    // Neither the text being tokenised nor the batch being computed is waited for: they end with
    // the process.
    runtime.shutdown_background();
    result
}

/// Serves requests until SIGTERM or SIGINT.
async fn serve(listen: SocketAddr, app: Router, queue: Arc<Queue>) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let listener =
        TcpListener::bind(listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr()?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on http://{address}/v1")?;
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
