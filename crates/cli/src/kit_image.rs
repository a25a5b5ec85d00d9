//! `thingwire kit image` and `kit inspect`: a kit as one block of bytes for a board's flash (`thingwire_chip` has the
//! format), and what stands in such a block.
//!
//! The image holds the private key and Wi-Fi passwords: its file is for its owner only, and nothing of them is shown.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use thingwire_chip::{Few, KitImage, MqttVersion, TlsVersions};
use thingwire_kit::{KeyKind, Kit, Severity, TimeServer};

use crate::exit::{Exit, Failure};
use crate::wifi::WifiArgs;
use crate::{Context, output};

/// Arguments of `thingwire kit image`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire kit image --kit kitchen --wifi Home -o kit.bin           asks for the password
  thingwire kit image --kit kitchen --wifi Home --wifi-password-file home.txt -o kit.bin
  thingwire kit image --kit kitchen -o kit.bin                       Wi-Fi is set on the board

Write it to the board's partition `kit`, or let `thingwire flash` do it. The file holds the device's
private key: keep it as safe as the kit.")]
pub(crate) struct Image {
    #[command(flatten)]
    content: Content,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// What goes into an image: the same for `kit image` and `flash`.
#[derive(Args, Debug)]
pub(crate) struct Content {
    /// The kit's folder
    #[arg(long, value_name = "DIR")]
    kit: PathBuf,
    #[command(flatten)]
    wifi: WifiArgs,
    /// Ask this server for the time, as HOST or HOST:PORT; may be given several times [default: those of the kit]
    #[arg(long = "time-server", value_name = "SERVER")]
    time_servers: Vec<TimeServer>,
    /// Ask no server for the time: the board has a clock of its own
    #[arg(long, conflicts_with = "time_servers")]
    no_time_servers: bool,
    /// Connect to this IPv4 address instead of asking DNS for the endpoint
    #[arg(long, value_name = "IPV4")]
    address: Option<Ipv4Addr>,
    /// Connect to this port instead of the kit's
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    mqtt_port: Option<u16>,
    /// Connect with ALPN x-amzn-mqtt-ca, to the kit's port for it: for networks that let only 443 out
    #[arg(long)]
    alpn: bool,
    /// Offer only this TLS version
    #[arg(long, value_enum)]
    tls: Option<Tls>,
    /// Speak this MQTT version
    #[arg(long, value_enum, default_value = "3.1.1")]
    mqtt: Mqtt,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tls {
    #[value(name = "1.2")]
    Only12,
    #[value(name = "1.3")]
    Only13,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mqtt {
    #[value(name = "3.1.1")]
    V311,
    #[value(name = "5")]
    V5,
}

/// Arguments of `thingwire kit inspect`.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The image
    file: PathBuf,
}

/// What an image shows of itself.
#[derive(Serialize)]
struct Shown<'a> {
    bytes: usize,
    endpoint: &'a str,
    port: u16,
    client_id: &'a str,
    address: Option<Ipv4Addr>,
    alpn: bool,
    tls: &'static str,
    mqtt: &'static str,
    root_certificates: usize,
    certificates: usize,
    private_key: &'static str,
    wifi: Vec<ShownNetwork<'a>>,
    time_servers: Vec<String>,
}

#[derive(Serialize)]
struct ShownNetwork<'a> {
    ssid: &'a str,
    secret: &'static str,
}

impl Image {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let image = self.content.image()?;
        write_secret(&self.output, &image)?;
        let text = Shown::of(&image, &self.output)?.summary();
        output::done(format_args!("`{}`: {text}", self.output.display()));
        if context.json {
            output::json(&Shown::of(&image, &self.output)?)?;
        }
        Ok(())
    }
}

impl Inspect {
    pub(crate) fn run(&self, context: &Context) -> Result<(), Failure> {
        let mut image = Vec::new();
        let most = u64::try_from(KitImage::MAX_LEN).unwrap_or(u64::MAX);
        // A dump of the whole partition may be longer; what follows the image is of no interest.
        File::open(&self.file)
            .and_then(|file| file.take(most).read_to_end(&mut image))
            .map_err(|error| {
                let text = format!("cannot read `{}`: {error}", self.file.display());
                Failure::new(Exit::Usage, text)
            })?;
        let shown = Shown::of(&image, &self.file)?;
        if context.json {
            return output::json(&shown);
        }
        shown.print()
    }
}

