// The receive ring: Linux Documentation/networking/packet_mmap.rst, TPACKET_V2.
//
// A slot belongs to the kernel until TP_STATUS_USER is set in its status word (load-acquire) and again from the moment that
// the word is cleared (store-release).  Frames are handed to JavaScript where they lie.  The kernel reads nothing of a slot
// but that word, so octets written over the ring by mistake cost the port its step (health.c), never the machine.
//
// A frame longer than its slot (a super-frame, a jumbo frame) waits whole in the socket's queue, in the order of the slots
// (PACKET_COPY_THRESH); it is fetched into a large buffer behind the ring.  Its tag and checksum state come with it, as
// PACKET_AUXDATA: two processors that fill two slots at once may have queued the copies the other way round.

#define _GNU_SOURCE
#include "packet-io.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>

static uint32_t tag_word(uint32_t status, uint16_t tci, uint16_t tpid) {
  if (!(status & TP_STATUS_VLAN_VALID)) return 0;
  return (uint32_t)((status & TP_STATUS_VLAN_TPID_VALID) ? tpid : ETH_P_8021Q) << 16 | tci;
}

static void put_row(struct packet_io *io, uint32_t row, const uint8_t *at, uint32_t length, uint32_t wire_length) {
  io->columns[RX_OFFSET].data[row] = (int32_t)(at - io->memory);
  io->columns[RX_LENGTH].data[row] = (int32_t)length;
  io->columns[RX_WIRE_LENGTH].data[row] = (int32_t)wire_length;
}

static void put_status(struct packet_io *io, uint32_t row, uint32_t status, uint32_t tag) {
  io->columns[RX_STATUS].data[row] = (int32_t)status;
  io->columns[RX_VLAN].data[row] = (int32_t)tag;
}

/** Octets of the frame now in `buffer` behind its headroom, or 0 when none came. */
static uint32_t fetch(struct port *port, uint8_t *buffer, uint32_t *status, uint32_t *tag, bool *cut) {
  uint32_t vnet = port->vnet ? VNET_HEADER : 0;
  uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))] __attribute__((aligned(8)));
  struct iovec vector = {buffer + LARGE_HEADROOM - vnet, LARGE_BUFFER - LARGE_HEADROOM + vnet};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(port->rx, &message, MSG_DONTWAIT);
  // A pending link event is reported once, in place of the frame.
  if (got < 0 && errno != EAGAIN) got = recvmsg(port->rx, &message, MSG_DONTWAIT);
  if (got <= (ssize_t)vnet) return 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata aux;
    memcpy(&aux, CMSG_DATA(c), sizeof aux);
    *status = aux.tp_status | TP_STATUS_COPY;
    *tag = tag_word(aux.tp_status, aux.tp_vlan_tci, aux.tp_vlan_tpid);
  }
  *cut = (message.msg_flags & MSG_TRUNC) != 0;
  return (uint32_t)got - vnet;
}

static void take_copied(struct packet_io *io, struct port *port, uint32_t row, const struct tpacket2_hdr *slot, uint32_t status) {
  uint8_t *buffer = port->large + (size_t)port->large_used * LARGE_BUFFER;
  uint32_t tag = tag_word(status, slot->tp_vlan_tci, slot->tp_vlan_tpid);
  bool cut = false;
  uint32_t length = fetch(port, buffer, &status, &tag, &cut);
  if (length == 0) return;
  port->large_used++;
  port->state[STATE_COPIED]++;
  put_row(io, row, buffer + LARGE_HEADROOM, length, cut ? length + 1 : length);
  put_status(io, row, status, tag);
}

static void take(struct packet_io *io, struct port *port, uint32_t row, uint8_t *at, uint32_t status) {
  const struct tpacket2_hdr *slot = (const void *)at;
  if (slot->tp_mac + (uint64_t)slot->tp_snaplen > port->slot_size || slot->tp_mac < sizeof *slot) {
    // Not what the kernel wrote.  The row says that an octet is missing, so that the frame is dropped and counted.
    port->state[STATE_GARBLED]++;
    put_row(io, row, at + port->slot_size / 2, 0, 1);
  } else {
    put_row(io, row, at + slot->tp_mac, slot->tp_snaplen, slot->tp_len);
  }
  io->columns[RX_SEC].data[row] = (int32_t)slot->tp_sec;
  io->columns[RX_NSEC].data[row] = (int32_t)slot->tp_nsec;
  put_status(io, row, status, tag_word(status, slot->tp_vlan_tci, slot->tp_vlan_tpid));
  if (status & TP_STATUS_COPY) take_copied(io, port, row, slot, status);
}

static uint32_t walk(struct packet_io *io, struct port *port, uint32_t first, uint32_t max) {
  uint32_t n = 0;
  while (n < max && port->outstanding < port->slots) {
    uint8_t *at = port->ring + (size_t)port->head * port->slot_size;
    uint32_t status = __atomic_load_n(&((struct tpacket2_hdr *)at)->tp_status, __ATOMIC_ACQUIRE);
    if (!(status & TP_STATUS_USER)) break;
    if ((status & TP_STATUS_COPY) && port->large_used == port->large_count) break;
    take(io, port, first + n, at, status);
    port->head = port->head + 1 == port->slots ? 0 : port->head + 1;
    port->outstanding++;
    n++;
  }
  return n;
}

/** Fills rows [first, first + max) and returns how many; 0 while the interface is gone. */
uint32_t port_receive(struct packet_io *io, struct port *port, uint32_t first, uint32_t max) {
  uint32_t rows = io->columns[RX_OFFSET].rows;
  if (first >= rows) return 0;
  if (max > rows - first) max = rows - first;
  uint32_t n = port->rx >= 0 ? walk(io, port, first, max) : 0;
  port->received_since_check += n;
  port->state[STATE_RECEIVED] += n;
  int64_t now = coarse_milliseconds();
  if (port_check_due(port, now)) port_check(port, now, n == 0);
  return n;
}

/** Hands the oldest `count` slots back to the kernel; large buffers are free again once all slots are. */
void port_release(struct port *port, uint32_t count) {
  if (count > port->outstanding) count = port->outstanding;
  uint32_t slot = port->head >= port->outstanding ? port->head - port->outstanding : port->head + port->slots - port->outstanding;
  for (uint32_t i = 0; i < count; i++) {
    struct tpacket2_hdr *header = (void *)(port->ring + (size_t)slot * port->slot_size);
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    slot = slot + 1 == port->slots ? 0 : slot + 1;
  }
  port->outstanding -= count;
  if (port->outstanding == 0) port->large_used = 0;
}
