// Shared by the Node-API files.

#ifndef POSTERN_BINDING_H
#define POSTERN_BINDING_H

#include "packet-io.h"

#include <node_api.h>

#define PAGE 4096

/** What a PacketIo object wraps: the C state, and references that keep the memory it writes alive. */
struct holder {
  struct packet_io io;
  napi_ref memory;
  napi_ref columns[COLUMNS];
  napi_ref states[MAX_PORTS];
};

// binding-arguments.c
/** Throws an Error whose `code` is the name of `number` (ENODEV); returns NULL for `return throw_errno(...)`. */
napi_value throw_errno(napi_env env, int number, const char *what, const char *on);
napi_value throw_range(napi_env env, const char *text);
/** Copies a JavaScript string of at most room - 2 octets; throws and returns false otherwise. */
bool read_text(napi_env env, napi_value value, char *out, size_t room);
int32_t integer(napi_env env, napi_value value);
napi_value result(napi_env env, int32_t number);
napi_value property(napi_env env, napi_value object, const char *name);
/** The C state behind `this`, and up to four arguments; NULL when called on something else. */
struct holder *self(napi_env env, napi_callback_info info, napi_value arguments[4]);
/** The open port of that number, or NULL. */
struct port *port_of(napi_env env, struct holder *holder, napi_value number);
void keep(napi_env env, napi_ref *ref, napi_value value);

// binding-port.c
napi_value method_bind(napi_env env, napi_callback_info info);
napi_value method_open_port(napi_env env, napi_callback_info info);
napi_value method_close_port(napi_env env, napi_callback_info info);

// binding-interface.c
void define_interface_functions(napi_env env, napi_value exports);

#endif