impl Content {
    /// The image.
    ///
    /// # Errors
    /// [`Exit::Kit`]: no board can use the kit; [`Exit::Usage`]: a flag.
    pub(crate) fn image(self) -> Result<Vec<u8>, Failure> {
        let dir = self.kit;
        let findings = thingwire_kit::check(&dir);
        for finding in &findings {
            if finding.problem.severity() > Severity::Warning {
                let text = format!("kit `{}`: {finding}", dir.display());
                return Err(Failure::new(Exit::Kit, text).advise(finding.advice()));
            }
            output::warn(format_args!("{finding}\n  {}", finding.advice()));
        }
        let kit = Kit::load(&dir)?;
        let unfit = |text: String| {
            Failure::new(
                Exit::Kit,
                format!("kit `{}` does not fit a board: {text}", dir.display()),
            )
        };
        match kit.key_kind() {
            KeyKind::P256 | KeyKind::Rsa(2048..=4096) => {}
            other => {
                let text = format!(
                    "its private key is {other}, it must be P-256, or RSA with 2048 to 4096 bits"
                );
                return Err(
                    unfit(text).advise("make a new one: thingwire thing create NAME --kit DIR")
                );
            }
        }
        let c_text = |name: &str, text: String| {
            CString::new(text).map_err(|_| unfit(format!("the {name} holds a zero byte")))
        };
        let endpoint = c_text("endpoint", kit.endpoint.clone())?;
        let roots = c_text("root certificates", kit.roots_pem())?;
        let certificate = c_text("certificate", kit.certificate_pem())?;
        let private_key = c_text(
            "private key",
            kit.private_key_pem().secret_text().to_owned(),
        )?;
        let named = if self.time_servers.is_empty() && !self.no_time_servers {
            &kit.time_servers
        } else {
            &self.time_servers
        };
        let mut time_servers = Few::new();
        for server in named {
            let server = thingwire_chip::TimeServer::new(&server.host, server.port)
                .map_err(|limit| unfit(limit.to_string()))?;
            let most = Few::<thingwire_chip::TimeServer<'_>>::MAX;
            time_servers
                .push(server)
                .map_err(|_| unfit(format!("it names more than {most} time servers")))?;
        }
        let port = match (self.mqtt_port, self.alpn) {
            (Some(port), _) => port,
            (None, false) => kit.mqtt_port,
            (None, true) => kit
                .alpn_port
                .ok_or_else(|| unfit("`kit.json` has no alpn_port".to_owned()))?,
        };
        let networks = self.wifi.read()?;
        let image = KitImage {
            endpoint: &endpoint,
            port,
            client_id: &kit.client_id,
            roots: &roots,
            certificate: &certificate,
            private_key: &private_key,
            address: self.address,
            alpn: self.alpn,
            tls: match self.tls {
                None => TlsVersions::Both,
                Some(Tls::Only12) => TlsVersions::Only12,
                Some(Tls::Only13) => TlsVersions::Only13,
            },
            mqtt: match self.mqtt {
                Mqtt::V311 => MqttVersion::V311,
                Mqtt::V5 => MqttVersion::V5,
            },
            wifi: networks.for_image(),
            time_servers,
        };
        let mut out = vec![0; 4 * KitImage::MAX_LEN];
        let len = image
            .write(&mut out)
            .map_err(|error| unfit(error.to_string()))?;
        out.truncate(len);
        Ok(out)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// [`Exit::Failed`]: what the system says.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || {
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error).map(drop)
    };
    write().map_err(|error: std::io::Error| {
        let text = format!("cannot write `{}`: {error}", path.display());
        Failure::new(Exit::Failed, text)
    })
}

impl<'a> Shown<'a> {
    fn of(image: &'a [u8], file: &Path) -> Result<Self, Failure> {
        let kit = KitImage::read(image).map_err(|error| {
            let text = format!("`{}` cannot be used: {error}", file.display());
            Failure::new(Exit::Kit, text).advise("make a new one: thingwire kit image")
        })?;
        let count = |pem: &std::ffi::CStr| {
            let text = pem.to_string_lossy();
            text.matches("-----BEGIN CERTIFICATE-----").count()
        };
        Ok(Self {
            bytes: KitImage::length(image).unwrap_or(image.len()),
            endpoint: kit.endpoint.to_str().unwrap_or_default(),
            port: kit.port,
            client_id: kit.client_id,
            address: kit.address,
            alpn: kit.alpn,
            tls: match kit.tls {
                TlsVersions::Both => "1.2 and 1.3",
                TlsVersions::Only12 => "1.2",
                TlsVersions::Only13 => "1.3",
            },
            mqtt: match kit.mqtt {
                MqttVersion::V311 => "3.1.1",
                MqttVersion::V5 => "5",
            },
            root_certificates: count(kit.roots),
            certificates: count(kit.certificate),
            private_key: "not shown",
            wifi: kit
                .wifi
                .iter()
                .map(|network| ShownNetwork {
                    ssid: network.ssid(),
                    secret: network.secret().kind(),
                })
                .collect(),
            time_servers: kit
                .time_servers
                .iter()
                .map(|server| format!("{}:{}", server.host(), server.port()))
                .collect(),
        })
    }

    fn summary(&self) -> String {
        let networks = match self.wifi.len() {
            0 => "no Wi-Fi network: set one on the board".to_owned(),
            1 => "1 Wi-Fi network".to_owned(),
            many => format!("{many} Wi-Fi networks"),
        };
        format!(
            "{} bytes, client id `{}` for `{}` port {}, {networks}",
            self.bytes, self.client_id, self.endpoint, self.port
        )
    }

    fn print(&self) -> Result<(), Failure> {
        let row = |name: &str, value: &str| output::data(format_args!("{name:<18} {value}"));
        let plural = |count: usize, of: &str| format!("{count} {of}");
        row("size", &plural(self.bytes, "bytes"))?;
        row("endpoint", self.endpoint)?;
        row("port", &self.port.to_string())?;
        if let Some(address) = self.address {
            row("address", &format!("{address}, DNS is not asked"))?;
        }
        row("client id", self.client_id)?;
        row("TLS", self.tls)?;
        row("ALPN", if self.alpn { "x-amzn-mqtt-ca" } else { "none" })?;
        row("MQTT", self.mqtt)?;
        row("root certificates", &self.root_certificates.to_string())?;
        row("certificates", &self.certificates.to_string())?;
        row("private key", self.private_key)?;
        if self.wifi.is_empty() {
            row("Wi-Fi", "none")?;
        }
        for network in &self.wifi {
            row("Wi-Fi", &format!("{} ({})", network.ssid, network.secret))?;
        }
        if self.time_servers.is_empty() {
            row("time server", "none")?;
        }
        for server in &self.time_servers {
            row("time server", server)?;
        }
        Ok(())
    }
}
