/* The JavaScript engine as a WebAssembly reactor: QuickJS-ng behind six exports; see IMPORT for what it asks.
 *
 * Life of an image: oh_init, oh_eval (prelude), oh_eval (script), oh_seal; then the memory is copied.
 * Life of a request: a copy of that memory, oh_alloc for the event, oh_handle, and the end.
 * A reply is (pointer << 32 | length); its first byte is 0 for a result and 1 for an exception. */
#include "quickjs.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("offhook"), import_name(name)))

IMPORT("log") extern void host_log(int level, const char *text, int length);
IMPORT("random") extern void host_random(void *bytes, int length);
IMPORT("ask") extern int host_ask(const char *text, int length);
IMPORT("next") extern int host_next(double milliseconds);
IMPORT("take") extern void host_take(char *text);
/* Both write to `to`, which has room for MAX_DIGEST_BYTES, and give the length; 0 for a name they do not know. */
IMPORT("digest") extern int host_digest(const char *name, int name_length, const uint8_t *bytes,
                                        int length, uint8_t *to);
IMPORT("hmac") extern int host_hmac(const char *name, int name_length, const uint8_t *key,
                                    int key_length, const uint8_t *bytes, int length, uint8_t *to);
/* The tz database's file of that name: writes at most `room` bytes of it and gives its length; 0 for no such zone. */
IMPORT("zone") extern int host_zone(const char *name, int name_length, uint8_t *to, int room);
extern void __wasm_call_ctors(void);

enum {
    /* Below the 512 KiB the linker reserves, so that JavaScript sees a RangeError, not a trap. */
    STACK_BYTES = 256 * 1024,
    /* Room that is mapped before the memory is copied, so that few requests have to grow it. */
    HEADROOM_BYTES = 512 * 1024,
    /* Free pieces that are looked for, each half as large as the one before. */
    LARGEST_PIECE = 64 * 1024,
    SMALLEST_PIECE = 64,
    /* What the function that runs has on the stack. */
    RED_ZONE = 1024,
    MAX_RANDOM_BYTES = 1024,
    /* SHA-512. */
    MAX_DIGEST_BYTES = 64,
    /* Twice the longest file of the tz database in its slim form. */
    MAX_ZONE_BYTES = 4096,
};

static JSRuntime *runtime;
static JSContext *context;
static JSValue handle_function, pump_function, result;
/* The first promise that was rejected while nobody listened, and its reason. */
static JSValue lost_promise, lost_reason;
static int has_result;
static char *reply;
static size_t reply_capacity;

static uint64_t give(char kind, const char *text, size_t length) {
    if (length + 1 > reply_capacity) {
        free(reply);
        reply_capacity = length + 64;
        reply = malloc(reply_capacity);
        if (!reply) __builtin_trap();
    }
    reply[0] = kind;
    memcpy(reply + 1, text, length);
    return ((uint64_t)(uintptr_t)reply << 32) | (uint32_t)(length + 1);
}

static uint64_t give_value(char kind, JSValueConst value) {
    size_t length;
    const char *text = JS_ToCStringLen(context, &length, value);
    if (!text) {
        static const char unprintable[] = "exception that cannot be printed";
        JS_FreeValue(context, JS_GetException(context));
        return give(1, unprintable, sizeof unprintable - 1);
    }
    uint64_t given = give(kind, text, length);
    JS_FreeCString(context, text);
    return given;
}

/* "Name: message" and, after a line end, the stack; both are in the stack by the prelude's doing. */
static uint64_t give_exception(void) {
    JSValue error = JS_GetException(context);
    JSValue stack = JS_IsError(error) ? JS_GetPropertyStr(context, error, "stack") : JS_UNDEFINED;
    uint64_t given = give_value(1, JS_IsString(stack) ? stack : error);
    JS_FreeValue(context, stack);
    JS_FreeValue(context, error);
    return given;
}

static JSValue js_log(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    int level = 0;
    size_t length;
    JS_ToInt32(c, &level, arguments[0]);
    const char *text = JS_ToCStringLen(c, &length, arguments[1]);
    if (!text) return JS_EXCEPTION;
    host_log(level, text, (int)length);
    JS_FreeCString(c, text);
    return JS_UNDEFINED;
}

static JSValue js_random(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    uint8_t bytes[MAX_RANDOM_BYTES];
    int length = 0;
    JS_ToInt32(c, &length, arguments[0]);
    if (length < 0 || length > MAX_RANDOM_BYTES) return JS_ThrowRangeError(c, "too many bytes");
    host_random(bytes, length);
    return JS_NewArrayBufferCopy(c, bytes, length);
}

