// Node-API: the columns of a PacketIo, opening and closing of its ports.  Start-up only: these throw.

#define _GNU_SOURCE
#include "binding.h"

#include <errno.h>
#include <string.h>

static bool flag(napi_env env, napi_value object, const char *name) {
  bool value = false;
  napi_get_value_bool(env, property(env, object, name), &value);
  return value;
}

static const char *const COLUMN_PROPERTY[COLUMNS] = {
  "offset", "length", "wireLength", "sec", "nsec", "status", "vlan", "offset", "length", "result",
};

static bool bind_columns(napi_env env, struct holder *holder, napi_value object, int from, int to) {
  size_t fewest = SIZE_MAX;
  for (int i = from; i < to; i++) {
    napi_value array = property(env, object, COLUMN_PROPERTY[i]);
    napi_typedarray_type type;
    size_t rows;
    void *data;
    if (napi_get_typedarray_info(env, array, &type, &rows, &data, NULL, NULL) != napi_ok) return false;
    if (type != napi_int32_array) return false;
    keep(env, &holder->columns[i], array);
    holder->io.columns[i].data = data;
    if (rows < fewest) fewest = rows;
  }
  for (int i = from; i < to; i++) holder->io.columns[i].rows = (uint32_t)fewest;
  return true;
}

/** bind(received, sent): the columns that receive() fills and transmit() reads. */
napi_value method_bind(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  bool done = holder != NULL && bind_columns(env, holder, a[0], RX_OFFSET, TX_OFFSET) && bind_columns(env, holder, a[1], TX_OFFSET, COLUMNS);
  if (done) return NULL;
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "columns are Int32Arrays");
  return NULL;
}

static bool power_of_two(int64_t n) { return n > 0 && (n & (n - 1)) == 0; }

/** Shape of the port's area from the options; false when it does not lie in the region or the kernel would refuse it. */
static bool read_shape(napi_env env, struct holder *holder, napi_value options, struct port *port) {
  int64_t start = integer(env, property(env, options, "start"));
  int64_t slot_size = integer(env, property(env, options, "slotSize"));
  int64_t slots = integer(env, property(env, options, "slots"));
  int64_t large = integer(env, property(env, options, "largeBuffers"));
  if (start < 0 || start % PAGE != 0) return false;
  if (!power_of_two(slot_size) || slot_size < 1024 || slot_size > 65536 || !power_of_two(slots)) return false;
  if (slots * slot_size < PAGE || large < 0 || large > 4096) return false;
  if (start + slots * slot_size + large * LARGE_BUFFER > (int64_t)holder->io.octets) return false;
  port->ring = holder->io.memory + start;
  port->slot_size = (uint32_t)slot_size;
  port->slots = (uint32_t)slots;
  port->large = port->ring + slots * slot_size;
  port->large_count = (uint32_t)large;
  return true;
}

static bool bind_state(napi_env env, struct holder *holder, uint32_t index, napi_value array) {
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (napi_get_typedarray_info(env, array, &type, &length, &data, NULL, NULL) != napi_ok) return false;
  if (type != napi_float64_array || length < STATES) return false;
  keep(env, &holder->states[index], array);
  holder->io.ports[index].state = data;
  return true;
}

/** openPort(options): the port's number. */
napi_value method_open_port(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  if (holder == NULL || holder->io.event_fd < 0) return throw_errno(env, EBADF, "openPort", "a closed PacketIo");
  uint32_t index = holder->io.port_count;
  if (index == MAX_PORTS) return throw_range(env, "too many ports");
  struct port *port = &holder->io.ports[index];
  *port = (struct port){.rx = -1, .tx = -1, .vnet = flag(env, a[0], "vnet"), .bypass = flag(env, a[0], "bypassQdisc")};
  char name[IFNAMSIZ + 1];
  if (!read_text(env, property(env, a[0], "device"), name, sizeof name)) return NULL;
  memcpy(port->name, name, sizeof port->name);
  if (!read_shape(env, holder, a[0], port)) return throw_range(env, "the port's area");
  if (!bind_state(env, holder, index, property(env, a[0], "state"))) return throw_range(env, "state is a Float64Array");
  struct failure failure;
  if (!port_open(port, &failure)) {
    port->state = NULL;
    return throw_errno(env, failure.number, failure.step, port->name);
  }
  port->state[STATE_IFINDEX] = port->ifindex;
  holder->io.port_count++;
  port_check(port, coarse_milliseconds(), false);
  return result(env, (int32_t)index);
}

napi_value method_close_port(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  struct port *port = port_of(env, holder, a[0]);
  if (port != NULL) {
    port_close(port);
    port->state = NULL;
  }
  return NULL;
}
