// The state of a port's interface, looked at once a second, and at once when a send or a poll reported an event.
//
// An interface may lose its carrier, go down, disappear and come back under the same name with another index (a veth pair
// made anew, a USB adapter).  Neither needs a restart: a gone port is opened again by name every second.
// If the kernel counts frames while the ring gives nothing, ring and walker are out of step (octets written over a status
// word): the port is opened anew, after one second when frames were dropped, else after two, because a single frame may have
// come between the last look at the ring and the reading of the counters.

#define _GNU_SOURCE
#include "packet-io.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define CHECK_MS 1000

int64_t coarse_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool ask(struct port *port, unsigned long request, struct ifreq *answer) {
  memset(answer, 0, sizeof *answer);
  memcpy(answer->ifr_name, port->name, sizeof port->name);
  return ioctl(port->rx, request, answer) == 0;
}

/** Up and carrier present; a change to down is counted. */
static void note_link(struct port *port) {
  struct ifreq answer;
  bool up = ask(port, SIOCGIFFLAGS, &answer) && (answer.ifr_flags & IFF_UP) && (answer.ifr_flags & IFF_RUNNING);
  if (!up && port->state[STATE_UP] != 0) port->state[STATE_CARRIER_LOST]++;
  port->state[STATE_UP] = up;
  if (ask(port, SIOCGIFMTU, &answer)) port->state[STATE_MTU] = answer.ifr_mtu;
}

/** What the kernel counted since the last call, dropped frames included; reading clears its counters. */
static struct tpacket_stats note_drops(struct port *port) {
  struct tpacket_stats stats = {0};
  socklen_t length = sizeof stats;
  getsockopt(port->rx, SOL_PACKET, PACKET_STATISTICS, &stats, &length);
  port->state[STATE_KERNEL_DROPS] += stats.tp_drops;
  return stats;
}

/** Whether ring and walker are out of step. */
static bool is_stuck(struct port *port, bool ring_empty) {
  struct tpacket_stats stats = note_drops(port);
  bool stalled = stats.tp_packets > 0 && ring_empty && port->received_since_check == 0;
  port->stalls = stalled ? port->stalls + 1 : 0;
  port->received_since_check = 0;
  return port->stalls > 1 || (stalled && stats.tp_drops > 0);
}

static bool still_there(struct port *port) {
  struct ifreq answer;
  return ask(port, SIOCGIFINDEX, &answer) && (uint32_t)answer.ifr_ifindex == port->ifindex;
}

static void reopen(struct port *port, enum port_state count) {
  struct failure failure;
  if (!port_open(port, &failure)) return;
  port->state[count]++;
  port->state[STATE_IFINDEX] = port->ifindex;
  port->silent_until = 0;
  note_link(port);
}

/**
 * `ring_empty`: the walk just before found nothing.  Sockets are closed and opened only while JavaScript holds no slot;
 * otherwise the next call does it.
 */
void port_check(struct port *port, int64_t now, bool ring_empty) {
  port->suspect = false;
  port->next_check = now + CHECK_MS;
  if (port->rx < 0) return reopen(port, STATE_REOPENED);
  if (!still_there(port)) {
    port->suspect = port->outstanding > 0;
    if (port->suspect) return;
    if (port->state[STATE_UP] != 0) port->state[STATE_CARRIER_LOST]++;
    port_close(port);
    return reopen(port, STATE_REOPENED);
  }
  note_link(port);
  if (is_stuck(port, ring_empty) && port->outstanding == 0) {
    port_close(port);
    reopen(port, STATE_RESYNCED);
  }
}
