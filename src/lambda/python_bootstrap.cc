#include "lambda/python_bootstrap.h"

namespace slipway::lambda {

// Standard library only, so that a cold start costs no more than the interpreter.  boto3 before 1.28 does not know
// AWS_ENDPOINT_URL: when the handler imports botocore, its clients are given the region's address.
const std::string_view kPythonBootstrap =
    R"PY(import http.client, importlib, importlib.abc, importlib.util, json, os, sys, time, traceback

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime/"


class EndpointHook(importlib.abc.MetaPathFinder):
    """Gives every botocore client the region's endpoint unless the caller names one."""

    def find_spec(self, name, path, target=None):
        if name != "botocore.client":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            create = module.ClientCreator.create_client

            def create_client(creator, service_name, *args, **kwargs):
                own = os.environ.get("AWS_ENDPOINT_URL_" + service_name.upper().replace("-", "_"))
                if len(args) < 3 and kwargs.get("endpoint_url") is None:
                    kwargs["endpoint_url"] = own or os.environ.get("AWS_ENDPOINT_URL")
                return create(creator, service_name, *args, **kwargs)

            module.ClientCreator.create_client = create_client

        spec.loader.exec_module = exec_module
        return spec


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))


connection = http.client.HTTPConnection(API)


def call(method, path, body=None, headers=None):
    connection.request(method, BASE + path, body, headers or {})
    answer = connection.getresponse()
    return answer.headers, answer.read()


def fault(kind, message, request_id="", trace=None):
    return json.dumps({"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace or []})


def init_error(kind, message, trace=None):
    sys.stdout.flush()
    print("[ERROR] " + kind + ": " + message, flush=True)
    call("POST", "init/error", fault(kind, message, "", trace), {"Lambda-Runtime-Function-Error-Type": kind})
    sys.exit(1)


def load_handler():
    name = os.environ["_HANDLER"]
    if "." not in name:
        init_error("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    module_name, function_name = name.rsplit(".", 1)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        init_error("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        init_error("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error))
    except Exception as error:
        init_error(type(error).__name__, str(error), traceback.format_exc().splitlines())
    handler = getattr(module, function_name, None)
    if handler is None:
        init_error("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name))
    return handler


def serve(handler):
    while True:
        headers, body = call("GET", "invocation/next")
        context = Context(headers)
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        path = "invocation/" + context.aws_request_id
        try:
            try:
                event = json.loads(body)
            except ValueError as error:
                raise RuntimeError("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)
            result = handler(event, context)
            try:
                answer = json.dumps(result)
            except TypeError as error:
                raise RuntimeError("Runtime.MarshalError", "Unable to marshal response: %s" % error)
        except RuntimeError as error:
            kind, message = error.args if len(error.args) == 2 else (type(error).__name__, str(error))
            fail(path, context, kind, message, traceback.format_exc())
            continue
        except SystemExit:
            raise
        except BaseException as error:
            fail(path, context, type(error).__name__, str(error), traceback.format_exc())
            continue
        sys.stdout.flush()
        call("POST", path + "/response", answer, {"Content-Type": "application/json"})


def fail(path, context, kind, message, trace):
    print("[ERROR] %s: %s\n%s" % (kind, message, trace), flush=True)
    body = fault(kind, message, context.aws_request_id, trace.splitlines())
    call("POST", path + "/error", body, {"Lambda-Runtime-Function-Error-Type": kind})


if os.environ.get("AWS_ENDPOINT_URL"):
    sys.meta_path.insert(0, EndpointHook())
serve(load_handler())
)PY";

}  // namespace slipway::lambda
