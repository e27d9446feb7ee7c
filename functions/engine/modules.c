/* Modules, for shim.c, which includes this: what a script asks the host to load, and the two ways
 * in which its text becomes code. The prelude decides what a name means and what its text is. */

IMPORT("load") extern int host_load(const char *request, int length);
IMPORT("loaded") extern void host_loaded(void *text);

/* `__host`: its resolveModule, moduleSource and moduleMeta are asked when the engine links. */
static JSValue prelude;

static JSValue ask_prelude(JSContext *c, const char *name, int count, JSValueConst *arguments) {
    JSValue function = JS_GetPropertyStr(c, prelude, name);
    JSValue value = JS_Call(c, function, JS_UNDEFINED, count, arguments);
    JS_FreeValue(c, function);
    return value;
}

static JSValue evaluate(JSContext *c, const char *name, const char *text, size_t length, int line,
                        int flags) {
    JSEvalOptions options = {
        .version = JS_EVAL_OPTIONS_VERSION,
        .eval_flags = flags,
        .filename = name,
        .line_num = line,
    };
    return JS_Eval2(c, text, length, &options);
}

static JSValue js_load(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    size_t length;
    const char *request = JS_ToCStringLen(c, &length, arguments[0]);
    if (!request) return JS_EXCEPTION;
    int size = host_load(request, (int)length);
    JS_FreeCString(c, request);
    char *text = js_malloc(c, size + 1);
    if (!text) return JS_EXCEPTION;
    host_loaded(text);
    JSValue value = JS_NewStringLen(c, text, size);
    js_free(c, text);
    return value;
}

/* compile(name, text, line): the value of the script. */
static JSValue js_compile(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    size_t length;
    int line = 1;
    const char *name = JS_ToCString(c, arguments[0]);
    const char *text = name ? JS_ToCStringLen(c, &length, arguments[1]) : NULL;
    JS_ToInt32(c, &line, arguments[2]);
    JSValue value = JS_EXCEPTION;
    if (text) value = evaluate(c, name, text, length, line, JS_EVAL_TYPE_GLOBAL);
    if (text) JS_FreeCString(c, text);
    if (name) JS_FreeCString(c, name);
    return value;
}

/* import(name): a promise of the module's namespace. */
static JSValue js_import(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    const char *name = JS_ToCString(c, arguments[0]);
    if (!name) return JS_EXCEPTION;
    JSValue promise = JS_LoadModule(c, "", name);
    JS_FreeCString(c, name);
    return promise;
}

/* settled(promise): what it holds once jobs alone can settle it; undefined when they cannot. */
static JSValue js_settled(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    JSContext *job_context;
    while (JS_PromiseState(c, arguments[0]) == JS_PROMISE_PENDING) {
        int ran = JS_ExecutePendingJob(runtime, &job_context);
        if (ran == 0) return JS_UNDEFINED;
        if (ran < 0) JS_FreeValue(job_context, JS_GetException(job_context));
    }
    JSValue value = JS_PromiseResult(c, arguments[0]);
    return JS_PromiseState(c, arguments[0]) == JS_PROMISE_REJECTED ? JS_Throw(c, value) : value;
}

static char *resolve_module(JSContext *c, const char *from, const char *name, void *opaque) {
    JSValue arguments[2] = {JS_NewString(c, from), JS_NewString(c, name)};
    JSValue value = ask_prelude(c, "resolveModule", 2, arguments);
    JS_FreeValue(c, arguments[0]);
    JS_FreeValue(c, arguments[1]);
    const char *text = JS_IsException(value) ? NULL : JS_ToCString(c, value);
    char *resolved = text ? js_strdup(c, text) : NULL;
    if (text) JS_FreeCString(c, text);
    JS_FreeValue(c, value);
    return resolved;
}

static JSModuleDef *load_module(JSContext *c, const char *name, void *opaque) {
    JSModuleDef *module = NULL;
    JSValue argument = JS_NewString(c, name);
    JSValue source = ask_prelude(c, "moduleSource", 1, &argument);
    size_t length;
    const char *text = JS_IsException(source) ? NULL : JS_ToCStringLen(c, &length, source);
    if (text) {
        JSValue compiled = evaluate(c, name, text, length, 1,
                                    JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
        JS_FreeCString(c, text);
        if (!JS_IsException(compiled)) {
            module = JS_VALUE_GET_PTR(compiled);
            JSValue arguments[2] = {argument, JS_GetImportMeta(c, module)};
            JSValue told = ask_prelude(c, "moduleMeta", 2, arguments);
            JS_FreeValue(c, arguments[1]);
            if (JS_IsException(told)) module = NULL;
            JS_FreeValue(c, told);
            /* The list of loaded modules goes on holding it. */
            JS_FreeValue(c, compiled);
        }
    }
    JS_FreeValue(c, source);
    JS_FreeValue(c, argument);
    return module;
}

static void init_modules(JSValueConst host) {
    prelude = JS_DupValue(context, host);
    define(host, "load", js_load, 1);
    define(host, "compile", js_compile, 3);
    define(host, "import", js_import, 1);
    define(host, "settled", js_settled, 1);
    JS_SetModuleLoaderFunc(runtime, resolve_module, load_module, NULL);
}