/* (name, bytes), or (name, key, bytes), of which `key` and `bytes` are Uint8Arrays. */
static JSValue js_digest(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    uint8_t to[MAX_DIGEST_BYTES];
    size_t name_length, key_length = 0, length;
    int made, keyed = count > 2;
    const uint8_t *key = keyed ? JS_GetUint8Array(c, &key_length, arguments[1]) : NULL;
    if (keyed && !key) return JS_EXCEPTION;
    const uint8_t *bytes = JS_GetUint8Array(c, &length, arguments[keyed ? 2 : 1]);
    if (!bytes) return JS_EXCEPTION;
    const char *name = JS_ToCStringLen(c, &name_length, arguments[0]);
    if (!name) return JS_EXCEPTION;
    if (keyed) made = host_hmac(name, (int)name_length, key, (int)key_length, bytes, (int)length, to);
    else made = host_digest(name, (int)name_length, bytes, (int)length, to);
    JS_FreeCString(c, name);
    return made ? JS_NewArrayBufferCopy(c, to, made) : JS_ThrowTypeError(c, "unknown digest");
}

static JSValue js_zone(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    uint8_t to[MAX_ZONE_BYTES];
    size_t name_length;
    const char *name = JS_ToCStringLen(c, &name_length, arguments[0]);
    if (!name) return JS_EXCEPTION;
    int length = host_zone(name, (int)name_length, to, sizeof to);
    JS_FreeCString(c, name);
    if (length < 0 || length > MAX_ZONE_BYTES) return JS_ThrowRangeError(c, "zone too large");
    return length ? JS_NewArrayBufferCopy(c, to, length) : JS_UNDEFINED;
}

/* Begins an operation; its number comes back with its answer. */
static JSValue js_ask(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    size_t length;
    const char *text = JS_ToCStringLen(c, &length, arguments[0]);
    if (!text) return JS_EXCEPTION;
    int number = host_ask(text, (int)length);
    JS_FreeCString(c, text);
    return JS_NewInt32(c, number);
}

/* The answer of an operation that ended, or undefined when so long passed without one. */
static JSValue js_wait(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    double milliseconds = 0;
    JS_ToFloat64(c, &milliseconds, arguments[0]);
    int length = host_next(milliseconds);
    if (length < 0) return JS_UNDEFINED;
    char *text = js_malloc(c, (size_t)length + 1);
    if (!text) return JS_EXCEPTION;
    host_take(text);
    JSValue answer = JS_NewStringLen(c, text, length);
    js_free(c, text);
    return answer;
}

/* The first result counts; jobs that are still waiting then are left alone. */
static JSValue js_done(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    if (!has_result) {
        result = JS_DupValue(c, arguments[0]);
        has_result = 1;
    }
    return JS_UNDEFINED;
}

static void lose(JSValueConst promise, JSValueConst reason) {
    JS_FreeValue(context, lost_promise);
    JS_FreeValue(context, lost_reason);
    lost_promise = JS_DupValue(context, promise);
    lost_reason = JS_DupValue(context, reason);
}

static void track(JSContext *c, JSValueConst promise, JSValueConst reason, bool handled, void *opaque) {
    if (!handled && JS_IsUndefined(lost_promise)) lose(promise, reason);
    if (handled && JS_IsStrictEqual(context, promise, lost_promise)) lose(JS_UNDEFINED, JS_UNDEFINED);
}

/* [reason], where a promise was rejected and nobody listens yet. */
static JSValue js_lost(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    if (JS_IsUndefined(lost_promise)) return JS_UNDEFINED;
    JSValue array = JS_NewArray(c);
    JS_SetPropertyUint32(c, array, 0, JS_DupValue(c, lost_reason));
    return array;
}

static void define(JSValueConst object, const char *name, JSCFunction *function, int arity) {
    JS_SetPropertyStr(context, object, name, JS_NewCFunction(context, function, name, arity));
}

static void run_jobs(void) {
    JSContext *job_context;
    while (!has_result) {
        int ran = JS_ExecutePendingJob(runtime, &job_context);
        if (ran == 0) return;
        if (ran < 0) JS_FreeValue(job_context, JS_GetException(job_context));
    }
}

#include "modules.c"

EXPORT("oh_alloc") void *oh_alloc(int length) { return malloc(length); }

EXPORT("oh_init") int oh_init(void) {
    __wasm_call_ctors();
    runtime = JS_NewRuntime();
    if (!runtime) return 1;
    JS_SetMaxStackSize(runtime, STACK_BYTES);
    context = JS_NewContext(runtime);
    if (!context) return 2;
    handle_function = pump_function = result = lost_promise = lost_reason = JS_UNDEFINED;
    JS_SetHostPromiseRejectionTracker(runtime, track, NULL);
    JSValue global = JS_GetGlobalObject(context), host = JS_NewObject(context);
    define(host, "log", js_log, 2);
    define(host, "random", js_random, 1);
    define(host, "ask", js_ask, 1);
    define(host, "digest", js_digest, 2);
    define(host, "hmac", js_digest, 3);
    define(host, "zone", js_zone, 1);
    define(host, "wait", js_wait, 1);
    define(host, "done", js_done, 1);
    define(host, "lost", js_lost, 0);
    init_modules(host);
    JS_SetPropertyStr(context, global, "__host", host);
    JS_FreeValue(context, global);
    return 0;
}

