// Offload features of an interface by the kernel's own names (tx-checksum-ip-generic, rx-gro ...): what `ethtool -k` and
// `ethtool -K` do, through ETHTOOL_GFEATURES and ETHTOOL_SFEATURES.  Start and end of a run only.

#define _GNU_SOURCE
#include "packet-io.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WORDS (MAX_FEATURES / 32)

struct names {
  struct ethtool_gstrings head;
  char text[MAX_FEATURES][ETH_GSTRING_LEN];
};

struct states {
  struct ethtool_gfeatures head;
  struct ethtool_get_features_block block[WORDS];
};

struct changes {
  struct ethtool_sfeatures head;
  struct ethtool_set_features_block block[WORDS];
};

_Static_assert(FEATURE_NAME == ETH_GSTRING_LEN, "names are copied whole");

static int call(int fd, const char *ifname, void *argument) {
  struct ifreq request = {.ifr_data = argument};
  strncpy(request.ifr_name, ifname, IFNAMSIZ - 1);
  return ioctl(fd, SIOCETHTOOL, &request) < 0 ? errno : 0;
}

static int feature_count(int fd, const char *ifname, uint32_t *count) {
  struct {
    struct ethtool_sset_info head;
    uint32_t length;
  } request = {.head = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
  int error = call(fd, ifname, &request);
  if (error != 0) return error;
  *count = request.length;
  return request.length > 0 && request.length <= MAX_FEATURES ? 0 : EOVERFLOW;
}

static int read_names(int fd, const char *ifname, struct names *names, uint32_t *count) {
  int error = feature_count(fd, ifname, count);
  if (error != 0) return error;
  memset(names, 0, sizeof *names);
  names->head = (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = *count};
  return call(fd, ifname, names);
}

static int read_all(int fd, const char *ifname, struct feature *out, uint32_t *count) {
  struct names names;
  struct states states = {.head = {.cmd = ETHTOOL_GFEATURES, .size = WORDS}};
  int error = read_names(fd, ifname, &names, count);
  if (error == 0) error = call(fd, ifname, &states);
  if (error != 0) return error;
  for (uint32_t i = 0; i < *count; i++) {
    const struct ethtool_get_features_block *word = &states.block[i / 32];
    uint32_t bit = 1u << (i % 32);
    memcpy(out[i].name, names.text[i], FEATURE_NAME);
    out[i].name[FEATURE_NAME - 1] = 0;
    out[i].bits = ((word->active & bit) ? FEATURE_ACTIVE : 0) | ((word->available & ~word->never_changed & bit) ? FEATURE_CHANGEABLE : 0);
  }
  return 0;
}

static void ask_for(struct changes *changes, const struct names *names, uint32_t count, const struct feature *wanted) {
  for (uint32_t i = 0; i < count; i++) {
    if (strncmp(names->text[i], wanted->name, FEATURE_NAME) != 0) continue;
    changes->block[i / 32].valid |= 1u << (i % 32);
    if (wanted->bits & FEATURE_ACTIVE) changes->block[i / 32].requested |= 1u << (i % 32);
  }
}

static int write_all(int fd, const char *ifname, const struct feature *wanted, uint32_t wanted_count) {
  struct names names;
  uint32_t count;
  int error = read_names(fd, ifname, &names, &count);
  if (error != 0) return error;
  // The kernel takes exactly as many words as it has, and EINVAL otherwise.
  struct changes changes = {.head = {.cmd = ETHTOOL_SFEATURES, .size = (count + 31) / 32}};
  for (uint32_t i = 0; i < wanted_count; i++) ask_for(&changes, &names, count, &wanted[i]);
  return call(fd, ifname, &changes);
}

/** All features, at most MAX_FEATURES; 0 or an errno. */
int features_read(const char *ifname, struct feature *out, uint32_t *count) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = read_all(fd, ifname, out, count);
  close(fd);
  return error;
}

/** Sets those named; unknown names are passed over.  0 means asked for, not granted: read again. */
int features_write(const char *ifname, const struct feature *wanted, uint32_t count) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = write_all(fd, ifname, wanted, count);
  close(fd);
  return error;
}
