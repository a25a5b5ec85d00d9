//! What one delivery costs a broker: system calls, allocations, and where its processor time goes: TLS, kernel, the rest.
//!
//! perf counts from outside, so the programs are those of the other tables. Allocations are counted in a run of their own, because each
//! one then stops at a probe in the C library. It needs perf and the rights to use it.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Args;
use thingwire_mqtt::QoS;

use crate::Outcome;
use crate::broker::Peer;
use crate::flow::{Flow, Shape};

/// The functions that allocate, each with a probe of its own.
const ALLOCATING: [&str; 3] = ["malloc", "calloc", "realloc"];
const CALLS: &str = "raw_syscalls:sys_enter";

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// How long each broker is watched in each scenario, twice.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
}

/// Shares of processor time, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Shares {
    tls: f64,
    kernel: f64,
    rest: f64,
}

/// Runs everything; answers the table.
pub(crate) fn run(settings: &Settings) -> Outcome<String> {
    let length = Duration::from_secs_f64(settings.seconds);
    let one = QoS::AtLeastOnce;
    let flows = [
        ("fan-in 50:1, QoS 0", Shape::FanIn(50), QoS::AtMostOnce, 1),
        ("fan-in 50:1, QoS 1", Shape::FanIn(50), one, 1),
        ("fan-out 1:100, QoS 1", Shape::FanOut(100), one, 16),
        ("50 pairs, QoS 1", Shape::Pairs(50), one, 1),
    ];
    let probes = Probes::set()?;
    let mut text = format!(
        "Of one delivery, counted by perf for {} s.\n\n| | broker | system calls | allocations | TLS % of processor time | kernel % | the rest % |\n\
         |---|---|---:|---:|---:|---:|---:|\n",
        settings.seconds
    );
    for (name, shape, qos, per_write) in flows {
        let flow = Flow {
            shape,
            qos,
            per_write,
            persistent: false,
        };
        for peer in [Peer::Mosquitto, Peer::Thingwire] {
            let (calls, shares) = calls_and_shares(peer, flow, length)?;
            let allocations = probes.count(peer, flow, length)?;
            let Shares { tls, kernel, rest } = shares;
            let _ = writeln!(
                text,
                "| {name} | {peer} | {calls:.2} | {allocations:.2} | {tls:.0} | {kernel:.0} | {rest:.0} |"
            );
            eprintln!("{name}, {peer}: {calls:.2} calls, {allocations:.2} allocations, {shares:?}");
        }
    }
    Ok(text)
}

fn calls_and_shares(peer: Peer, flow: Flow, length: Duration) -> Outcome<(f64, Shares)> {
    let folder = tempfile::tempdir()?;
    let samples = folder.path().join("samples");
    let mut counting = None;
    let mut sampling = None;
    let rate = watched(peer, flow, length, async |id| {
        counting = Some(stat(CALLS, id, length).await?);
        let mut record = Command::new("perf");
        record
            .args(["record", "-q", "-F", "999", "-p", &id.to_string(), "-o"])
            .arg(&samples);
        sampling = Some(for_so_long(&mut record, length).await?);
        Ok(())
    })?;
    let calls = counted(counting)?;
    if let Some(mut sampling) = sampling {
        sampling.wait()?;
    }
    let report = Command::new("perf")
        .args([
            "report",
            "-q",
            "--stdio",
            "--no-children",
            "-F",
            "overhead,dso,symbol",
        ])
        .args(["--field-separator", ";", "-i"])
        .arg(&samples)
        .output()?;
    let shares = shares(&String::from_utf8_lossy(&report.stdout));
    Ok((calls / length.as_secs_f64() / rate, shares))
}

/// Deliveries a second, of which `watch` is told when counting should begin.
fn watched(
    peer: Peer,
    flow: Flow,
    length: Duration,
    watch: impl AsyncFnOnce(u32) -> Outcome<()>,
) -> Outcome<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let broker = peer.start(false)?;
    let local = tokio::task::LocalSet::new();
    let figures = local.block_on(&runtime, flow.run_watched(&broker, length, watch))?;
    if figures.value > 0.0 {
        Ok(figures.value)
    } else {
        Err(format!("{peer} delivered nothing").into())
    }
}

/// Probes in the C library, gone when dropped.
struct Probes;

