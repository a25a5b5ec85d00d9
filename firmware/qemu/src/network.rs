//! embassy-net's driver for the machine's virtio network device.
//!
//! Nothing here waits: a device that takes no frames, because its network leads nowhere, must not stop the program.

use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use static_cell::ConstStaticCell;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::mmio::MmioTransport;

use crate::interrupts;
use crate::virtio::{self, Memory};

/// Places in each of the device's queues, and frames that may wait to be fetched by us.
const QUEUE: usize = 8;

/// Frames that may wait to be taken by the device; more than TCP's send buffer fills.
const SENDING: usize = 4;

/// An Ethernet frame without its checksum.
const FRAME: usize = 1514;

/// virtio's header in front of each frame, 10 or 12 bytes.
const HEADER: usize = 12;

type Buffer = [u8; HEADER + FRAME];
type Device = VirtIONetRaw<Memory, MmioTransport<'static>, QUEUE>;

static RECEIVE: ConstStaticCell<[Buffer; QUEUE]> =
    ConstStaticCell::new([[0; HEADER + FRAME]; QUEUE]);
static SEND: ConstStaticCell<[Buffer; SENDING]> =
    ConstStaticCell::new([[0; HEADER + FRAME]; SENDING]);
static INCOMING: ConstStaticCell<[u8; FRAME]> = ConstStaticCell::new([0; FRAME]);

/// The network device.
pub(crate) struct Network {
    device: Device,
    /// Lent to the device, except for the moment in which one is emptied.
    receive: &'static mut [Buffer; QUEUE],
    /// Which buffer the device knows by which token.
    by_token: [usize; QUEUE],
    /// The frame that the stack looks at.
    incoming: &'static mut [u8; FRAME],
    send: &'static mut [Buffer; SENDING],
    /// What of each buffer is lent to the device.
    sending: [Option<Sending>; SENDING],
}

/// A frame that the device has not taken yet.
#[derive(Clone, Copy)]
struct Sending {
    token: u16,
    /// Header and frame, in bytes.
    len: usize,
}

impl Network {
    /// Starts the device; `None` when there is none, or it does not work. Call it once.
    pub(crate) fn start() -> Option<Self> {
        let found = virtio::find(DeviceType::Network)?;
        let mut network = Self {
            device: Device::new(found.transport).ok()?,
            receive: RECEIVE.take(),
            by_token: [0; QUEUE],
            incoming: INCOMING.take(),
            send: SEND.take(),
            sending: [None; SENDING],
        };
        for index in 0..QUEUE {
            network.lend(index)?;
        }
        interrupts::enable(found.place);
        Some(network)
    }

    /// Lends a buffer to the device.
    fn lend(&mut self, index: usize) -> Option<()> {
        let buffer = self.receive.get_mut(index)?;
        // SAFETY: the buffer is static and not looked at before the device gives it back.
        let token = unsafe { self.device.receive_begin(buffer) }.ok()?;
        *self.by_token.get_mut(usize::from(token))? = index;
        Some(())
    }

    /// Copies the next frame into `incoming` and lends its buffer again; answers the frame's length.
    fn take_frame(&mut self) -> Option<usize> {
        let token = self.device.poll_receive()?;
        let index = *self.by_token.get(usize::from(token))?;
        let buffer = self.receive.get_mut(index)?;
        // SAFETY: this is the buffer that was lent under this token.
        let received = unsafe { self.device.receive_complete(token, buffer) };
        let len = received.ok().and_then(|(header, len)| {
            let frame = buffer.get(header..)?.get(..len)?;
            self.incoming.get_mut(..len)?.copy_from_slice(frame);
            Some(len)
        });
        self.lend(index)?;
        len
    }

    /// A buffer for a frame to send, once the device has taken what was in it.
    fn free_buffer(&mut self) -> Option<usize> {
        while let Some(token) = self.device.poll_transmit() {
            let taken = |slot: &Option<Sending>| slot.is_some_and(|slot| slot.token == token);
            let index = self.sending.iter().position(taken)?;
            let len = self.sending.get_mut(index)?.take()?.len;
            let lent = self.send.get(index)?.get(..len)?;
            // SAFETY: this is what was lent under this token.
            unsafe { self.device.transmit_complete(token, lent) }.ok()?;
        }
        self.sending.iter().position(Option::is_none)
    }
}

impl Driver for Network {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        // Registered before looking: a frame that comes or goes in between wakes.
        interrupts::NETWORK.register(cx.waker());
        // A frame is answered at once, so it is only fetched when an answer has room.
        let index = self.free_buffer()?;
        let len = self.take_frame()?;
        let outgoing = Outgoing {
            device: &mut self.device,
            buffer: self.send.get_mut(index)?,
            sending: self.sending.get_mut(index)?,
        };
        Some((Incoming(self.incoming.get_mut(..len)?), outgoing))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Outgoing<'_>> {
        interrupts::NETWORK.register(cx.waker());
        let index = self.free_buffer()?;
        Some(Outgoing {
            device: &mut self.device,
            buffer: self.send.get_mut(index)?,
            sending: self.sending.get_mut(index)?,
        })
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities.max_burst_size = Some(SENDING);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.device.mac_address())
    }
}

/// A frame that came.
pub(crate) struct Incoming<'a>(&'a mut [u8]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, look: F) -> R {
        look(self.0)
    }
}

/// Room for a frame that is to go.
pub(crate) struct Outgoing<'a> {
    device: &'a mut Device,
    buffer: &'a mut Buffer,
    sending: &'a mut Option<Sending>,
}

impl TxToken for Outgoing<'_> {
    /// A frame that the device does not take is lost, as on any network; TCP sends it again.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let header = self.device.fill_buffer_header(self.buffer).unwrap_or(0);
        let end = header + len;
        // The stack keeps to the frame length it was told.
        let result = fill(self.buffer.get_mut(header..end).unwrap_or_default());
        let lent = self.buffer.get(..end).unwrap_or_default();
        // SAFETY: the buffer is static and not touched before the device gives it back.
        if let Ok(token) = unsafe { self.device.transmit_begin(lent) } {
            *self.sending = Some(Sending { token, len: end });
        }
        result
    }
}
