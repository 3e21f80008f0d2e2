// Opening and closing of a port: one socket with a TPACKET_V2 receive ring, one for transmit.
//
// TPACKET_V2, because V3 hands over whole blocks and a lone frame waits 970 us for its block.  The ring is mapped into the
// region with MAP_FIXED; closing puts anonymous memory in its place, so that an offset that JavaScript still holds reads
// zeros instead of faulting.
// Left out: fanout, the transmit ring (no gain at 1,514 octets, one more copy).

#define _GNU_SOURCE
#include "packet-io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/** The kernel keeps this many octets of super-frames for recvmsg and of frames on their way out: about 400 of 64 KiB. */
#define SOCKET_BUFFER (32 << 20)
/** Room in front of the MAC header of a slot, behind the kernel's own header and sockaddr_ll (52 octets). */
#define SLOT_HEADROOM 48
#define BLOCK_OCTETS (256 << 10)

static bool fail(struct failure *failure, const char *step) {
  failure->number = errno;
  failure->step = step;
  return false;
}

static bool set_int(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static bool bind_to(int fd, uint32_t ifindex, uint16_t protocol) {
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = (int)ifindex};
  return bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static bool join_promiscuous(int fd, uint32_t ifindex) {
  struct packet_mreq request = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};
  return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) == 0;
}

static bool map_ring(struct port *port, struct failure *failure) {
  size_t octets = (size_t)port->slots * port->slot_size;
  uint32_t block = octets < BLOCK_OCTETS ? (uint32_t)octets : BLOCK_OCTETS;
  struct tpacket_req request = {
    .tp_block_size = block,
    .tp_block_nr = (uint32_t)(octets / block),
    .tp_frame_size = port->slot_size,
    .tp_frame_nr = port->slots,
  };
  if (setsockopt(port->rx, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) return fail(failure, "PACKET_RX_RING");
  void *at = mmap(port->ring, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, port->rx, 0);
  return at == port->ring ? true : fail(failure, "mmap of the ring");
}

void ring_unmap(struct port *port) {
  size_t octets = (size_t)port->slots * port->slot_size;
  mmap(port->ring, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static bool open_receive(struct port *port, struct failure *failure) {
  // Protocol 0 until bind: otherwise frames of every interface come in first.
  port->rx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (port->rx < 0) return fail(failure, "socket");
  set_int(port->rx, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER);
  if (!set_int(port->rx, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)) return fail(failure, "PACKET_IGNORE_OUTGOING");
  if (port->vnet && !set_int(port->rx, SOL_PACKET, PACKET_VNET_HDR, 1)) return fail(failure, "PACKET_VNET_HDR");
  if (!set_int(port->rx, SOL_PACKET, PACKET_VERSION, TPACKET_V2)) return fail(failure, "PACKET_VERSION");
  // The kernel adds the virtio-net header's ten octets to the reserve; the IP header then starts at 128 in both cases.
  int reserve = port->vnet ? SLOT_HEADROOM - VNET_HEADER : SLOT_HEADROOM;
  if (!set_int(port->rx, SOL_PACKET, PACKET_RESERVE, reserve)) return fail(failure, "PACKET_RESERVE");
  if (!set_int(port->rx, SOL_PACKET, PACKET_COPY_THRESH, 1)) return fail(failure, "PACKET_COPY_THRESH");
  if (!set_int(port->rx, SOL_PACKET, PACKET_AUXDATA, 1)) return fail(failure, "PACKET_AUXDATA");
  if (!map_ring(port, failure)) return false;
  if (!bind_to(port->rx, port->ifindex, ETH_P_ALL)) return fail(failure, "bind");
  return join_promiscuous(port->rx, port->ifindex) ? true : fail(failure, "PACKET_MR_PROMISC");
}

static bool open_transmit(struct port *port, struct failure *failure) {
  port->tx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (port->tx < 0) return fail(failure, "socket");
  set_int(port->tx, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER);
  if (port->bypass && !set_int(port->tx, SOL_PACKET, PACKET_QDISC_BYPASS, 1)) return fail(failure, "PACKET_QDISC_BYPASS");
  if (port->vnet && !set_int(port->tx, SOL_PACKET, PACKET_VNET_HDR, 1)) return fail(failure, "PACKET_VNET_HDR");
  return bind_to(port->tx, port->ifindex, 0) ? true : fail(failure, "bind");
}

/** Opens by name; on failure both sockets are closed and the ring's place holds anonymous memory. */
bool port_open(struct port *port, struct failure *failure) {
  port->ifindex = if_nametoindex(port->name);
  if (port->ifindex == 0) return fail(failure, "if_nametoindex");
  port->head = 0;
  port->outstanding = 0;
  port->large_used = 0;
  port->stalls = 0;
  port->received_since_check = 0;
  if (open_receive(port, failure) && open_transmit(port, failure)) return true;
  port_close(port);
  return false;
}

/** Gives the sockets and the ring's pages back.  The port keeps its name and may be opened again. */
void port_close(struct port *port) {
  if (port->rx >= 0) {
    ring_unmap(port);
    close(port->rx);
  }
  if (port->tx >= 0) close(port->tx);
  port->rx = -1;
  port->tx = -1;
  port->head = 0;
  port->outstanding = 0;
  port->large_used = 0;
  port->state[STATE_UP] = 0;
}
