// Node-API functions about interfaces, used at start and end only: readInterface, readFeatures, writeFeatures.

#define _GNU_SOURCE
#include "binding.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void put_number(napi_env env, napi_value object, const char *name, uint32_t number) {
  napi_value value;
  napi_create_uint32(env, number, &value);
  napi_set_named_property(env, object, name, value);
}

static void put_text(napi_env env, napi_value object, const char *name, const char *text) {
  napi_value value;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  napi_set_named_property(env, object, name, value);
}

static void put_mac(napi_env env, napi_value object, const struct link_facts *facts) {
  char text[18] = "";
  const uint8_t *m = facts->mac;
  if (facts->has_mac) snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
  put_text(env, object, "mac", text);
}

static int bits_set(const uint8_t *octets, int count) {
  int bits = 0;
  for (int i = 0; i < count; i++) bits += __builtin_popcount(octets[i]);
  return bits;
}

static const void *octets_of(const struct sockaddr *address) {
  if (address->sa_family == AF_INET6) return &((const struct sockaddr_in6 *)address)->sin6_addr;
  return &((const struct sockaddr_in *)address)->sin_addr;
}

/** "192.0.2.1/24" */
static void write_address(const struct ifaddrs *entry, char *out, size_t room) {
  char text[INET6_ADDRSTRLEN];
  int family = entry->ifa_addr->sa_family;
  // The mask of an IPv4 entry may come without a family.
  entry->ifa_netmask->sa_family = (sa_family_t)family;
  inet_ntop(family, octets_of(entry->ifa_addr), text, sizeof text);
  snprintf(out, room, "%s/%d", text, bits_set(octets_of(entry->ifa_netmask), family == AF_INET6 ? 16 : 4));
}

static void put_addresses(napi_env env, napi_value object, const char *ifname) {
  napi_value list, value;
  struct ifaddrs *all = NULL;
  uint32_t n = 0;
  napi_create_array(env, &list);
  if (getifaddrs(&all) != 0) all = NULL;
  for (struct ifaddrs *entry = all; entry != NULL; entry = entry->ifa_next) {
    if (entry->ifa_addr == NULL || entry->ifa_netmask == NULL || strcmp(entry->ifa_name, ifname) != 0) continue;
    if (entry->ifa_addr->sa_family != AF_INET && entry->ifa_addr->sa_family != AF_INET6) continue;
    char text[64];
    write_address(entry, text, sizeof text);
    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
    napi_set_element(env, list, n++, value);
  }
  if (all != NULL) freeifaddrs(all);
  napi_set_named_property(env, object, "addresses", list);
}

/** readInterface(name): an object, or null when there is none of that name. */
static napi_value read_interface(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, object;
  char name[IFNAMSIZ + 1];
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  if (!read_text(env, argument, name, sizeof name)) return NULL;
  struct link_facts facts;
  int error = link_read(name, &facts);
  if (error == ENODEV) {
    napi_get_null(env, &object);
    return object;
  }
  if (error != 0) return throw_errno(env, error, "RTM_GETLINK", name);
  napi_create_object(env, &object);
  put_number(env, object, "index", facts.index);
  put_number(env, object, "flags", facts.flags);
  put_number(env, object, "linkType", facts.type);
  put_number(env, object, "mtu", facts.mtu);
  put_number(env, object, "xdp", facts.xdp);
  put_text(env, object, "kind", facts.kind);
  put_text(env, object, "driver", facts.driver);
  put_text(env, object, "master", facts.master);
  put_mac(env, object, &facts);
  put_addresses(env, object, name);
  return object;
}

/** readFeatures(name): { feature: FEATURE_ACTIVE | FEATURE_CHANGEABLE }. */
static napi_value read_features(napi_env env, napi_callback_info info) {
  size_t arguments = 1;
  napi_value argument, object;
  char name[IFNAMSIZ + 1];
  struct feature list[MAX_FEATURES];
  uint32_t count = 0;
  napi_get_cb_info(env, info, &arguments, &argument, NULL, NULL);
  if (!read_text(env, argument, name, sizeof name)) return NULL;
  int error = features_read(name, list, &count);
  if (error != 0) return throw_errno(env, error, "ETHTOOL_GFEATURES", name);
  napi_create_object(env, &object);
  for (uint32_t i = 0; i < count; i++) if (list[i].name[0] != 0) put_number(env, object, list[i].name, list[i].bits);
  return object;
}

static uint32_t read_wishes(napi_env env, napi_value object, struct feature *list) {
  napi_value names, name, value;
  uint32_t count = 0;
  if (napi_get_property_names(env, object, &names) != napi_ok) return 0;
  napi_get_array_length(env, names, &count);
  if (count > MAX_FEATURES) count = MAX_FEATURES;
  for (uint32_t i = 0; i < count; i++) {
    bool on = false;
    size_t length;
    napi_get_element(env, names, i, &name);
    napi_get_property(env, object, name, &value);
    napi_get_value_bool(env, value, &on);
    napi_get_value_string_utf8(env, name, list[i].name, FEATURE_NAME, &length);
    list[i].bits = on ? FEATURE_ACTIVE : 0;
  }
  return count;
}

/** writeFeatures(name, { feature: boolean }). */
static napi_value write_features(napi_env env, napi_callback_info info) {
  size_t arguments = 2;
  napi_value a[2];
  char name[IFNAMSIZ + 1];
  struct feature list[MAX_FEATURES];
  napi_get_cb_info(env, info, &arguments, a, NULL, NULL);
  if (!read_text(env, a[0], name, sizeof name)) return NULL;
  uint32_t count = read_wishes(env, a[1], list);
  int error = features_write(name, list, count);
  return error == 0 ? NULL : throw_errno(env, error, "ETHTOOL_SFEATURES", name);
}

#define FUNCTION(name, function) {name, NULL, function, NULL, NULL, NULL, napi_default_method, NULL}

void define_interface_functions(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
    FUNCTION("readInterface", read_interface), FUNCTION("readFeatures", read_features), FUNCTION("writeFeatures", write_features),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}
