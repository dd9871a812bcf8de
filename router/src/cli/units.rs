//! Durations and sizes as people write them.

use std::time::Duration;

/// Reads a duration such as `1500ms`, `30s`, `5m`, `24h` or `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("write a number and its unit, such as 1500ms, 30s, 5m, 24h or 7d".into()),
    };
    scaled(number, milliseconds).map(Duration::from_millis)
}

/// Reads a duration of more than nothing.
pub(super) fn timer(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".into()),
        timer => Ok(timer),
    }
}

/// Reads a number of bytes such as `512KiB`, `2MiB`, `1GiB` or `1000`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("write a number and its unit, such as 512KiB, 2MiB or 1GiB".into()),
    };
    usize::try_from(scaled(number, bytes)?).map_err(|_| TOO_LARGE.into())
}

/// What a router can count with: some hundred thousand years, or the size of any memory.
const LARGEST: u64 = 1 << 53;
const TOO_LARGE: &str = "is too large: the largest is 9007199254740992 bytes or milliseconds";

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn scaled(number: &str, unit: u64) -> Result<u64, String> {
    if number.is_empty() {
        return Err("must begin with a number, such as 30s or 2MiB".into());
    }
    let scaled = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    scaled.filter(|&scaled| scaled <= LARGEST).ok_or_else(|| TOO_LARGE.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("0ms", 0),
            ("1500ms", 1_500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["", "30", "s", "-1s", "1.5s", "30 s", "30S", "1h30m", "99999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_timer_takes_some_time() {
        assert_eq!(timer("1ms"), Ok(Duration::from_millis(1)));
        assert!(timer("0s").is_err());
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("0", 0), ("1000", 1_000), ("7B", 7), ("512KiB", 524_288), ("2MiB", 2_097_152)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "MiB", "2MB", "2mib", "-1", "1.5MiB", "99999999999999999GiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
