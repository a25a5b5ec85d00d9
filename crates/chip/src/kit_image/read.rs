//! What the fields of an image mean, and whether each value can be.

use core::ffi::CStr;
use core::net::Ipv4Addr;

use super::{
    ADDRESS, ALPN, CERTIFICATE, CLIENT_ID, ENDPOINT, Few, KitImage, Limit, MQTT, MqttVersion, PORT,
    PRIVATE_KEY, ROOTS, TIME_SERVER, TLS, TimeServer, TlsVersions, WIFI, WifiNetwork, limits,
    time_server, wifi,
};
use crate::ImageError;

/// What was read so far. A field that comes twice counts the last time, except for lists.
#[derive(Default)]
pub(super) struct Read<'a> {
    endpoint: Option<&'a CStr>,
    port: Option<u16>,
    client_id: Option<&'a str>,
    roots: Option<&'a CStr>,
    certificate: Option<&'a CStr>,
    private_key: Option<&'a CStr>,
    address: Option<Ipv4Addr>,
    alpn: bool,
    tls: TlsVersions,
    mqtt: MqttVersion,
    wifi: Few<WifiNetwork<'a>>,
    time_servers: Few<TimeServer<'a>>,
}

impl<'a> Read<'a> {
    pub(super) fn field(&mut self, tag: u16, value: &'a [u8]) -> Result<(), ImageError> {
        match tag {
            ENDPOINT => {
                let endpoint = text(value, limits::ENDPOINT)?;
                let name = endpoint.to_str().unwrap_or_default();
                if !time_server::is_host(name) {
                    return Err(limits::ENDPOINT.into());
                }
                self.endpoint = Some(endpoint);
            }
            PORT => {
                let port = value.try_into().ok().map(u16::from_le_bytes);
                self.port = port.filter(|port| *port != 0);
                self.port.ok_or(limits::PORT)?;
            }
            CLIENT_ID => {
                let client_id = text(value, limits::CLIENT_ID)?.to_str();
                self.client_id = Some(client_id.map_err(|_| limits::CLIENT_ID)?);
            }
            ROOTS => self.roots = Some(pem(value, limits::ROOTS)?),
            CERTIFICATE => self.certificate = Some(pem(value, limits::CERTIFICATE)?),
            PRIVATE_KEY => self.private_key = Some(pem(value, limits::PRIVATE_KEY)?),
            ADDRESS => {
                let octets = <[u8; 4]>::try_from(value).map_err(|_| limits::ADDRESS)?;
                self.address = Some(octets.into());
            }
            ALPN => self.alpn = true,
            TLS => {
                self.tls = match value {
                    [12] => TlsVersions::Only12,
                    [13] => TlsVersions::Only13,
                    _ => {
                        return Err(limits::TLS.into());
                    }
                };
            }
            MQTT => {
                self.mqtt = match value {
                    [4] => MqttVersion::V311,
                    [5] => MqttVersion::V5,
                    _ => {
                        return Err(limits::MQTT.into());
                    }
                };
            }
            WIFI => {
                let network = wifi::read(value)?;
                self.wifi.push(network).map_err(|_| limits::WIFI)?;
            }
            TIME_SERVER => {
                let server = time_server::read(value)?;
                let pushed = self.time_servers.push(server);
                pushed.map_err(|_| limits::TIME_SERVERS)?;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<KitImage<'a>, ImageError> {
        let missing = |field| ImageError::FieldMissing { field };
        Ok(KitImage {
            endpoint: self.endpoint.ok_or(missing("endpoint"))?,
            port: self.port.ok_or(missing("port"))?,
            client_id: self.client_id.ok_or(missing("client id"))?,
            roots: self.roots.ok_or(missing("root certificates"))?,
            certificate: self.certificate.ok_or(missing("certificate"))?,
            private_key: self.private_key.ok_or(missing("private key"))?,
            address: self.address,
            alpn: self.alpn,
            tls: self.tls,
            mqtt: self.mqtt,
            wifi: self.wifi,
            time_servers: self.time_servers,
        })
    }
}

/// A text that is not empty and not longer than it may be.
fn text(value: &[u8], limit: Limit) -> Result<&CStr, ImageError> {
    CStr::from_bytes_with_nul(value)
        .ok()
        .filter(|text| limit.allows(text.count_bytes()))
        .ok_or(ImageError::Invalid(limit))
}

/// Whether it is PEM that can be used is for TLS to say; that it is not something else is seen here.
fn pem(value: &[u8], limit: Limit) -> Result<&CStr, ImageError> {
    text(value, limit)
        .ok()
        .filter(|text| {
            text.to_bytes()
                .windows(11)
                .any(|window| window == b"-----BEGIN ")
        })
        .ok_or(ImageError::Invalid(limit))
}
