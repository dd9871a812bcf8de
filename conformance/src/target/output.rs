//! What a process prints: the last of it is kept, for those who ask how it ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::task::JoinSet;

use crate::printed::Printed;

/// How long after its end the last words of a process are waited for. Who holds its output open may
/// live on.
pub(super) const LAST_WORDS_LIMIT: Duration = Duration::from_millis(300);

/// Lines of output that are kept, to be shown if the process dies.
const LINES_KEPT: usize = 12;

/// What is kept of a line. Bytes.
const LINE_LIMIT: usize = 8 * 1024;

/// The last lines of a process's output.
#[derive(Debug, Default)]
pub(super) struct Output {
    kept: Arc<Mutex<VecDeque<String>>>,
    /// All of it, where somebody looks for secrets in it.
    whole: Option<Printed>,
    followers: JoinSet<()>,
}

impl Output {
    /// Output that is kept whole there as well.
    pub(super) fn kept_in(whole: Option<Printed>) -> Self {
        Self { whole, ..Self::default() }
    }

    pub(super) fn follow(&mut self, stream: Option<impl AsyncRead + Send + Unpin + 'static>) {
        let Some(stream) = stream else { return };
        let (kept, whole) = (self.kept.clone(), self.whole.clone());
        self.followers.spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(chunk) = stream.fill_buf().await
                && !chunk.is_empty()
            {
                if let Some(whole) = &whole {
                    whole.add(chunk);
                }
                for part in chunk.split_inclusive(|byte| *byte == b'\n') {
                    let room = LINE_LIMIT.saturating_sub(line.len());
                    line.extend_from_slice(&part[..part.len().min(room)]);
                    if part.ends_with(b"\n") {
                        keep(&kept, &mut line);
                    }
                }
                let read = chunk.len();
                stream.consume(read);
            }
            if !line.is_empty() {
                keep(&kept, &mut line);
            }
        });
    }

    /// Whether all that was on its way has come. Whoever is followed must have ended.
    pub(super) fn has_ended(&mut self) -> bool {
        while self.followers.try_join_next().is_some() {}
        self.followers.is_empty()
    }

    /// Whether anything was printed.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.lock().expect("nobody panics with it").is_empty()
    }

    /// It, as the end of a sentence.
    pub(super) fn said(&self) -> String {
        let kept = self.kept.lock().expect("nobody panics with it");
        match kept.len() {
            0 => ", and it printed nothing".into(),
            _ => {
                let lines: Vec<_> = kept.iter().map(|line| format!("\n  | {line}")).collect();
                format!("; it printed last:{}", lines.concat())
            }
        }
    }
}

fn keep(kept: &Mutex<VecDeque<String>>, line: &mut Vec<u8>) {
    let mut kept = kept.lock().expect("nobody panics with it");
    if kept.len() == LINES_KEPT {
        kept.pop_front();
    }
    kept.push_back(String::from_utf8_lossy(line).trim_end().into());
    line.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ends(output: &mut Output) {
        while !output.has_ended() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_end_of_what_was_printed_is_kept_and_no_line_grows_without_bound() {
        let mut printed = vec![b'x'; 1024 * 1024];
        for number in 0..20 {
            printed.extend(format!("\nline {number}").bytes());
        }
        let mut output = Output::default();
        output.follow(Some(std::io::Cursor::new(printed)));
        ends(&mut output).await;
        assert!(output.said().starts_with("; it printed last:\n  | line 8\n"), "{}", output.said());
        assert!(output.said().ends_with("\n  | line 19"), "{}", output.said());

        let mut output = Output::default();
        output.follow(Some(std::io::Cursor::new(vec![b'x'; 1024 * 1024])));
        ends(&mut output).await;
        assert_eq!(output.said().matches('x').count(), LINE_LIMIT);
    }
}
