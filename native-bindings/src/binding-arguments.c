// Reading arguments, making results and throwing, for the Node-API files.

#define _GNU_SOURCE
#include "binding.h"

#include <stdio.h>
#include <string.h>

napi_value throw_errno(napi_env env, int number, const char *what, const char *on) {
  char text[160];
  snprintf(text, sizeof text, "%s on %s: %s", what, on, strerror(number));
  napi_throw_error(env, strerrorname_np(number), text);
  return NULL;
}

napi_value throw_range(napi_env env, const char *text) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", text);
  return NULL;
}

bool read_text(napi_env env, napi_value value, char *out, size_t room) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, out, room, &length) == napi_ok && length > 0 && length < room - 1) return true;
  napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "not an interface name");
  return false;
}

int32_t integer(napi_env env, napi_value value) {
  int32_t number = 0;
  napi_get_value_int32(env, value, &number);
  return number;
}

napi_value result(napi_env env, int32_t number) {
  napi_value value;
  napi_create_int32(env, number, &value);
  return value;
}

napi_value property(napi_env env, napi_value object, const char *name) {
  napi_value value = NULL;
  napi_get_named_property(env, object, name, &value);
  return value;
}

/** The C state behind `this`, and up to four arguments; NULL when called on something else. */
struct holder *self(napi_env env, napi_callback_info info, napi_value arguments[4]) {
  size_t count = 4;
  napi_value this;
  struct holder *holder = NULL;
  if (napi_get_cb_info(env, info, &count, arguments, &this, NULL) != napi_ok) return NULL;
  if (napi_unwrap(env, this, (void **)&holder) != napi_ok) return NULL;
  return holder;
}

struct port *port_of(napi_env env, struct holder *holder, napi_value number) {
  if (holder == NULL) return NULL;
  int32_t index = integer(env, number);
  return index >= 0 && (uint32_t)index < holder->io.port_count && holder->io.ports[index].state != NULL ? &holder->io.ports[index] : NULL;
}

void keep(napi_env env, napi_ref *ref, napi_value value) {
  if (*ref != NULL) napi_delete_reference(env, *ref);
  *ref = NULL;
  napi_create_reference(env, value, 1, ref);
}