/* Runs code and gives its exception or nothing. */
static uint64_t finish(JSValue value) {
    if (JS_IsException(value)) return give_exception();
    JS_FreeValue(context, value);
    run_jobs();
    return give(0, "", 0);
}

/* What came through oh_alloc is of no use any more; zeroed, it is no part of the image either. */
static void discard(char *text, size_t length) {
    memset(text, 0, length);
    free(text);
}

/* `name` and `source` end with a NUL and are discarded; `line` is the number of the source's first line. */
EXPORT("oh_eval") uint64_t oh_eval(char *name, char *source, int length, int line) {
    JSEvalOptions options = {
        .version = JS_EVAL_OPTIONS_VERSION,
        .eval_flags = JS_EVAL_TYPE_GLOBAL,
        .filename = name,
        .line_num = line,
    };
    uint64_t given = finish(JS_Eval2(context, source, length, &options));
    discard(source, length);
    discard(name, strlen(name));
    return given;
}

/* As oh_eval, for a file of the prelude: keeps no source text, which would make up half of the image. */
EXPORT("oh_prelude") uint64_t oh_prelude(char *name, char *source, int length) {
    JSEvalOptions options = {
        .version = JS_EVAL_OPTIONS_VERSION,
        .eval_flags = JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY,
        .filename = name,
        .line_num = 1,
    };
    size_t size;
    JSValue code = JS_Eval2(context, source, length, &options);
    discard(source, length);
    discard(name, strlen(name));
    if (JS_IsException(code)) return give_exception();
    uint8_t *bytes =
        JS_WriteObject(context, &size, code, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    JS_FreeValue(context, code);
    if (!bytes) return give_exception();
    code = JS_ReadObject(context, bytes, size, JS_READ_OBJ_BYTECODE);
    memset(bytes, 0, size);
    js_free(context, bytes);
    if (JS_IsException(code)) return give_exception();
    return finish(JS_EvalFunction(context, code));
}

/* Makes what nobody uses any more zero, so that it is no part of the image: free pieces of the heap, and the stack below
 * this call. Every request would copy it where it lies beside what changes. */
static void wipe(void) {
    char *end = malloc(HEADROOM_BYTES);
    void **held = NULL;
    free(end);
    for (size_t size = LARGEST_PIECE; size >= SMALLEST_PIECE; size /= 2) {
        for (;;) {
            void **piece = malloc(size);
            if (!piece) break;
            /* From here on nothing was ever in use. */
            if ((char *)piece >= end) {
                free(piece);
                break;
            }
            memset(piece, 0, size);
            *piece = held;
            held = piece;
        }
    }
    while (held) {
        void **piece = held;
        held = *piece;
        *piece = NULL;
        free(piece);
    }
    /* The linker puts the stack first; nothing is at its very end, address 0. */
    char *low = (char *)(uintptr_t)RED_ZONE, *here = __builtin_frame_address(0);
    if (here > low + RED_ZONE) memset(low, 0, here - RED_ZONE - low);
}

/* The prelude leaves its two entry points in `__host`; nobody else keeps that object. */
EXPORT("oh_seal") int oh_seal(void) {
    JSValue global = JS_GetGlobalObject(context);
    JSValue host = JS_GetPropertyStr(context, global, "__host");
    handle_function = JS_GetPropertyStr(context, host, "handle");
    pump_function = JS_GetPropertyStr(context, host, "pump");
    JSAtom name = JS_NewAtom(context, "__host");
    JS_DeleteProperty(context, global, name, 0);
    JS_FreeAtom(context, name);
    JS_FreeValue(context, host);
    JS_FreeValue(context, global);
    lose(JS_UNDEFINED, JS_UNDEFINED);
    JS_RunGC(runtime);
    wipe();
    return JS_IsFunction(context, handle_function) && JS_IsFunction(context, pump_function) ? 0 : 1;
}

/* Calls the handler, then runs promise jobs and timers until it has given a result. */
EXPORT("oh_handle") uint64_t oh_handle(const char *event, int length) {
    JSValue argument = JS_NewStringLen(context, event, length);
    JSValue value = JS_Call(context, handle_function, JS_UNDEFINED, 1, &argument);
    JS_FreeValue(context, argument);
    for (;;) {
        if (JS_IsException(value)) return give_exception();
        JS_FreeValue(context, value);
        run_jobs();
        if (has_result) return give_value(0, result);
        value = JS_Call(context, pump_function, JS_UNDEFINED, 0, NULL);
    }
}
