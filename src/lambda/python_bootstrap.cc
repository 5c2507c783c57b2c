#include "lambda/python_bootstrap.h"

namespace slipway::lambda {

// Standard library only, so that a cold start costs no more than the interpreter.  boto3 before 1.28 does not know
// AWS_ENDPOINT_URL: when the handler imports botocore, its clients are given the region's address.
const std::string_view kPythonBootstrap =
    R"PY(import decimal, http.client, importlib, importlib.abc, importlib.util, json, logging, os, sys, time, traceback

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


class LogHandler(logging.Handler):
    """Writes records as Lambda does: level, time, request id, message, with tabs between."""

    request_id = ""

    def emit(self, record):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = "[%s]\t%s.%03dZ\t%s\t%s" % (record.levelname, stamp, record.msecs, self.request_id, self.format(record))
        print(text, flush=True)


LOG = LogHandler()


class Record:
    """A client context's parts: their members as attributes, None where absent."""

    def __init__(self, names, values):
        for name, key in names.items():
            setattr(self, name, (values or {}).get(key))

    def __repr__(self):
        return "%s(%s)" % (type(self).__name__, vars(self))


class ClientContext(Record):
    pass


class Client(Record):
    pass


class CognitoIdentity(Record):
    pass


class LambdaContext:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.tenant_id = headers.get("Lambda-Runtime-Aws-Tenant-Id")
        self.client_context = None
        given = headers.get("Lambda-Runtime-Client-Context")
        if given:
            given = json.loads(given)
            self.client_context = ClientContext({"custom": "custom", "env": "env"}, given)
            names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
            self.client_context.client = Client({name: name for name in names}, given.get("client"))
        identity = json.loads(headers.get("Lambda-Runtime-Cognito-Identity") or "{}")
        self.identity = CognitoIdentity(
            {"cognito_identity_id": "cognitoIdentityId", "cognito_identity_pool_id": "cognitoIdentityPoolId"}, identity)
        self._epoch_deadline_time_in_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))
        sys.stdout.flush()

    def __repr__(self):
        return "LambdaContext([%s])" % ",".join("%s=%s" % pair for pair in vars(self).items() if pair[0][0] != "_")


class HandlerFault(Exception):
    """A fault between the runtime and the handler, not in the handler."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


connection = http.client.HTTPConnection(API)


def call(method, path, body=None, headers=None):
    if isinstance(body, str):
        body = body.encode("utf-8", "replace")
    connection.request(method, BASE + path, body, headers or {})
    answer = connection.getresponse()
    return answer.headers, answer.read()


def post(path, body, headers):
    try:
        call("POST", path, body, headers)
    except (OSError, http.client.HTTPException):
        # An answer that is too large is cut off; the next call opens a connection anew.
        connection.close()


def fault(kind, message, request_id, trace):
    return json.dumps({"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace})


def frames_of(error):
    """The stack without our own frames and the import system's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and not frame.filename.startswith("<frozen ")]
    return traceback.format_list(own)


def complain(kind, message, trace):
    text = "[ERROR] " + (kind + ": " + message if message else kind)
    if trace:
        text += "\nTraceback (most recent call last):\n" + "".join(trace).rstrip("\n")
    print(text, flush=True)


def init_error(kind, message, trace=()):
    complain(kind, message, trace)
    post("init/error", fault(kind, message, "", list(trace)), {"Lambda-Runtime-Function-Error-Type": kind})
    sys.exit(1)


def load_handler():
    name = os.environ["_HANDLER"]
    if "." not in name:
        init_error("Runtime.MalformedHandlerName",
                   "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    module_name, function_name = name.rsplit(".", 1)
    if module_name.split(".")[0] in sys.builtin_module_names:
        init_error("Runtime.BuiltInModuleConflict",
                   "Cannot use built-in module %s as a handler module" % module_name)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        init_error("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        where = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)]
        init_error("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), where)
    except Exception as error:
        init_error(type(error).__name__, str(error), frames_of(error))
    handler = getattr(module, function_name, None)
    if handler is None:
        init_error("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name))
    return handler


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def run(handler, body, context):
    try:
        event = json.loads(body)
    except ValueError as error:
        raise HandlerFault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)
    result = handler(event, context)
    try:
        return json.dumps(result, default=plain)
    except Exception as error:
        raise HandlerFault("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def serve(handler):
    while True:
        headers, body = call("GET", "invocation/next")
        context = LambdaContext(headers)
        LOG.request_id = context.aws_request_id
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        path = "invocation/" + context.aws_request_id
        try:
            answer = run(handler, body, context)
        except HandlerFault as error:
            fail(path, context, error.kind, str(error), [])
        except Exception as error:
            fail(path, context, type(error).__name__, str(error), frames_of(error))
        else:
            sys.stdout.flush()
            sys.stderr.flush()
            post(path + "/response", answer, {"Content-Type": "application/json"})


def fail(path, context, kind, message, trace):
    sys.stderr.flush()
    complain(kind, message, trace)
    post(path + "/error", fault(kind, message, context.aws_request_id, trace),
         {"Lambda-Runtime-Function-Error-Type": kind})


sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
logging.getLogger().addHandler(LOG)
if os.environ.get("AWS_ENDPOINT_URL"):
    sys.meta_path.insert(0, EndpointHook())
serve(load_handler())
)PY";

}  // namespace slipway::lambda
