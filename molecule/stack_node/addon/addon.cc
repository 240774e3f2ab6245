// Says which headers it was compiled with.
#include <node.h>

static void Node(const v8::FunctionCallbackInfo<v8::Value>& args) {
  args.GetReturnValue().Set(
      v8::String::NewFromUtf8(args.GetIsolate(), NODE_VERSION).ToLocalChecked());
}

static void Initialize(v8::Local<v8::Object> exports) { NODE_SET_METHOD(exports, "node", Node); }

NODE_MODULE(addon, Initialize)
