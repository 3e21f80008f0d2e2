// The Node-API face of packet I/O: class PacketIo, wake(), clock().  Types and units: ../packet-io.ts.
//
// One PacketIo is one struct packet_io, owned by the thread that made it.  The region is handed to JavaScript once, as an
// external ArrayBuffer that the object keeps alive; typed arrays whose memory the C side writes are referenced as long.

#define _GNU_SOURCE
#include "binding.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/** Offsets are int32. */
#define LARGEST_REGION 0x7ffff000

// ---- life of a PacketIo ----------------------------------------------------------------------------------------------

static void unmap_region(napi_env env, void *memory, void *octets) {
  (void)env;
  munmap(memory, (size_t)octets);
}

static void close_all(struct holder *holder) {
  for (uint32_t i = 0; i < holder->io.port_count; i++) {
    if (holder->io.ports[i].state != NULL) port_close(&holder->io.ports[i]);
    holder->io.ports[i].state = NULL;
  }
  if (holder->io.event_fd >= 0) close(holder->io.event_fd);
  holder->io.event_fd = -1;
}

/**
 * The thread ends.  Hooks run in the reverse order of their making, so the ports are closed, and the rings unmapped, before
 * Node's own hook for the ArrayBuffer unmaps the region.
 */
static void on_thread_end(void *data) { close_all(data); }

static void finalize(napi_env env, void *data, void *hint) {
  (void)hint;
  struct holder *holder = data;
  napi_remove_env_cleanup_hook(env, on_thread_end, holder);
  close_all(holder);
  if (holder->memory != NULL) napi_delete_reference(env, holder->memory);
  for (int i = 0; i < COLUMNS; i++) if (holder->columns[i] != NULL) napi_delete_reference(env, holder->columns[i]);
  for (int i = 0; i < MAX_PORTS; i++) if (holder->states[i] != NULL) napi_delete_reference(env, holder->states[i]);
  free(holder);
}

static struct holder *make_holder(size_t octets) {
  struct holder *holder = calloc(1, sizeof *holder);
  if (holder == NULL) return NULL;
  holder->io.octets = octets;
  holder->io.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  for (int i = 0; i < TX_BATCH; i++) {
    holder->io.messages[i].msg_hdr.msg_iov = &holder->io.vectors[i];
    holder->io.messages[i].msg_hdr.msg_iovlen = 1;
  }
  return holder;
}

/** new PacketIo(octets): pages are given by the kernel on first touch. */
static napi_value construct(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, this, buffer;
  double octets = 0;
  napi_get_cb_info(env, info, &count, &argument, &this, NULL);
  if (napi_get_value_double(env, argument, &octets) != napi_ok || !(octets >= PAGE && octets <= LARGEST_REGION)) {
    return throw_range(env, "the region is at least a page and below 2 GiB");
  }
  size_t size = ((size_t)octets + PAGE - 1) & ~(size_t)(PAGE - 1);
  struct holder *holder = make_holder(size);
  if (holder == NULL) return throw_errno(env, ENOMEM, "calloc", "the region");
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    int error = errno;
    finalize(env, holder, NULL);
    return throw_errno(env, error, "mmap", "the region");
  }
  if (napi_create_external_arraybuffer(env, memory, size, unmap_region, (void *)size, &buffer) != napi_ok) {
    munmap(memory, size);
    finalize(env, holder, NULL);
    napi_throw_error(env, NULL, "this Node does not allow external array buffers");
    return NULL;
  }
  holder->io.memory = memory;
  keep(env, &holder->memory, buffer);
  napi_add_env_cleanup_hook(env, on_thread_end, holder);
  napi_wrap(env, this, holder, finalize, NULL, NULL);
  napi_set_named_property(env, this, "memory", buffer);
  return this;
}

static napi_value method_close(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  if (holder != NULL) close_all(holder);
  return NULL;
}

// ---- once a batch ----------------------------------------------------------------------------------------------------

static napi_value method_receive(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  struct port *port = port_of(env, holder, a[0]);
  if (port == NULL) return result(env, 0);
  return result(env, (int32_t)port_receive(&holder->io, port, (uint32_t)integer(env, a[1]), (uint32_t)integer(env, a[2])));
}

static napi_value method_transmit(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  struct port *port = port_of(env, holder, a[0]);
  if (port != NULL) port_transmit(&holder->io, port, (uint32_t)integer(env, a[1]), (uint32_t)integer(env, a[2]));
  return NULL;
}

static napi_value method_release(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  struct port *port = port_of(env, holder, a[0]);
  if (port != NULL) port_release(port, (uint32_t)integer(env, a[1]));
  return NULL;
}

static napi_value method_wait(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  return result(env, holder == NULL ? 0 : io_wait(&holder->io, integer(env, a[0])));
}

static napi_value method_wake_handle(napi_env env, napi_callback_info info) {
  napi_value a[4];
  struct holder *holder = self(env, info, a);
  return result(env, holder == NULL ? -1 : holder->io.event_fd);
}

/** wake(handle), from any thread. */
static napi_value function_wake(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  return result(env, io_wake(integer(env, argument)));
}

/** clock(): CLOCK_MONOTONIC in microseconds, the low 32 bits.  A small integer: reading it makes no garbage. */
static napi_value function_clock(napi_env env, napi_callback_info info) {
  (void)info;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return result(env, (int32_t)(uint32_t)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u));
}

// ---- module --------------------------------------------------------------------------------------------------------

#define METHOD(name, function) {name, NULL, function, NULL, NULL, NULL, napi_default_method, NULL}

NAPI_MODULE_INIT() {
  const napi_property_descriptor methods[] = {
    METHOD("bind", method_bind), METHOD("openPort", method_open_port), METHOD("closePort", method_close_port),
    METHOD("receive", method_receive), METHOD("transmit", method_transmit), METHOD("release", method_release),
    METHOD("wait", method_wait), METHOD("wakeHandle", method_wake_handle), METHOD("close", method_close),
  };
  const napi_property_descriptor functions[] = {METHOD("wake", function_wake), METHOD("clock", function_clock)};
  napi_value packet_io;
  napi_define_class(env, "PacketIo", NAPI_AUTO_LENGTH, construct, NULL, sizeof methods / sizeof *methods, methods, &packet_io);
  napi_set_named_property(env, exports, "PacketIo", packet_io);
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  define_interface_functions(env, exports);
  return exports;
}
