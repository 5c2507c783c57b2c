// The loop that runs Python functions: a small client of the Runtime API, written to a file and run by the interpreter.
#pragma once
#include <string_view>

namespace slipway::lambda {

extern const std::string_view kPythonBootstrap;

}  // namespace slipway::lambda
