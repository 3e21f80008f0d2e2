// Waiting: poll over the receive sockets of all ports and the eventfd by which other threads wake this one.
//
// A socket error that is not read makes poll return at once for ever, even after the link is back: it is read here.
// The timeout is at most 100 ms, because a thread that sits in poll cannot be terminated.

#define _GNU_SOURCE
#include "packet-io.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define LONGEST_MS 100

static void clear_error(int fd) {
  int error;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
}

static int drain_event(int event_fd) {
  uint64_t count;
  return read(event_fd, &count, sizeof count) == sizeof count ? WAIT_WOKEN : 0;
}

static void check_ports(struct packet_io *io) {
  int64_t now = coarse_milliseconds();
  for (uint32_t i = 0; i < io->port_count; i++) {
    struct port *port = &io->ports[i];
    // Whether the ring is empty is known to port_receive alone; here only the link is looked at.
    if (port->state != NULL && port->suspect) port_check(port, now, false);
  }
}

/** Bits WAIT_...; 0 after the timeout or a signal. */
int io_wait(struct packet_io *io, int timeout_ms) {
  struct pollfd set[MAX_PORTS + 1];
  set[0] = (struct pollfd){.fd = io->event_fd, .events = POLLIN};
  // A negative descriptor (a port that is gone or closed) is skipped by poll.
  for (uint32_t i = 0; i < io->port_count; i++) set[i + 1] = (struct pollfd){.fd = io->ports[i].rx, .events = POLLIN};
  if (timeout_ms < 0 || timeout_ms > LONGEST_MS) timeout_ms = LONGEST_MS;
  if (poll(set, io->port_count + 1, timeout_ms) <= 0) return 0;
  int result = (set[0].revents & POLLIN) ? drain_event(io->event_fd) : 0;
  for (uint32_t i = 0; i < io->port_count; i++) {
    short events = set[i + 1].revents;
    if (events & POLLIN) result |= WAIT_READABLE;
    if (!(events & (POLLERR | POLLHUP | POLLNVAL))) continue;
    clear_error(io->ports[i].rx);
    io->ports[i].suspect = true;
    result |= WAIT_ERROR;
  }
  if (result & WAIT_ERROR) check_ports(io);
  return result;
}

/** From any thread: 0 or an errno. */
int io_wake(int event_fd) {
  uint64_t one = 1;
  return write(event_fd, &one, sizeof one) == sizeof one ? 0 : errno;
}
