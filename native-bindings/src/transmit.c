// Transmit: sendmmsg straight from the region, at most TX_BATCH frames a call.
//
// Whatever an interface answers, a call ends after a bounded number of system calls and each frame has an errno (0: taken):
//   ENOBUFS, EAGAIN   queue or socket buffer full, or no carrier: two more tries a call, then the frame is lost
//   ENETDOWN          administratively down: the rest is lost, and nothing is tried for 100 ms
//   ENXIO             the interface is gone: the rest is lost, health.c opens it again by name
//   EFAULT            never seen by the kernel: the descriptor does not lie in the region
//   anything else     that frame alone (EMSGSIZE: longer than the MTU; EINVAL: shorter than a header, bad virtio-net header)

#define _GNU_SOURCE
#include "packet-io.h"

#include <errno.h>

#define RETRIES 2
#define INTERRUPTS 16
#define SILENCE_MS 100

static bool inside(const struct packet_io *io, int32_t offset, int32_t length) {
  return (uint64_t)(uint32_t)offset + (uint32_t)length <= io->octets;
}

/** Builds the message list from rows [first, first + count); garbage gets its result here. */
static uint32_t collect(struct packet_io *io, uint32_t first, uint32_t count) {
  uint32_t n = 0;
  for (uint32_t row = first; row < first + count; row++) {
    int32_t offset = io->columns[TX_OFFSET].data[row], length = io->columns[TX_LENGTH].data[row];
    if (!inside(io, offset, length)) {
      io->columns[TX_RESULT].data[row] = EFAULT;
      continue;
    }
    io->columns[TX_RESULT].data[row] = 0;
    io->vectors[n].iov_base = io->memory + (uint32_t)offset;
    io->vectors[n].iov_len = (uint32_t)length;
    io->rows[n++] = row;
  }
  return n;
}

static void lose(struct packet_io *io, struct port *port, uint32_t from, uint32_t to, int error) {
  for (uint32_t i = from; i < to; i++) io->columns[TX_RESULT].data[io->rows[i]] = error;
  port->state[STATE_TX_ERRNO] = error;
}

/** How many of the messages from `from` on are lost to `error`, 0 to try again. */
static uint32_t judge(struct port *port, int error, uint32_t left, int *retries, int *interrupts) {
  switch (error) {
    case EINTR: return (*interrupts)-- > 0 ? 0 : 1;
    case ENOBUFS:
    case EAGAIN: return (*retries)-- > 0 ? 0 : 1;
    case ENETDOWN:
      port->silent_until = coarse_milliseconds() + SILENCE_MS;
      port->suspect = true;
      return left;
    case ENXIO:
    case ENODEV:
    case EBADF:
      port->suspect = true;
      return left;
    default: return 1;
  }
}

/** Sends rows [first, first + count) in order; the result column holds an errno each. */
void port_transmit(struct packet_io *io, struct port *port, uint32_t first, uint32_t count) {
  uint32_t rows = io->columns[TX_OFFSET].rows;
  if (first >= rows) return;
  if (count > rows - first) count = rows - first;
  if (count > TX_BATCH) count = TX_BATCH;
  uint32_t n = collect(io, first, count);
  if (port->tx < 0) return lose(io, port, 0, n, ENXIO);
  if (port->silent_until != 0) {
    if (coarse_milliseconds() < port->silent_until) return lose(io, port, 0, n, ENETDOWN);
    port->silent_until = 0;
  }
  int retries = RETRIES, interrupts = INTERRUPTS;
  for (uint32_t at = 0; at < n;) {
    int sent = sendmmsg(port->tx, io->messages + at, n - at, MSG_DONTWAIT);
    if (sent > 0) {
      at += (uint32_t)sent;
      continue;
    }
    int error = errno;
    uint32_t lost = judge(port, error, n - at, &retries, &interrupts);
    if (lost > 0) lose(io, port, at, at + lost, error);
    at += lost;
  }
}