impl Probes {
    fn set() -> Outcome<Self> {
        let library = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib/aarch64-linux-gnu/libc.so.6",
            "/lib64/libc.so.6",
        ];
        let library = library.into_iter().find(|file| Path::new(file).exists());
        let library = library.ok_or("the C library is not where this expects it")?;
        // Left over by a run that was ended.
        drop(Self);
        let mut add = Command::new("perf");
        add.args(["probe", "-q", "-x", library]);
        for name in ALLOCATING {
            add.arg("--add").arg(format!("thingwire_{name}={name}"));
        }
        let added = add.stderr(Stdio::null()).status();
        match added {
            Ok(status) if status.success() => Ok(Self),
            _ => Err("perf cannot set a probe; it must be installed, and run by root".into()),
        }
    }

    /// Allocations of one delivery.
    fn count(&self, peer: Peer, flow: Flow, length: Duration) -> Outcome<f64> {
        let names = ALLOCATING.map(|name| format!("probe_libc:thingwire_{name}"));
        let mut counting = None;
        let rate = watched(peer, flow, length, async |id| {
            counting = Some(stat(&names.join(","), id, length).await?);
            Ok(())
        })?;
        Ok(counted(counting)? / length.as_secs_f64() / rate)
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        let mut remove = Command::new("perf");
        remove.args(["probe", "-q", "--del", "thingwire_*"]);
        let _ = remove.stderr(Stdio::null()).status();
    }
}

/// Counts events of a process.
async fn stat(events: &str, id: u32, length: Duration) -> Outcome<Child> {
    let mut stat = Command::new("perf");
    stat.args(["stat", "-x", ",", "-e", events, "-p", &id.to_string()]);
    for_so_long(&mut stat, length).await
}

/// Starts perf and waits until it counts: what it runs meanwhile says so first.
async fn for_so_long(perf: &mut Command, length: Duration) -> Outcome<Child> {
    let begun = format!("echo begun; exec sleep {}", length.as_secs_f64());
    let mut child = perf
        .args(["--", "sh", "-c", &begun])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = child.stdout.take().ok_or("perf has no output")?;
    let read = move || said.read_exact(&mut [0; 5]);
    let begun = tokio::task::spawn_blocking(read).await?;
    begun.map_err(|_| "perf did not begin; it must be installed, and run by root")?;
    Ok(child)
}

/// The sum of what `perf stat` counted.
fn counted(counting: Option<Child>) -> Outcome<f64> {
    let counting = counting.ok_or("nothing was counted")?;
    let said = counting.wait_with_output()?.stderr;
    let said = String::from_utf8_lossy(&said);
    let counts = said
        .lines()
        .filter_map(|line| line.split(',').next()?.parse::<f64>().ok());
    let sum: f64 = counts.sum();
    if sum > 0.0 {
        Ok(sum)
    } else {
        Err(format!("perf counted nothing: {said}").into())
    }
}

/// Lines such as `12.34%;thingwire;[.] aws_lc_0_aes_gcm_encrypt`.
fn shares(report: &str) -> Shares {
    let mut shares = Shares::default();
    for line in report.lines() {
        let mut fields = line.split(';');
        let percent = fields
            .next()
            .and_then(|field| field.trim().trim_end_matches('%').parse().ok());
        let (Some(percent), Some(object), Some(symbol)) = (percent, fields.next(), fields.next())
        else {
            continue;
        };
        let percent: f64 = percent;
        let tls = ["aws_lc", "rustls"]
            .iter()
            .any(|part| symbol.contains(part))
            || ["libcrypto", "libssl"]
                .iter()
                .any(|part| object.contains(part));
        let share = if symbol.trim_start().starts_with("[k]") {
            &mut shares.kernel
        } else if tls {
            &mut shares.tls
        } else {
            &mut shares.rest
        };
        *share += percent;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_symbol_counts_for_one_share() {
        let report = "\n  40.50%;thingwire  ;[.] aws_lc_0_44_0_aesni_gcm_encrypt\n  9.50%;libssl.so.3;[.] SSL_read\n\
                      30.00%;[kernel.kallsyms];[k] tcp_sendmsg\n  20.00%;thingwire;[.] _ZN6thingwire4core7receiveE\nno line\n";
        let expected = Shares {
            tls: 50.0,
            kernel: 30.0,
            rest: 20.0,
        };
        assert_eq!(shares(report), expected);
    }
}
