// Packet I/O over AF_PACKET: what the C files share.
//
//   socket.c    opens and closes the two sockets of a port, maps the ring
//   receive.c   walks the ring, fetches frames that are longer than a slot, hands slots back
//   transmit.c  sendmmsg with bounded retries
//   health.c    once a second: link state, kernel drops, reopening of lost ports
//   wait.c      poll over all ports and an eventfd
//   link.c      what rtnetlink says about an interface
//   features.c  offload features, ETHTOOL_GFEATURES and ETHTOOL_SFEATURES
//   binding*.c  the Node-API face; nothing else knows of JavaScript
//
// All state is in struct packet_io, one a thread that forwards; there are no globals.  After a port was opened nothing
// here allocates memory or raises an exception: results are small integers and the columns below.

#ifndef POSTERN_PACKET_IO_H
#define POSTERN_PACKET_IO_H

#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define MAX_PORTS 16
/** Frames of one transmit call. */
#define TX_BATCH 256
/** struct virtio_net_hdr, in front of the MAC header on sockets with PACKET_VNET_HDR. */
#define VNET_HEADER 10
/** A copied super-frame: 64 KiB of datagram, Ethernet and tags, headroom. */
#define LARGE_BUFFER 69632
#define LARGE_HEADROOM 128

/** Columns that JavaScript owns.  A row of the first group is a received frame, of the second a frame to send. */
enum column_name {
  RX_OFFSET, RX_LENGTH, RX_WIRE_LENGTH, RX_SEC, RX_NSEC, RX_STATUS, RX_VLAN,
  TX_OFFSET, TX_LENGTH, TX_RESULT,
  COLUMNS
};

struct column {
  int32_t *data;
  uint32_t rows;
};

/** What a port tells JavaScript without a call: a Float64Array, kept current by health.c and the others. */
enum port_state {
  STATE_UP, STATE_MTU, STATE_IFINDEX, STATE_RECEIVED, STATE_KERNEL_DROPS, STATE_CARRIER_LOST, STATE_REOPENED, STATE_RESYNCED,
  STATE_COPIED, STATE_GARBLED, STATE_TX_ERRNO,
  STATES
};

struct port {
  char name[IFNAMSIZ];
  /** Sockets, -1 while the interface is gone. */
  int rx, tx;
  uint32_t ifindex;
  bool vnet, bypass;

  uint8_t *ring;
  uint32_t slot_size, slots;
  /** Next slot to look at, and slots before it that JavaScript still has. */
  uint32_t head, outstanding;
  /** Buffers behind the ring for frames longer than a slot. */
  uint8_t *large;
  uint32_t large_count, large_used;

  double *state;
  /** CLOCK_MONOTONIC_COARSE, milliseconds. */
  int64_t next_check, silent_until;
  /** A send or poll said that the interface is not what it was: look now. */
  bool suspect;
  uint32_t received_since_check;
  /** Checks in a row in which the kernel counted frames and the ring gave none. */
  uint32_t stalls;
};

struct packet_io {
  uint8_t *memory;
  size_t octets;
  struct column columns[COLUMNS];
  struct port ports[MAX_PORTS];
  uint32_t port_count;
  /** Written by wake(), polled by io_wait(). */
  int event_fd;
  struct mmsghdr messages[TX_BATCH];
  struct iovec vectors[TX_BATCH];
  /** Row of each message: garbage rows are left out. */
  uint32_t rows[TX_BATCH];
};

/** Where a failing step of opening stands; `step` is a literal. */
struct failure {
  int number;
  const char *step;
};

// socket.c
bool port_open(struct port *port, struct failure *failure);
void port_close(struct port *port);
void ring_unmap(struct port *port);

// receive.c
uint32_t port_receive(struct packet_io *io, struct port *port, uint32_t first, uint32_t max);
void port_release(struct port *port, uint32_t count);

// transmit.c
void port_transmit(struct packet_io *io, struct port *port, uint32_t first, uint32_t count);

// health.c
int64_t coarse_milliseconds(void);
void port_check(struct port *port, int64_t now, bool ring_empty);
static inline bool port_check_due(const struct port *port, int64_t now) { return port->suspect || now >= port->next_check; }

// wait.c
#define WAIT_READABLE 1
#define WAIT_ERROR 2
#define WAIT_WOKEN 4
int io_wait(struct packet_io *io, int timeout_ms);
int io_wake(int event_fd);

// link.c
struct link_facts {
  uint32_t index, flags, mtu;
  uint16_t type;
  uint8_t mac[6];
  bool has_mac;
  /** IFLA_INFO_KIND: veth, tun, bridge ...; empty for hardware. */
  char kind[16];
  char driver[32];
  /** Name of the bridge, bond or VRF that it belongs to, or empty. */
  char master[IFNAMSIZ];
  /** IFLA_XDP_ATTACHED: 0 none. */
  uint8_t xdp;
};
int link_read(const char *name, struct link_facts *facts);

// features.c
#define FEATURE_ACTIVE 1
#define FEATURE_CHANGEABLE 2
#define MAX_FEATURES 192
#define FEATURE_NAME 32
struct feature {
  char name[FEATURE_NAME];
  uint32_t bits;
};
int features_read(const char *ifname, struct feature *out, uint32_t *count);
int features_write(const char *ifname, const struct feature *wanted, uint32_t count);

#endif
