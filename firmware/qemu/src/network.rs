//! embassy-net's driver for the machine's virtio network device.

use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use static_cell::ConstStaticCell;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::mmio::MmioTransport;

use crate::interrupts;
use crate::virtio::{self, Memory};

/// Frames under way in each direction.
const QUEUE: usize = 8;

/// An Ethernet frame without its checksum.
const FRAME: usize = 1514;

/// virtio's header in front of each frame, 10 or 12 bytes.
const HEADER: usize = 12;

type Buffer = [u8; HEADER + FRAME];
type Device = VirtIONetRaw<Memory, MmioTransport<'static>, QUEUE>;

static RECEIVE: ConstStaticCell<[Buffer; QUEUE]> =
    ConstStaticCell::new([[0; HEADER + FRAME]; QUEUE]);
static INCOMING: ConstStaticCell<[u8; FRAME]> = ConstStaticCell::new([0; FRAME]);
static OUTGOING: ConstStaticCell<[u8; FRAME]> = ConstStaticCell::new([0; FRAME]);

/// The network device.
pub(crate) struct Network {
    device: Device,
    /// Lent to the device, except for the moment in which one is emptied.
    receive: &'static mut [Buffer; QUEUE],
    /// Which buffer the device knows by which token.
    by_token: [usize; QUEUE],
    incoming: &'static mut [u8; FRAME],
    outgoing: &'static mut [u8; FRAME],
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
            outgoing: OUTGOING.take(),
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
        let (header, len) = unsafe { self.device.receive_complete(token, buffer) }.ok()?;
        let frame = buffer.get(header..)?.get(..len)?;
        self.incoming.get_mut(..len)?.copy_from_slice(frame);
        self.lend(index)?;
        Some(len)
    }
}

impl Driver for Network {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        // Registered before looking: a frame that comes in between wakes.
        interrupts::NETWORK.register(cx.waker());
        let len = self.take_frame()?;
        let outgoing = Outgoing {
            device: &mut self.device,
            buffer: self.outgoing,
        };
        Some((Incoming(self.incoming.get_mut(..len)?), outgoing))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Outgoing<'_>> {
        Some(Outgoing {
            device: &mut self.device,
            buffer: self.outgoing,
        })
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities.max_burst_size = Some(QUEUE);
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

/// A frame that is to go.
pub(crate) struct Outgoing<'a> {
    device: &'a mut Device,
    buffer: &'a mut [u8; FRAME],
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        // The stack keeps to the frame length it was told.
        let frame = self.buffer.get_mut(..len).unwrap_or_default();
        let result = fill(frame);
        // A frame that is lost is sent again by TCP, as on any network. The device takes it at once.
        let _ = self.device.send(frame);
        result
    }
}
