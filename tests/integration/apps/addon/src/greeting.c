#include <node_api.h>

#include "words.h"

static napi_value greet(napi_env env, napi_callback_info info) {
  napi_value text;
  (void)info;
  napi_create_string_utf8(env, words(), NAPI_AUTO_LENGTH, &text);
  return text;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "greet", NAPI_AUTO_LENGTH, greet, NULL, &function);
  napi_set_named_property(env, exports, "greet", function);
  return exports;
}
