// What the kernel says about one interface: RTM_GETLINK of rtnetlink(7), and the driver's name from ETHTOOL_GDRVINFO.
//
// rtnetlink rather than /sys/class/net: sysfs shows the namespace of whoever mounted it, and does not know of XDP.

#define _GNU_SOURCE
#include "packet-io.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ANSWER_OCTETS 32768

struct request {
  struct nlmsghdr header;
  struct ifinfomsg link;
  struct rtattr attribute;
  char name[IFNAMSIZ];
};

static int open_netlink(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  struct timeval limit = {.tv_sec = 2};
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

/** Octets of the answer or -errno. */
static ssize_t ask_link(const char *name, void *answer, size_t room) {
  struct request request = {
    .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
    .link = {.ifi_family = AF_UNSPEC},
    .attribute = {.rta_len = RTA_LENGTH(IFNAMSIZ), .rta_type = IFLA_IFNAME},
  };
  strncpy(request.name, name, IFNAMSIZ - 1);
  int fd = open_netlink();
  if (fd < 0) return -errno;
  ssize_t got = send(fd, &request, sizeof request, 0) < 0 ? -1 : recv(fd, answer, room, 0);
  if (got < 0) got = -errno;
  close(fd);
  return got;
}

static void copy_text(char *to, size_t room, const struct rtattr *from) {
  size_t length = RTA_PAYLOAD(from) < room - 1 ? RTA_PAYLOAD(from) : room - 1;
  memcpy(to, RTA_DATA(from), length);
  to[length] = 0;
}

/** The attribute of that type nested in `outer`, or NULL. */
static const struct rtattr *nested(const struct rtattr *outer, unsigned short type) {
  int left = (int)RTA_PAYLOAD(outer);
  for (const struct rtattr *a = RTA_DATA(outer); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    if ((a->rta_type & NLA_TYPE_MASK) == type) return a;
  }
  return NULL;
}

static void take_attribute(struct link_facts *facts, const struct rtattr *a) {
  const struct rtattr *inner;
  uint32_t word = 0;
  if (RTA_PAYLOAD(a) >= sizeof word) memcpy(&word, RTA_DATA(a), sizeof word);
  switch (a->rta_type & NLA_TYPE_MASK) {
    case IFLA_MTU: facts->mtu = word; break;
    case IFLA_MASTER: if_indextoname(word, facts->master); break;
    case IFLA_ADDRESS:
      facts->has_mac = RTA_PAYLOAD(a) == sizeof facts->mac;
      if (facts->has_mac) memcpy(facts->mac, RTA_DATA(a), sizeof facts->mac);
      break;
    case IFLA_LINKINFO:
      inner = nested(a, IFLA_INFO_KIND);
      if (inner != NULL) copy_text(facts->kind, sizeof facts->kind, inner);
      break;
    case IFLA_XDP:
      inner = nested(a, IFLA_XDP_ATTACHED);
      if (inner != NULL) facts->xdp = *(const uint8_t *)RTA_DATA(inner);
      break;
    default: break;
  }
}

static void read_driver(const char *name, struct link_facts *facts) {
  struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
  struct ifreq request = {.ifr_data = (void *)&info};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  if (ioctl(fd, SIOCETHTOOL, &request) == 0) memcpy(facts->driver, info.driver, sizeof facts->driver - 1);
  close(fd);
}

/** 0, or an errno: ENODEV when there is no such interface in this namespace. */
int link_read(const char *name, struct link_facts *facts) {
  uint8_t answer[ANSWER_OCTETS] __attribute__((aligned(8)));
  memset(facts, 0, sizeof *facts);
  ssize_t got = ask_link(name, answer, sizeof answer);
  if (got < 0) return (int)-got;
  const struct nlmsghdr *header = (const void *)answer;
  if (!NLMSG_OK(header, (size_t)got)) return EPROTO;
  if (header->nlmsg_type == NLMSG_ERROR) return -((const struct nlmsgerr *)NLMSG_DATA(header))->error;
  if (header->nlmsg_type != RTM_NEWLINK) return EPROTO;
  const struct ifinfomsg *link = NLMSG_DATA(header);
  facts->index = (uint32_t)link->ifi_index;
  facts->flags = link->ifi_flags;
  facts->type = link->ifi_type;
  int left = (int)IFLA_PAYLOAD(header);
  for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) take_attribute(facts, a);
  read_driver(name, facts);
  return 0;
}
